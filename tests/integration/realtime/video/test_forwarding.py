"""A picture and a sound reach viewers who decode them, from hosts who come, go and come back."""

from __future__ import annotations

import threading

import msgspec
import pytest

from realtime.video.config import Mode
from realtime.video.ports import VideoState
from tests.integration.realtime.video.people import (
    LOOPBACK,
    ROOM,
    Publisher,
    Viewer,
    forwarding,
    until,
)
from tests.integration.realtime.video.test_refusals import offer_of


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@pytest.mark.parametrize("mode", ["fast", "plain", "packet"])
async def test_a_viewer_decodes_what_is_published(codec: str, mode: Mode) -> None:
    """Five seconds at the publisher's rate, with sound, and no decoder thread in the forwarder."""
    async with forwarding(msgspec.structs.replace(LOOPBACK, mode=mode)) as forwarder:
        host, viewer = Publisher(codec=codec), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        assert threading.active_count() <= 4  # The host's encoders; nothing decodes.
        await viewer.play(forwarder)
        await until(lambda: len(viewer.frames) > 60)
        first = viewer.frames[0][0]
        await until(lambda: viewer.frames[-1][0] - first > 5)
        assert viewer.share(4) > 0.9
        assert viewer.sounds > 200
        assert await viewer.told_of_capture() == {"audio", "video"}
        state = forwarder.state(ROOM)
        assert (state.live, state.codec, state.viewers) == (True, codec, 1)
        assert state.bits_per_s > 10_000
        assert forwarder.counters.dropped_out == 0
        await viewer.close()
        await host.vanish()


async def test_states_are_told_to_watchers() -> None:
    """Live, the viewers and the end of it."""
    told: list[tuple[str, VideoState]] = []
    async with forwarding() as forwarder:
        forwarder.watch(lambda room, state: told.append((room, state)))
        host, viewer = Publisher(), Viewer()
        await host.publish(forwarder)
        await until(lambda: told and told[-1][1].live)
        await viewer.play(forwarder)
        await until(lambda: told[-1][1].viewers == 1 and viewer.frames)
        await host.vanish()
        await until(lambda: not told[-1][1].live)
        assert told[-1] == (ROOM, VideoState(viewers=1))
        await viewer.close()
        await until(lambda: told[-1][1].viewers == 0)


async def test_a_joiner_starts_with_a_young_keyframe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the next one may not be asked for yet, nobody waits for it."""
    monkeypatch.setattr("realtime.video.keyframe_requests.REQUEST_INTERVAL_S", 1e6)
    monkeypatch.setattr("realtime.video.room.GOP_FRESH_S", 60.0)
    async with forwarding() as forwarder:
        host, viewer = Publisher(codec="H264"), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        await until(lambda: len(viewer.frames) > 30)
        assert forwarder.counters.gop_bursts == 1
        assert forwarder.counters.keyframes_asked <= 1  # Of a new host, always.
        await viewer.close()
        await host.vanish()


@pytest.mark.parametrize(("fresh_s", "asked"), [(0.0, 1), (60.0, 0)])
async def test_a_keyframe_is_under_way_while_a_viewer_connects(
    monkeypatch: pytest.MonkeyPatch, fresh_s: float, asked: int
) -> None:
    """It is asked for with the answer, unless there is a young one."""
    monkeypatch.setattr("realtime.video.keyframe_requests.REQUEST_INTERVAL_S", 0.0)
    monkeypatch.setattr("realtime.video.room.GOP_FRESH_S", fresh_s)
    async with forwarding() as forwarder:
        host = Publisher(codec="H264")
        await host.publish(forwarder)
        await until(lambda: forwarder.counters.keyframes_in)
        before = forwarder.counters.keyframes_asked
        await forwarder.play(ROOM, await offer_of(direction="recvonly", codec="H264"))
        assert forwarder.counters.keyframes_asked == before + asked
        await host.vanish()
