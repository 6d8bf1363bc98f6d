"""Reads how many coupons the drops of this process's rooms have left, for their viewers to see."""

from __future__ import annotations

import asyncio
import logging

from commerce.sales.coupons.store import select_left_of_rooms
from realtime.rooms.hub import Hub
from server.db.database import PgDatabase
from server.db.faults import UNAVAILABLE

log = logging.getLogger(__name__)

READ_EVERY_S = 0.1
# Every active room is read this often even when no hint came.
REFRESH_EVERY_ROUNDS = 50


class DropBoard:
    """The figures of one process; told by hints which rooms have news."""

    def __init__(self, database: PgDatabase, hub: Hub) -> None:
        self._database = database
        self._hub = hub
        self._dirty: set[str] = set()

    def hint(self, room_id: str, keys: set[str]) -> None:
        """Note that something of a room changed; a claim is told as a sale's stock is."""
        if "*" in keys or any(key.startswith("stock:") for key in keys):
            self._dirty.add(room_id)

    async def run(self) -> None:
        """Read what is dirty, for ever."""
        rounds = 0
        while True:
            await asyncio.sleep(READ_EVERY_S)
            rounds = (rounds + 1) % REFRESH_EVERY_ROUNDS
            if rounds == 0:
                self._dirty.update(self._hub.active_rooms)
            if self._dirty:
                await self.read()

    async def read(self) -> None:
        """Read the open drops of rooms that have news, and set their state keys."""
        rooms, self._dirty = self._dirty, set()
        try:
            async with self._database.reading() as connection:
                figures = await select_left_of_rooms(connection, sorted(rooms))
        except UNAVAILABLE:
            log.warning("drops could not be read; they are read again")
            self._dirty |= rooms
            return
        for room_id, drop_id, left in figures:
            self._hub.set_state(room_id, f"drop:{drop_id}", left)
