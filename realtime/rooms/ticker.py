"""Refresh all rooms of a process: one composed write per member and tick, in fair slices.

The sale lane does not pass here; it goes first, because a pass gives way after each slice, and
waits while sale events are being written. Rooms take turns slice by slice, so that a crowd in one
does not hold up the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from realtime.protocol.codec import Blob
from realtime.protocol.counters import Counters
from realtime.rooms.active import ActiveRoom
from realtime.rooms.ladder import Rung, shortest_tick_ms
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import Member
from realtime.rooms.tick import next_slice, next_tick_ms


class Pass:
    """One tick's way through the members of one room."""

    def __init__(self, members: list[Member], blob: Blob, lines: int, started_s: float) -> None:
        self._members = members
        self._blob = blob
        self._lines = lines
        self._next = 0
        self.started_s = started_s

    @property
    def is_done(self) -> bool:
        """Whether every member had its turn."""
        return self._next >= len(self._members)

    def write(self, count: int, counters: Counters) -> None:
        """Give the next `count` members their turn."""
        blob, lines = self._blob, self._lines
        frames = size_bytes = 0
        for member in self._members[self._next : self._next + count]:
            written = member.write_tick(blob, lines)
            if written:
                frames += 1
                size_bytes += written
        self._next += count
        counters.frames_out += frames
        counters.bytes_out += size_bytes


class Ticker:
    """Ticks each room at its own pace; times are the event loop's."""

    def __init__(self, *, limits: RoomLimits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters
        self._slice = limits.slice_members_min
        self._lag_ms_most = 0.0
        self._sale_passes = 0
        self.rung = Rung.CALM
        """Where the process stands on its ladder."""

    def take_lag_ms(self) -> float:
        """Return the most that a round was late since the last call."""
        lag_ms, self._lag_ms_most = self._lag_ms_most, 0.0
        return lag_ms

    @contextmanager
    def sales_first(self) -> Iterator[None]:
        """Hold the ticks of all rooms while sale events are being written."""
        self._sale_passes += 1
        try:
            yield
        finally:
            self._sale_passes -= 1

    async def run(
        self,
        rooms: Callable[[], list[ActiveRoom]],
        look_after: Callable[[ActiveRoom, float], None],
    ) -> None:
        """Tick until cancelled; `look_after(room, loop_ms)` is called before each tick."""
        loop = asyncio.get_running_loop()
        pause_s = self._limits.tick_min_ms / 1000
        due_s = loop.time() + pause_s
        passes: deque[tuple[ActiveRoom, Pass]] = deque()
        while True:
            if not passes:
                await asyncio.sleep(max(0.0, due_s - loop.time()))
            now_s = loop.time()
            if now_s >= due_s:
                lag_ms = (now_s - due_s) * 1000
                self._counters.tick_lag_ms = int(lag_ms)
                self._lag_ms_most = max(self._lag_ms_most, lag_ms)
                due_s = now_s + pause_s
                for active in rooms():
                    if active.next_tick_ms <= now_s * 1000 and not active.is_in_pass:
                        look_after(active, now_s * 1000)
                        self._start(active, passes, now_s=now_s, lag_ms=lag_ms)
            if passes:
                await self._advance(passes, loop)

    def _start(
        self,
        active: ActiveRoom,
        passes: deque[tuple[ActiveRoom, Pass]],
        *,
        now_s: float,
        lag_ms: float,
    ) -> None:
        limits = self._limits
        pause_ms = next_tick_ms(
            len(active.room.members),
            floor_ms=shortest_tick_ms(self.rung, limits.tick_min_ms, limits.ladder),
            pass_ms=active.pass_ms,
            lag_ms=lag_ms,
            limits=limits,
        )
        # Half a shortest tick of slack, so that a room due "just about now" is not put off by one.
        active.next_tick_ms = now_s * 1000 + pause_ms - limits.tick_min_ms / 2
        blob, lines = active.room.compose_tick()
        if blob and active.room.members:
            self._counters.ticks += 1
            active.is_in_pass = True
            passes.append((active, Pass(active.room.pass_order(), blob, lines, now_s)))

    async def _advance(
        self, passes: deque[tuple[ActiveRoom, Pass]], loop: asyncio.AbstractEventLoop
    ) -> None:
        """Write one slice of the pass whose turn it is, and let everything else have its turn."""
        if self._sale_passes:
            await asyncio.sleep(0)
            return
        active, walk = passes.popleft()
        started_s = loop.time()
        members = self._slice
        walk.write(members, self._counters)
        # The loop hands the queued writes to the kernel on its way round: only then is it known
        # how long the slice took. Sale events and commands that came in are handled here too.
        await asyncio.sleep(0)
        now_s = loop.time()
        if walk.is_done:
            active.is_in_pass = False
            active.pass_ms = (now_s - walk.started_s) * 1000
            self._counters.pass_ms = int(active.pass_ms)
        else:
            # The last slice of a pass is short, and would teach the wrong size.
            took_ms = (now_s - started_s) * 1000
            self._slice = next_slice(members, took_ms=took_ms, limits=self._limits)
            passes.append((active, walk))
