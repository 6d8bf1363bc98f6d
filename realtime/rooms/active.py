"""Keep what looks after one active room beside the room itself: repair, snapshots, due times."""

from __future__ import annotations

import asyncio

from realtime.recovery.repair import GapRepair
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import RoomSource
from realtime.rooms.room import Room
from realtime.rooms.snapshots import SnapshotDesk


class ActiveRoom:
    """A room with the tasks that look after it."""

    def __init__(self, room: Room, *, source: RoomSource, limits: RoomLimits) -> None:
        self.room = room
        self.desk = SnapshotDesk(room, source=source, limits=limits)
        retry_s = limits.repair_retry_ms / 1000
        self.repair = GapRepair(room.ref.id, source.read_log, room.counters, retry_s=retry_s)
        self.next_tick_ms = 0.0
        self.is_in_pass = False
        self.has_told_degraded = False
        self.is_selling = False
        self.pass_ms = 0.0
        self.next_poll_ms = 0.0
        self.next_check_ms = 0.0
        self.empty_since_ms: float | None = None

    async def finish_sale_pass(self, slice_members: int) -> None:
        """Write the rest of the sale pass, giving way after each slice."""
        walk = self.room.sale_pass
        try:
            while not walk.is_done:
                await asyncio.sleep(0)
                walk.write(slice_members)
        finally:
            self.is_selling = False
