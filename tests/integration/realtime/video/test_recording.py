"""What a host publishes by WebRTC is on disk, in whole frames, with sound, while viewers watch."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from realtime.video.recording.recorder import Limits, Recorder
from realtime.video.recording.rules import segments_of
from tests.integration.realtime.video.people import ROOM, Publisher, forwarding, until
from tests.support.filming import decode, make_folder


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_forwarded_show_is_recorded(tmp_path: Path, codec: str) -> None:
    folder = make_folder(tmp_path)
    async with forwarding() as forwarder:
        recorder = Recorder(
            folder,
            limits=Limits(bytes_max=10**9, free_bytes_min=0),
            ask_keyframe=lambda: forwarder.ask_keyframe(ROOM),
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        stop = forwarder.add_sink(ROOM, recorder)
        host = Publisher(codec=codec)
        began_ms = time.time_ns() // 1_000_000
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        # Six seconds: the recorder asks for the keyframe at which the first segment ends.
        await until(lambda: time.time_ns() // 1_000_000 - began_ms > 7_000)
        stop()
        await host.vanish()
        assert await asyncio.to_thread(recorder.close, 10.0)
    assert recorder.ended is None
    assert recorder.dropped == 0
    part = folder.read(1)
    assert part is not None
    assert abs(part.head.from_ms - began_ms) < 3_000
    path = folder.file(1, part.head.kind)
    pictures, sounds = decode(path), decode(path, "audio")
    assert pictures[-1] > 4.5
    assert len(pictures) == pytest.approx(pictures[-1] * 30, rel=0.15)
    assert sounds[-1] == pytest.approx(pictures[-1], abs=0.4)
    assert len(segments_of(part)) >= 2
