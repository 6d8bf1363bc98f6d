"""Refresh all rooms of a process: one composed write per member and tick, in fair slices.

The sale lane does not pass here; it goes first, because a pass gives way every few milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime.protocol.counters import Counters
from realtime.rooms.active import ActiveRoom
from realtime.rooms.limits import RoomLimits
from realtime.rooms.room import Room
from realtime.rooms.tick import next_tick_ms


class Ticker:
    """Ticks each room at its own pace; times are the event loop's."""

    def __init__(self, *, limits: RoomLimits, counters: Counters) -> None:
        self._limits = limits
        self._counters = counters

    async def run(
        self,
        rooms: Callable[[], list[ActiveRoom]],
        look_after: Callable[[ActiveRoom, float], None],
    ) -> None:
        """Tick until cancelled; `look_after(room, loop_ms)` is called before each tick."""
        loop = asyncio.get_running_loop()
        pause_s = self._limits.tick_min_ms / 1000
        due_s = loop.time() + pause_s
        while True:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            now_s = loop.time()
            lag_ms = (now_s - due_s) * 1000
            self._counters.tick_lag_ms = int(lag_ms)
            due_s = now_s + pause_s
            for active in rooms():
                if active.next_tick_ms <= now_s * 1000:
                    look_after(active, now_s * 1000)
                    await self._tick(active, now_s * 1000, lag_ms)

    async def _tick(self, active: ActiveRoom, now_ms: float, lag_ms: float) -> None:
        members = len(active.room.members)
        pause_ms = next_tick_ms(members, lag_ms=lag_ms, limits=self._limits)
        # Half a shortest tick of slack, so that a room due "just about now" is not put off by one.
        active.next_tick_ms = now_ms + pause_ms - self._limits.tick_min_ms / 2
        if frames := active.room.compose_tick():
            await self._write_pass(active.room, frames)

    async def _write_pass(self, room: Room, frames: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._counters.ticks += 1
        slice_s = self._limits.slice_ms / 1000
        members = room.pass_order()
        started_s = loop.time()
        for index in range(0, len(members), self._limits.slice_members):
            for member in members[index : index + self._limits.slice_members]:
                member.write_tick(frames)
            if loop.time() - started_s > slice_s:
                await asyncio.sleep(0)
                started_s = loop.time()
