"""Hand packets to all viewers of a room, a frame at a time, without keeping the loop to itself.

Invariant: every viewer gets the batches in the order in which they came.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from realtime.video.config import VideoCounters
from realtime.video.media import Batch, Kind, MediaPacket

# A frame is sent when its last packet has come, or so much of it, or when it has taken so long:
# senders pace large frames over tens of milliseconds, which viewers need not wait for.
BATCH_PACKETS_MAX = 16
BATCH_WAIT_S = 0.005
# ~6 packets of 6 µs each for a viewer: signalling waits 2 ms at most.
VIEWERS_AT_ONCE = 50
# A second of pictures. Behind by more, viewers are better served by the newest.
BATCHES_WAITING_MAX = 64


class Recipient(Protocol):
    """Who is handed the packets."""

    def deliver(self, kind: Kind, batch: Batch) -> None:
        """Send a batch of a track to this viewer."""
        ...


class FanOut:
    """The way of one room's packets to its viewers."""

    def __init__(
        self, viewers: Callable[[], Collection[Recipient]], counters: VideoCounters
    ) -> None:
        self._viewers = viewers
        self._counters = counters
        self._batches: dict[Kind, list[MediaPacket]] = {"audio": [], "video": []}
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[tuple[Kind, Batch]] = deque()
        self._wake = asyncio.Event()
        self._is_sending = False
        self._task: asyncio.Task[None] | None = None

    def put(self, kind: Kind, packets: Sequence[MediaPacket]) -> None:
        """Take packets of a track; sound is sent at once, a picture in batches."""
        batch = self._batches[kind]
        batch += packets
        if kind == "audio" or batch[-1].marker or len(batch) >= BATCH_PACKETS_MAX:
            self._flush(kind)
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(BATCH_WAIT_S, self._flush, kind)

    async def close(self) -> None:
        """Send nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def _flush(self, kind: Kind) -> None:
        if kind == "video" and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._batches[kind]:
            return
        batch = Batch(self._batches[kind])
        self._batches[kind] = []
        viewers = self._viewers()
        if not self._is_sending and len(viewers) <= VIEWERS_AT_ONCE:
            for viewer in tuple(viewers):
                viewer.deliver(kind, batch)
            return
        self._is_sending = True
        if len(self._waiting) >= BATCHES_WAITING_MAX:
            self._waiting.popleft()
            self._counters.batches_dropped += 1
        self._waiting.append((kind, batch))
        self._wake.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        """Send what waits, with a breath after every so many viewers."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                kind, batch = self._waiting.popleft()
                for count, viewer in enumerate(tuple(self._viewers()), start=1):
                    viewer.deliver(kind, batch)
                    if count % VIEWERS_AT_ONCE == 0:
                        await asyncio.sleep(0)
            self._is_sending = False
