"""Loss, wraps, hosts who come back, viewers who vanish and strangers who knock."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from itertools import pairwise

import msgspec
import pytest
from aiortc.rtp import RTCP_PSFB_PLI, RtcpPsfbPacket

from realtime.video.config import Mode
from tests.integration.realtime.video.lines import LossyLine
from tests.integration.realtime.video.people import (
    LOOPBACK,
    ROOM,
    Encoder,
    Header,
    Publisher,
    Viewer,
    forwarding,
    prefer,
    until,
)


async def test_a_hosts_lossy_line_is_repaired_before_viewers_see_it() -> None:
    """5 % both ways: the viewer gets every picture, since repairs are asked for until they come."""
    async with forwarding() as forwarder:
        host, viewer = Publisher(codec="H264"), Viewer()
        await host.publish(forwarder)
        line = LossyLine(host.pc, 0.05)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        await until(lambda: viewer.frames)
        first = viewer.frames[0][0]
        await until(lambda: viewer.frames[-1][0] - first > 5 and line.lost > 20)
        await until(lambda: forwarder.counters.repairs_asked > 5)
        assert viewer.share(4) > 0.8
        await viewer.close()
        await host.vanish()


async def test_a_viewers_lossy_line_is_repaired_from_the_shared_ring() -> None:
    """5 % both ways. The stock receiver asks once, so the bound is below the rate."""
    async with forwarding() as forwarder:
        host, viewer = Publisher(codec="H264"), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        LossyLine(viewer.pc, 0.05)
        await until(lambda: viewer.frames)
        first = viewer.frames[0][0]
        await until(
            lambda: viewer.frames[-1][0] - first > 5 and forwarder.counters.repairs_sent > 5, 60
        )
        assert viewer.share(4) > 0.5
        await viewer.close()
        await host.vanish()


async def test_a_join_near_the_publishers_wrap_decodes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The host starts at 65500; viewers before and after its wrap see neither."""
    monkeypatch.setattr("aiortc.rtcrtpsender.random_sequence_number", lambda: 65500)
    async with forwarding() as forwarder:
        host, early, late = Publisher(), Viewer(), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await early.play(forwarder)
        await until(lambda: len(early.frames) > 60)
        await late.play(forwarder)
        await until(lambda: len(late.frames) > 60 and len(early.frames) > 150)
        assert early.share(2) > 0.8
        await early.close()
        await late.close()
        await host.vanish()


@pytest.mark.parametrize(
    ("mode", "take_over"), [("fast", False), ("fast", True), ("packet", False)]
)
async def test_viewers_do_not_notice_a_host_who_comes_back(mode: Mode, take_over: bool) -> None:
    """Another source, other numbers, the same connection: pictures and sound go on, forwards."""
    async with forwarding(msgspec.structs.replace(LOOPBACK, mode=mode)) as forwarder:
        host, again, viewer = Publisher(), Publisher(codec="VP8"), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        await until(lambda: len(viewer.frames) > 30)
        if not take_over:
            await host.vanish()
            await until(lambda: not forwarder.state(ROOM).live)
        await again.publish(forwarder, take_over=take_over)
        await until(lambda: forwarder.state(ROOM).live)
        seen, heard = len(viewer.frames), viewer.sounds
        await until(lambda: len(viewer.frames) > seen + 60 and viewer.sounds > heard + 100)
        stamps = [pts for _, pts, _ in viewer.frames]
        assert stamps == sorted(set(stamps))
        for kind, clock_rate in (("audio", 48_000), ("video", 90_000)):
            check_unbroken(viewer.headers[kind], clock_rate)
        assert viewer.pc.connectionState == "connected"
        assert forwarder.counters.publishers == 1
        await viewer.close()
        await again.vanish()
        await host.vanish()


def check_unbroken(headers: list[Header], clock_rate: int) -> None:
    """Each packet follows the one before it, in number and within the time that passed.

    A decoder bears any jump, so that only the line itself shows where one host ended.
    """
    for before, after in pairwise(headers):
        step = (after.sequence - before.sequence) & 0xFFFF
        later = (after.timestamp - before.timestamp) & 0xFFFF_FFFF
        assert step == 1
        # A second for a machine that was busy, or a host that hurries after it.
        assert later <= (after.at_s - before.at_s + 1) * clock_rate


def test_what_is_broken_is_noticed() -> None:
    """A number that is left out, and a timestamp of somebody else."""
    first = Header(0.0, 1, 65_535, 0xFFFF_FF00)
    check_unbroken([first, Header(0.02, 1, 0, 704)], 48_000)
    for other in (Header(0.02, 1, 1, 704), Header(0.02, 1, 0, 90_704), Header(0.02, 1, 0, 0)):
        with pytest.raises(AssertionError):
            check_unbroken([first._replace(timestamp=1), other], 48_000)


