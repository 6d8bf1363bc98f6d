"""Read rooms from their source: the first time whole, later what may have changed.

The invariant: a room is given its log first and its house rules after, so that no rule is older
than the events it is obeyed with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from realtime.protocol.counters import Counters
from realtime.rooms.active import ActiveRoom
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import RoomRef, RoomSource
from realtime.rooms.room import Room

log = logging.getLogger(__name__)

# A room that does not exist is not looked for again for this long, short enough for a new one.
UNKNOWN_ROOM_MS = 2000
UNKNOWN_ROOMS_MAX = 1000


class RoomReader:
    """Reads for one process's hub."""

    def __init__(
        self,
        source: RoomSource,
        *,
        now_ms: Callable[[], int],
        counters: Counters,
        limits: RoomLimits,
    ) -> None:
        self._source = source
        self._now_ms = now_ms
        self._counters = counters
        self._limits = limits
        self._unknown: dict[str, int] = {}

    def is_unknown(self, slug: str) -> bool:
        """Tell whether there was no such room a moment ago, so that guessing costs no reads."""
        return self._unknown.get(slug, 0) > self._now_ms()

    async def find(self, slug: str) -> RoomRef | None:
        """Return the room with this slug; None when there is none."""
        ref = await self._source.find(slug)
        if ref is None:
            if len(self._unknown) >= UNKNOWN_ROOMS_MAX:
                self._unknown.clear()
            self._unknown[slug] = self._now_ms() + UNKNOWN_ROOM_MS
        return ref

    async def load(self, ref: RoomRef) -> ActiveRoom:
        """Read the newest part of a room's log, and its house rules."""
        start = max(0, ref.offset - self._limits.ring_entries)
        entries = await self._source.read_log(ref.id, start, self._limits.ring_entries)
        start = entries[0].offset - 1 if entries else ref.offset
        room = Room(
            msgspec.structs.replace(ref, offset=start),
            limits=self._limits,
            counters=self._counters,
        )
        room.apply(entries)
        room.keep_rules(await self._source.house_rules(ref.id))
        active = ActiveRoom(room, source=self._source, limits=self._limits)
        active.empty_since_ms = self._now_ms()
        active.repair.wanted = ref.offset
        return active

    async def look_up(self, room: Room) -> RoomRef | None:
        """Return the room as its row is now; None when it cannot be read, or is gone."""
        try:
            async with asyncio.timeout(self._limits.activation_timeout_s):
                return await self._source.find(room.ref.slug)
        except Exception as error:  # The next check asks again.
            log.debug("Room %s could not be checked: %s", room.ref.id, error)
            return None

    async def reread_rules(self, room: Room) -> None:
        """Learn what staff did in the part of the log that this process will never see."""
        try:
            async with asyncio.timeout(self._limits.activation_timeout_s):
                newest = -1
                while newest != room.ring.newest:  # What is announced meanwhile is newer.
                    newest = room.ring.newest
                    rules = await self._source.house_rules(room.ref.id)
                    if newest == room.ring.newest:
                        room.keep_rules(rules)
        except Exception as error:  # Events to come still bring every change.
            log.warning("The rules of room %s could not be read: %s", room.ref.id, error)
