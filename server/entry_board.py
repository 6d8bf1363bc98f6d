"""Reads how many have entered the draws of this process's rooms, for their viewers to see.

Entries are counted, not kept as a sum: a sum would be one hot row for everybody who enters. So a
room is counted at most once a second, whatever the rate.
"""

from __future__ import annotations

import asyncio
import logging

from commerce.sales.draws.store import select_pending_counts
from realtime.rooms.hub import Hub
from server.db.database import PgDatabase
from server.db.faults import UNAVAILABLE

log = logging.getLogger(__name__)

COUNT_EVERY_S = 1.0
# Every active room is counted this often even when no hint came.
REFRESH_EVERY_ROUNDS = 5


class EntryBoard:
    """The counts of one process; told by hints which rooms have news."""

    def __init__(self, database: PgDatabase, hub: Hub) -> None:
        self._database = database
        self._hub = hub
        self._dirty: set[str] = set()

    def hint(self, room_id: str, keys: set[str]) -> None:
        """Note that something of a room changed; an entry is told as its sale's stock."""
        if "*" in keys or any(key.startswith("stock:") for key in keys):
            self._dirty.add(room_id)

    async def run(self) -> None:
        """Count what is dirty, for ever."""
        rounds = 0
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            rounds = (rounds + 1) % REFRESH_EVERY_ROUNDS
            if rounds == 0:
                self._dirty.update(self._hub.active_rooms)
            if self._dirty:
                await self.read()

    async def read(self) -> None:
        """Count the entries of rooms that have news, and set their state keys."""
        rooms, self._dirty = self._dirty, set()
        try:
            async with self._database.reading() as connection:
                counts = await select_pending_counts(connection, sorted(rooms))
        except UNAVAILABLE:
            log.warning("entries could not be counted; they are counted again")
            self._dirty |= rooms
            return
        for room_id, sale_id, entries in counts:
            self._hub.set_state(room_id, f"entries:{sale_id}", entries)