@pytest.mark.parametrize("mode", ["fast", "packet"])
async def test_a_viewer_joins_a_host_who_gives_no_keyframes_at_once(mode: Mode) -> None:
    """As OBS does: pictures since the last keyframe are sent instead of waiting for the next."""
    async with forwarding(msgspec.structs.replace(LOOPBACK, mode=mode)) as forwarder:
        host, first, second = Publisher(Encoder(gop=80), codec="H264"), Viewer(), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await first.play(forwarder)  # Its request is not answered: now the forwarder knows.
        await until(lambda: len(first.frames) > 60)
        await second.play(forwarder)
        await until(lambda: len(second.frames) > 60)
        assert forwarder.counters.gop_bursts >= 1
        assert second.share(1) > 0.8
        await first.close()
        await second.close()
        await host.vanish()


@pytest.mark.parametrize("mode", ["fast", "packet"])
async def test_a_viewer_that_vanishes_is_freed(mode: Mode) -> None:
    """Without a goodbye: its reports stay away, and nothing of it is kept."""
    config = msgspec.structs.replace(LOOPBACK, silence_timeout_s=3.0, mode=mode)
    async with forwarding(config) as forwarder:
        host, gone, stays = Publisher(), Viewer(), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        session = await gone.play(forwarder)
        await stays.play(forwarder)
        await until(lambda: gone.frames and stays.frames)
        peer = weakref.ref(forwarder._session(session.id).peer)  # type: ignore[arg-type]
        LossyLine(gone.pc, 1.0)
        await until(lambda: forwarder.counters.viewers == 1)
        assert forwarder.counters.silences == 1
        await until(lambda: not forwarder._closing)
        await asyncio.sleep(0)
        gc.collect()
        assert peer() is None
        seen = len(stays.frames)
        await until(lambda: len(stays.frames) > seen + 30)
        await gone.close()
        await stays.close()
        await host.vanish()


async def test_a_host_whose_line_is_cut_is_let_go_and_who_waits_for_it_in_vain_too() -> None:
    """First the picture stands still, then its place is free, then the viewers' are."""
    config = msgspec.structs.replace(
        LOOPBACK, stall_s=0.5, silence_timeout_s=2.0, orphan_timeout_s=1.0
    )
    async with forwarding(config) as forwarder:
        told: list[tuple[bool, int, int]] = []
        counters = forwarder.counters
        host, viewer = Publisher(), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        await until(lambda: viewer.frames)
        forwarder.watch(
            lambda _, state: told.append((state.live, counters.publishers, state.viewers))
        )
        LossyLine(host.pc, 1.0)
        await until(lambda: not forwarder._rooms)
        assert told == [(False, 1, 1), (False, 0, 1), (False, 0, 0)]
        assert counters.silences == 1
        await viewer.close()
        await host.vanish()


async def test_a_viewers_wish_for_a_keyframe_reaches_the_host() -> None:
    """Once it may be asked for again."""
    async with forwarding() as forwarder:
        host, viewer = Publisher(sound=False), Viewer(sound=False)
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        await until(lambda: viewer.frames)
        asked, keyframes = forwarder.counters.keyframes_asked, forwarder.counters.keyframes_in
        source = viewer.headers["video"][0].ssrc
        request = bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=source))
        await viewer.pc.getTransceivers()[0].receiver.transport._send_rtp(request)
        await until(lambda: forwarder.counters.keyframes_asked > asked)
        await until(lambda: forwarder.counters.keyframes_in > keyframes)
        await viewer.close()
        await host.vanish()


async def test_another_codec_keeps_who_can_follow_and_lets_the_others_go() -> None:
    """A host comes back with a program that has no VP8."""
    async with forwarding() as forwarder:
        host, again = Publisher(sound=False), Publisher(codec="H264", sound=False)
        follows, cannot = Viewer(sound=False), Viewer(sound=False)
        prefer(cannot.pc, "VP8")
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        for viewer in (follows, cannot):
            await viewer.play(forwarder)
        await until(lambda: follows.frames and cannot.frames)
        await again.publish(forwarder, take_over=True)
        await until(lambda: forwarder.state(ROOM).codec == "H264")
        seen = len(follows.frames)
        await until(lambda: forwarder.counters.viewers == 1)
        await until(lambda: len(follows.frames) > seen + 60)
        assert follows.share(1) > 0.8
        for viewer in (follows, cannot):
            await viewer.close()
        await again.vanish()
        await host.vanish()


async def test_strangers_datagrams_do_not_end_a_session() -> None:
    """An empty one, one longer than the library reads, or an alert would end its receiving task."""
    async with forwarding() as forwarder:
        host = Publisher()
        session = await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        port = next(
            int(line.split()[5])
            for line in session.answer.splitlines()
            if line.startswith("a=candidate:")
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for data in (b"", bytes([128]) * 1501, b"\x80", b"\x17", b"\x00\x01"):
                stranger.sendto(data, ("127.0.0.1", port))
        await until(lambda: forwarder.counters.dropped_in == 4)  # Not the check, however bad.
        packets = forwarder.counters.packets_in
        await until(lambda: forwarder.counters.packets_in > packets + 60)
        await host.vanish()
