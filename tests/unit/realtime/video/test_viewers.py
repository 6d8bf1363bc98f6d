"""A viewer's session: what becomes of one that cannot be sent to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.video.config import VideoCounters
from realtime.video.links import Clock
from realtime.video.media import CodecTypes
from realtime.video.outlets import Outlet, OutletStart
from realtime.video.tracks import Track
from realtime.video.viewers import CATCH_UP_PACKETS, ViewerSession


async def test_a_viewer_that_cannot_be_caught_up_with_is_let_go(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Else it would be sent nothing for ever: live pictures wait until it has caught up."""
    track = Track("video")
    track.restart("VP8")
    for sequence in range(2 * CATCH_UP_PACKETS):
        track.accept(sequence, 0, False, b"\x10\x00key", 0.0)
    room: Any = SimpleNamespace(
        clock=Clock(lambda: 0.0, lambda: 0), counters=VideoCounters(), tracks={"video": track}
    )
    ended: list[ViewerSession] = []
    viewer = ViewerSession("viewer", room, ended.append)
    start = OutletStart(ssrc=1, rtx_ssrc=2, sequence=3, timestamp=4)
    viewer.outlets["video"] = Outlet(track, {"VP8": CodecTypes(media=100)}, start, 0.0)

    def send(*_: object) -> None:
        raise RuntimeError("no line")

    peer: Any = SimpleNamespace(send=send)
    viewer.peer = peer
    viewer.burst_from(0)
    async with asyncio.timeout(5):
        while not ended:
            await asyncio.sleep(0)
    assert (ended, room.counters.faults) == ([viewer], 1)
    assert "let go" in caplog.text
