"""A room's whole state at one instant, together with the offset of its log.

Invariant: state and offset come from one REPEATABLE READ transaction, so a viewer who applies
every later event of the log to it sees what somebody sees who asks anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from commerce.community.moderation import store as moderation
from commerce.community.moderation.model import StoredLine
from commerce.insight.deliveries.model import DeliveryTally
from commerce.insight.deliveries.store import upsert_tallies
from commerce.kernel.ports import Connection, Database
from commerce.members.accounts.store import select_user
from commerce.records.room_log.store import select_events, select_head
from commerce.sales.group_buys.store import select_open_of_rooms
from commerce.sales.show_floor.store import select_floor
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.store import find_room, select_room, select_room_by_id
from realtime.protocol.messages import ChatLine, LogEntry
from realtime.rooms.ports import DeliveryReport, HouseRules, Modes, RoomRef, Snapshot

CHAT_LINES_SHOWN = 30
GROUPS_SHOWN = 20


class RoomStates:
    """Reads rooms for viewers, and keeps what gateways gather: their sources and stores."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, slug: str) -> RoomRef | None:
        """Return a room by its slug, with the newest offset of its log."""
        async with self._database.reading() as connection:
            room = await find_room(connection, slug)
            if room is None:
                return None
            offset = await select_head(connection, room.id)
        return RoomRef(room.id, room.slug, room.epoch, room.host_id, offset)

    async def snapshot(self, room_id: str) -> Snapshot:
        """Return the whole state as JSON, with the offset that it is true at."""
        async with self._database.reading() as connection:
            room = await select_room_by_id(connection, room_id)
            state = await read_state(connection, room)
            offset = await select_head(connection, room.id)
        return Snapshot(room.epoch, offset, orjson.dumps(state))

    async def read_log(self, room_id: str, after: int, limit: int) -> list[LogEntry]:
        """Return log entries behind an offset, in order."""
        async with self._database.reading() as connection:
            events = await select_events(connection, room_id, after=after, limit=limit)
        return [LogEntry(e.offset, e.type, e.payload, e.at_ms) for e in events]

    async def house_rules(self, room_id: str) -> HouseRules:
        """Return until when each muted user of the room stays silent, and its modes."""
        async with self._database.reading() as connection:
            mutes = await moderation.select_mutes(connection, room_id)
            modes = await moderation.select_modes(connection, room_id)
        return HouseRules(
            {mute.user_id: mute.until_ms for mute in mutes},
            Modes(modes.slow_s, modes.emote_only, modes.links_off),
        )

    async def save(self, room_id: str, lines: Sequence[ChatLine]) -> None:
        """Keep chat lines."""
        stored = [
            StoredLine(line.id, line.user or None, line.name, line.text, line.flags, line.at_ms)
            for line in lines
        ]
        async with self._database.transaction() as transaction:
            await moderation.insert_lines(transaction, room_id, stored)

    async def add(self, room_id: str, count: int) -> int:
        """Add likes and return the room's total."""
        async with self._database.transaction() as transaction:
            return await moderation.add_likes(transaction, room_id, count)

    async def keep_deliveries(self, reports: Sequence[DeliveryReport]) -> None:
        """Keep how sale events were delivered."""
        tallies = [DeliveryTally(r.room_id, r.offset, r.reporter, r.asked, r.bins) for r in reports]
        async with self._database.transaction() as transaction:
            await upsert_tallies(transaction, tallies)

    async def state_of(self, slug: str) -> tuple[str, dict[str, Any]]:
        """Return a room's id and its state; viewers are the caller's to add."""
        async with self._database.reading() as connection:
            room = await select_room(connection, slug)
            return room.id, await read_state(connection, room)


async def read_state(connection: Connection, room: Room) -> dict[str, Any]:
    """Read everything a viewer of the room sees, inside the caller's transaction."""
    floor = await select_floor(connection, room)
    lines = await moderation.select_latest(connection, room.id, CHAT_LINES_SHOWN)
    host = await select_user(connection, room.host_id)
    teams = await select_open_of_rooms(connection, [room.id], GROUPS_SHOWN)
    return {
        "room": room.slug,
        **msgspec.to_builtins(floor),
        "groups": [
            {
                "id": team.id,
                "sale": team.sale_id,
                "joined": team.joined,
                "need": team.need,
                "deadline_ms": team.deadline_ms,
                "leader": team.leader,
            }
            for team in teams
        ],
        "viewers": 0,
        "video": None,  # Whoever carries it tells it, as with the viewers.
        "likes": await moderation.select_likes(connection, room.id),
        "modes": msgspec.to_builtins(await moderation.select_modes(connection, room.id)),
        "chat": [
            [line.id, line.user_id or "", line.name, line.text, line.flags, line.at_ms]
            for line in lines
        ],
        "host": {"id": host.id, "name": host.name, "avatar": host.avatar},
        "poster": room.poster,
    }
