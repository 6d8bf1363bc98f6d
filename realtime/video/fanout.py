"""Hand packets to all viewers of a room, a frame at a time, without keeping the loop to itself.

Invariants: every viewer gets the batches in the order in which they came, and one that cannot be
sent to costs no other a picture.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from realtime.video.config import VideoCounters
from realtime.video.lateness import note_late
from realtime.video.media import Batch, Kind, MediaPacket

log = logging.getLogger(__name__)

# A frame is sent when its last packet has come, or so much of it, or when it has taken so long:
# senders pace large frames over tens of milliseconds, which viewers need not wait for.
BATCH_PACKETS_MAX = 16
BATCH_WAIT_S = 0.005
# ~6 packets of 6 µs each for a viewer: signalling waits 2 ms at most.
VIEWERS_AT_ONCE = 50
# In a room of more, sound waits so long for the next picture to be sent with it, often by the same
# call to the kernel: half the work for a viewer. It is a picture's time at 30 a second, which the
# picture itself is late by.
SOUND_WAIT_S = 0.035
# A second of pictures. Behind by more, viewers are better served by the newest.
BATCHES_WAITING_MAX = 64


class Recipient(Protocol):
    """Who is handed the packets."""

    def deliver(self, kind: Kind, batch: Batch) -> None:
        """Send a batch of a track to this viewer."""
        ...

    def deliver_together(self, picture: Batch, sound: Batch) -> None:
        """Send a picture and the sound that waited for it."""
        ...

    def ended(self) -> None:
        """Be let go of."""
        ...


class FanOut:
    """The way of one room's packets to its viewers."""

    def __init__(
        self, viewers: Callable[[], Collection[Recipient]], counters: VideoCounters
    ) -> None:
        self._viewers = viewers
        self._counters = counters
        self._batches: dict[Kind, list[MediaPacket]] = {"audio": [], "video": []}
        self._timers: dict[Kind, asyncio.TimerHandle] = {}
        self._overdue: set[Kind] = set()  # Has waited long enough, and waits for the sender.
        # With the time since when each waits.
        self._waiting: deque[tuple[Kind, Batch, Batch | None, float]] = deque()
        self._wake = asyncio.Event()
        self._is_sending = False
        self._task: asyncio.Task[None] | None = None

    def put(self, kind: Kind, packets: Sequence[MediaPacket]) -> None:
        """Take packets of a track; a picture is sent in batches, sound at once or with it."""
        batch = self._batches[kind]
        batch += packets
        if kind == "video":
            is_due, wait_s = batch[-1].marker or len(batch) >= BATCH_PACKETS_MAX, BATCH_WAIT_S
        else:
            is_due, wait_s = len(self._viewers()) <= VIEWERS_AT_ONCE, SOUND_WAIT_S
        if is_due:
            self._flush(kind)
        elif kind not in self._timers and kind not in self._overdue:
            loop = asyncio.get_running_loop()
            self._timers[kind] = loop.call_later(wait_s, self._wait_no_longer, kind)

    async def close(self) -> None:
        """Send nothing any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def _wait_no_longer(self, kind: Kind) -> None:
        """Send what has come, or have the sender take it with what comes until it is free.

        While it is busy a piece of a picture would reach nobody earlier than the whole, and cost
        each viewer calls of its own: the busier the loop, the more pieces.
        """
        del self._timers[kind]
        if self._is_sending:
            self._overdue.add(kind)
        else:
            self._flush(kind)

    def _flush(self, kind: Kind) -> None:
        """Send what has come of a track, and the sound that waits for a picture."""
        viewers = self._viewers()
        if self._is_sending or len(viewers) > VIEWERS_AT_ONCE:
            self._enqueue(kind)
            return
        batch = self._take(kind)
        if batch is None:
            return
        sound = self._take("audio") if kind == "video" else None
        for viewer in tuple(viewers):
            self._deliver(viewer, kind, batch, sound)

    def _enqueue(self, kind: Kind) -> None:
        """Leave to the sender what `_flush` would send."""
        batch = self._take(kind)
        if batch is None:
            return
        sound = self._take("audio") if kind == "video" else None
        self._is_sending = True
        if len(self._waiting) >= BATCHES_WAITING_MAX:
            self._waiting.popleft()
            self._counters.batches_dropped += 1
        loop = asyncio.get_running_loop()
        self._waiting.append((kind, batch, sound, loop.time()))
        self._wake.set()
        if self._task is None:
            self._task = loop.create_task(self._send())

    def _take(self, kind: Kind) -> Batch | None:
        """Take what has come of a track; None when that is nothing."""
        self._overdue.discard(kind)
        timer = self._timers.pop(kind, None)
        if timer is not None:
            timer.cancel()
        packets = self._batches[kind]
        if not packets:
            return None
        self._batches[kind] = []
        return Batch(packets)

    async def _send(self) -> None:
        """Send what waits, with a breath after every so many viewers."""
        now_s = asyncio.get_running_loop().time
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._is_anything_left():
                kind, batch, sound, since_s = self._waiting.popleft()
                for count, viewer in enumerate(tuple(self._viewers()), start=1):
                    self._deliver(viewer, kind, batch, sound)
                    if count % VIEWERS_AT_ONCE == 0:
                        await asyncio.sleep(0)
                note_late(self._counters, now_s() - since_s)
            self._is_sending = False

    def _is_anything_left(self) -> bool:
        """Whether a batch waits, or is made now of what is overdue."""
        if not self._waiting and self._overdue:
            self._enqueue("video" if "video" in self._overdue else "audio")
        return bool(self._waiting)

    def _deliver(self, viewer: Recipient, kind: Kind, batch: Batch, sound: Batch | None) -> None:
        """Hand a viewer a batch, or a picture with the sound that waited for it."""
        try:
            if sound is None:
                viewer.deliver(kind, batch)
            else:
                viewer.deliver_together(batch, sound)
        except Exception:
            self._counters.faults += 1
            log.exception("A viewer that could not be sent to is let go")
            viewer.ended()
