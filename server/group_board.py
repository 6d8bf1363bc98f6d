"""Reads the teams that viewers of this process's rooms can join, soonest to end first.

A room shows at most 20 of them, whatever the rate at which people join: each is one key of the
state lane, and a key whose team is full, over, or pushed out by others comes as null.
"""

from __future__ import annotations

import asyncio
import logging

from commerce.sales.group_buys.store import select_open_of_rooms
from realtime.rooms.hub import Hub
from server.db.database import PgDatabase
from server.db.faults import UNAVAILABLE

log = logging.getLogger(__name__)

READ_EVERY_S = 0.25
# Every active room is read this often even when no hint came: a deadline is nobody's news.
REFRESH_EVERY_ROUNDS = 8
TEAMS_SHOWN_MAX = 20


class GroupBoard:
    """The open teams of one process's rooms; told by hints which rooms have news."""

    def __init__(self, database: PgDatabase, hub: Hub) -> None:
        self._database = database
        self._hub = hub
        self._dirty: set[str] = set()
        self._shown: dict[str, set[str]] = {}

    def hint(self, room_id: str, keys: set[str]) -> None:
        """Note that something of a room changed; a seat is told as its sale's stock."""
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
        """Read the open teams of rooms that have news, and set their state keys."""
        rooms, self._dirty = self._dirty, set()
        try:
            async with self._database.reading() as connection:
                teams = await select_open_of_rooms(connection, sorted(rooms), TEAMS_SHOWN_MAX)
        except UNAVAILABLE:
            log.warning("teams could not be read; they are read again")
            self._dirty |= rooms
            return
        now: dict[str, set[str]] = {room_id: set() for room_id in rooms}
        for team in teams:
            now[team.room_id].add(team.id)
            id, value = team.id, [team.joined, team.need, team.deadline_ms, team.sale_id]
            self._hub.set_state(team.room_id, f"group:{id}", value)
        for room_id, ids in now.items():
            for id in self._shown.pop(room_id, set()) - ids:
                self._hub.set_state(room_id, f"group:{id}", None)
            if ids:
                self._shown[room_id] = ids
