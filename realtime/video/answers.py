"""Viewers' answers one after the other, with as much time for forwarding between them.

An answer is some 15 ms of work in the loop that forwards the pictures: without a line, a crowd or
one stranger with a script would stand everybody's picture still.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from realtime.video.ports import VideoError

# After an answer as much time passes as it took, so answers have half of the loop at most.
# Not longer than this: what held the loop up may have been something else.
PAUSE_S_MAX = 0.25
RETRY_BUSY_S = 2


class AnswerLine:
    """Where viewers wait for their answer; first come, first served."""

    def __init__(self, waiting_max: int, now_s: Callable[[], float]) -> None:
        self._waiting_max = waiting_max
        self._now_s = now_s
        self._waiting = 0
        self._free_s = 0.0
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it. Raises VideoError (`video_busy`) beyond the line."""
        if self._waiting >= self._waiting_max:
            raise busy()
        self._waiting += 1
        try:
            async with self._turn:
                await asyncio.sleep(max(0.0, self._free_s - self._now_s()))
                began_s = self._now_s()
                try:
                    yield
                finally:
                    now_s = self._now_s()
                    self._free_s = now_s + min(now_s - began_s, PAUSE_S_MAX)
        finally:
            self._waiting -= 1


def busy() -> VideoError:
    """Return the refusal of a viewer who joins with too many others."""
    return VideoError("video_busy", "Too many viewers join at once.", retry_after_s=RETRY_BUSY_S)
