"""The fallback needs public names of the library only, and notices what it is not told."""

from __future__ import annotations

import ast
import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from realtime.video import packet_viewer
from realtime.video.config import VideoConfig
from realtime.video.frames import WholeFrame
from realtime.video.packet_viewer import FRAMES_MAX, FrameTrack, PacketViewer
from realtime.video.ports import VideoError
from tests.integration.realtime.video.lines import LossyLine
from tests.integration.realtime.video.people import (
    LOOPBACK,
    ROOM,
    Publisher,
    Viewer,
    forwarding,
    until,
)
from tests.integration.realtime.video.test_refusals import offer_of

CONFIG = msgspec.structs.replace(LOOPBACK, mode="packet")


def test_no_private_name_is_taken() -> None:
    """What begins with `_` is our own: of `self`, or of the class above."""
    taken = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(inspect.getsource(packet_viewer)))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_")
    ]
    assert [name for name in taken if not name.startswith(("self._", "super()._"))] == []
    ours = {"_around", "_dtls", "_pc", "_connected", "_confine", "_take_offer", "_apply", "_local"}
    own = {name for name in vars(PacketViewer) if name.startswith("_")}
    fields = {"_events", "_tracks", "_senders", "_assemblers", "_watching"}
    frames = {"_frames", "_time_base"}
    assert {name.split(".")[1].split("(")[0] for name in taken} - own - fields - frames - {
        "__init__"
    } <= ours


@pytest.fixture
def no_private_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose transport keeps its connection under another name."""
    transport = SimpleNamespace(transport=SimpleNamespace())
    monkeypatch.setattr(PacketViewer, "_dtls", property(lambda self: transport))


@pytest.mark.usefixtures("no_private_connection")
async def test_a_viewer_is_served_without_the_last_private_name() -> None:
    """Addresses and ports are the library's choice then."""
    async with forwarding(VideoConfig(mode="packet")) as forwarder:
        host, viewer = Publisher(codec="H264"), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        await until(lambda: len(viewer.frames) > 30 and viewer.sounds > 30)
        await viewer.close()
        await host.vanish()


@pytest.mark.usefixtures("no_private_connection")
async def test_an_address_that_cannot_be_kept_is_not_given_up_silently() -> None:
    """Rather no viewer than one on a port that nobody opened, or an address nobody meant."""
    async with forwarding(CONFIG) as forwarder:
        host, viewer = Publisher(), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        with pytest.raises(VideoError, match="bound"):
            await viewer.play(forwarder)
        await viewer.close()
        await host.vanish()


async def test_a_viewer_who_loses_packets_gets_a_keyframe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library keeps its request to itself; the loss is in its statistics."""
    monkeypatch.setattr(packet_viewer, "KEYFRAME_S", 1e6)
    async with forwarding(CONFIG) as forwarder:
        host, viewer = Publisher(codec="H264"), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        await until(lambda: len(viewer.frames) > 10)
        asked = forwarder.counters.keyframes_asked
        line = LossyLine(viewer.pc, 0.2)
        await until(lambda: forwarder.counters.keyframes_asked > asked, 30)
        line.share = 0.0
        seen = len(viewer.frames)
        # The stock receiver asks once, and waits for what is missing until its buffer is full.
        await until(lambda: len(viewer.frames) > seen + 30, 60)
        await viewer.close()
        await host.vanish()


async def test_a_keyframe_comes_now_and_then_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """For decoders that want one without a loss, whom nobody hears."""
    monkeypatch.setattr(packet_viewer, "KEYFRAME_S", 1.0)
    async with forwarding(CONFIG) as forwarder:
        host, viewer = Publisher(), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        await until(lambda: viewer.frames)
        keyframes = forwarder.counters.keyframes_in
        await until(lambda: forwarder.counters.keyframes_in > keyframes + 1)
        await viewer.close()
        await host.vanish()


@pytest.mark.parametrize("offered", [{"codec": "VP8"}, {"direction": "sendonly"}])
async def test_what_cannot_be_served_is_refused(offered: dict[str, Any]) -> None:
    """Another codec than is published, and an offer to send."""
    async with forwarding(CONFIG) as forwarder:
        host = Publisher(codec="H264")
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        offer = await offer_of(**({"direction": "recvonly"} | offered))
        with pytest.raises(VideoError) as refused:
            await forwarder.play(ROOM, offer)
        assert refused.value.code == "offer_unsupported"
        assert forwarder.counters.viewers == 0
        await host.vanish()


async def test_who_is_too_far_behind_is_not_queued_for() -> None:
    """A full queue is emptied, so that the next keyframe is shown at once."""
    track = FrameTrack("video")
    frames = [WholeFrame(data=b"x", timestamp=n * 3000, keyframe=n == 0) for n in range(999)]
    assert all(track.put(frame) for frame in frames[:FRAMES_MAX])
    assert not track.put(frames[FRAMES_MAX])
    assert track.put(frames[500])
    packet = await asyncio.wait_for(track.recv(), 1)
    assert (packet.pts, bytes(packet)) == (500 * 3000, b"x")
    track.stop()
