"""Reads figures of this process's rooms that viewers see: drops, draws' entries, teams, thresholds.

Invariant: a room is read at most once a turn, whatever the rate at which people press, and once a
while also when no hint came; what could not be read is read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from commerce.kernel.ports import Connection
from commerce.sales.coupons.store import select_left_of_rooms
from commerce.sales.draws.store import select_pending_counts
from commerce.sales.group_buys.store import select_open_of_rooms
from commerce.sales.unlocks.store import select_promised_of_rooms
from realtime.rooms.hub import Hub
from server.db.database import PgDatabase
from server.db.faults import UNAVAILABLE

log = logging.getLogger(__name__)

TEAMS_SHOWN_MAX = 20


class Figure(NamedTuple):
    """What a state key of a room shows."""

    room_id: str
    key: str
    value: Any


Read = Callable[[Connection, Sequence[str]], Awaitable[Sequence[Figure]]]


class FigureBoard:
    """The figures of one kind in one process; told by hints which rooms have news.

    `read` is asked every `every_s` for the rooms with news, and each `refresh_s` for all that are
    active. With `takes_away` a key that a room had and has no more comes as null.
    """

    def __init__(  # noqa: PLR0913 - named at the one place that builds them.
        self,
        database: PgDatabase,
        hub: Hub,
        read: Read,
        *,
        every_s: float,
        refresh_s: float,
        takes_away: bool = False,
    ) -> None:
        self._database = database
        self._hub = hub
        self._read = read
        self._every_s = every_s
        self._refresh_s = refresh_s
        self._takes_away = takes_away
        self._dirty: set[str] = set()
        self._shown: dict[str, set[str]] = {}

    def hint(self, room_id: str, keys: set[str]) -> None:
        """Note that something of a room changed; whatever is pressed is told as a sale's stock."""
        if "*" in keys or any(key.startswith("stock:") for key in keys):
            self._dirty.add(room_id)

    async def run(self) -> None:
        """Read what is dirty, for ever."""
        waited_s = 0.0
        while True:
            await asyncio.sleep(self._every_s)
            waited_s += self._every_s
            if waited_s >= self._refresh_s:
                waited_s = 0.0
                self._dirty.update(self._hub.active_rooms)
            if self._dirty:
                await self.read()

    async def read(self) -> None:
        """Read the figures of rooms that have news, and set their state keys."""
        rooms, self._dirty = self._dirty, set()
        try:
            async with self._database.reading() as connection:
                figures = await self._read(connection, sorted(rooms))
        except UNAVAILABLE:
            log.warning("figures could not be read; they are read again")
            self._dirty |= rooms
            return
        for room_id, key, value in figures:
            self._hub.set_state(room_id, key, value)
        if self._takes_away:
            self._take_away(rooms, figures)

    def _take_away(self, rooms: set[str], figures: Sequence[Figure]) -> None:
        now: dict[str, set[str]] = {room_id: set() for room_id in rooms}
        for room_id, key, _ in figures:
            now[room_id].add(key)
        for room_id, keys in now.items():
            for key in self._shown.pop(room_id, set()) - keys:
                self._hub.set_state(room_id, key, None)
            if keys:
                self._shown[room_id] = keys


def drop_board(database: PgDatabase, hub: Hub) -> FigureBoard:
    """Return how many coupons drops have left."""
    return FigureBoard(database, hub, _read_drops, every_s=0.1, refresh_s=5.0)


def entry_board(database: PgDatabase, hub: Hub) -> FigureBoard:
    """Return how many have entered draws.

    Entries are counted, not kept as a sum: a sum would be one hot row for everybody who enters.
    """
    return FigureBoard(database, hub, _read_entries, every_s=1.0, refresh_s=5.0)


def group_board(database: PgDatabase, hub: Hub) -> FigureBoard:
    """Return the teams that viewers can join, soonest to end first; a deadline is nobody's news."""
    return FigureBoard(database, hub, _read_teams, every_s=0.25, refresh_s=2.0, takes_away=True)


def unlock_board(database: PgDatabase, hub: Hub) -> FigureBoard:
    """Return how many units are promised of those that let a price fall."""
    return FigureBoard(database, hub, _read_unlocks, every_s=0.25, refresh_s=5.0)


async def _read_drops(connection: Connection, rooms: Sequence[str]) -> list[Figure]:
    counts = await select_left_of_rooms(connection, rooms)
    return [Figure(room_id, f"drop:{drop}", left) for room_id, drop, left in counts]


async def _read_entries(connection: Connection, rooms: Sequence[str]) -> list[Figure]:
    counts = await select_pending_counts(connection, rooms)
    return [Figure(room_id, f"entries:{sale}", entries) for room_id, sale, entries in counts]


async def _read_teams(connection: Connection, rooms: Sequence[str]) -> list[Figure]:
    figures = []
    for team in await select_open_of_rooms(connection, rooms, TEAMS_SHOWN_MAX):
        id, value = team.id, [team.joined, team.need, team.deadline_ms, team.sale_id, team.leader]
        figures.append(Figure(team.room_id, f"group:{id}", value))
    return figures


async def _read_unlocks(connection: Connection, rooms: Sequence[str]) -> list[Figure]:
    counts = await select_promised_of_rooms(connection, rooms)
    return [
        Figure(room_id, f"unlock:{sale}", [promised, units])
        for room_id, sale, promised, units in counts
    ]
