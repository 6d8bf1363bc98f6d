"""SQL of the room log: append with a gapless offset, read a stretch, find the unpublished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Connection
from commerce.records.room_log.model import RoomEvent, StoredEvent
from commerce.records.room_log.rules import EVENTS_PER_S_MAX, is_paced, pace_retry_ms

ADVANCE_HEAD = """
    UPDATE room_log_heads SET log_offset = log_offset + $2
    WHERE room_id = $1 RETURNING log_offset
"""
INSERT_EVENTS = """
    INSERT INTO room_events (room_id, log_offset, type, payload)
    SELECT $1, $2 + q.ord, q.type, q.payload
    FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS q (type, payload, ord)
    RETURNING log_offset, type, payload, at_ms
"""
SELECT_PACE = """
    SELECT (SELECT clock_ms()) AS now_ms,
           (SELECT at_ms FROM room_events WHERE room_id = $1 AND log_offset = $2) AS earlier_ms
"""
SELECT_HEAD = "SELECT log_offset FROM room_log_heads WHERE room_id = $1"
SELECT_EVENTS = """
    SELECT log_offset, type, payload, at_ms FROM room_events
    WHERE room_id = $1 AND log_offset > $2 ORDER BY log_offset LIMIT $3
"""
SELECT_UNPUBLISHED = """
    SELECT room_id, log_offset, type, payload, at_ms FROM room_events
    WHERE NOT is_published AND at_ms < (SELECT clock_ms()) - $1
    ORDER BY room_id, log_offset LIMIT $2
"""
MARK_PUBLISHED = """
    UPDATE room_events SET is_published = true
    FROM unnest($1::uuid[], $2::bigint[]) AS q (room_id, log_offset)
    WHERE room_events.room_id = q.room_id AND room_events.log_offset = q.log_offset
"""


async def append_events(connection: Connection, events: Sequence[RoomEvent]) -> list[StoredEvent]:
    """Give each event its offset and store it; rooms are locked in ascending order.

    Raises CommerceError `slow_down` when a room's staff announce more than `EVENTS_PER_S_MAX`.
    """
    by_room: dict[str, list[RoomEvent]] = defaultdict(list)
    for event in events:
        by_room[event.room_id].append(event)
    stored: list[StoredEvent] = []
    for room_id in sorted(by_room):
        mine = by_room[room_id]
        head = await connection.fetchval(ADVANCE_HEAD, room_id, len(mine))
        if is_paced([event.type for event in mine]):
            await _check_pace(connection, room_id, head)
        rows = await connection.fetch(
            INSERT_EVENTS,
            room_id,
            head - len(mine),
            [event.type for event in mine],
            [event.payload.decode() for event in mine],
        )
        stored += sorted((_event(room_id, row) for row in rows), key=lambda e: e.offset)
    return stored


async def _check_pace(connection: Connection, room_id: str, head: int) -> None:
    row = await connection.fetchrow(SELECT_PACE, room_id, head - EVENTS_PER_S_MAX)
    assert row is not None, "a SELECT without FROM has one row"
    retry_ms = pace_retry_ms(row["earlier_ms"], row["now_ms"])
    if retry_ms:
        raise CommerceError(
            "slow_down",
            f"A room is told at most {EVENTS_PER_S_MAX} things a second.",
            retryable=True,
            retry_ms=retry_ms,
        )


async def select_head(connection: Connection, room_id: str) -> int:
    """Return the newest offset of a room's log; 0 for an empty one."""
    return int(await connection.fetchval(SELECT_HEAD, room_id) or 0)


async def select_events(
    connection: Connection, room_id: str, *, after: int, limit: int
) -> list[StoredEvent]:
    """Return at most `limit` events of a room behind offset `after`, in order."""
    rows = await connection.fetch(SELECT_EVENTS, room_id, after, limit)
    return [_event(room_id, row) for row in rows]


async def select_unpublished(
    connection: Connection, *, older_than_ms: int, limit: int
) -> list[StoredEvent]:
    """Return events that nobody has marked as published, room by room, in order."""
    rows = await connection.fetch(SELECT_UNPUBLISHED, older_than_ms, limit)
    return [_event(str(row["room_id"]), row) for row in rows]


async def mark_published(connection: Connection, events: Sequence[StoredEvent]) -> None:
    """Note that these events went out; publishing twice is harmless, never is not."""
    await connection.execute(
        MARK_PUBLISHED, [event.room_id for event in events], [event.offset for event in events]
    )


def _event(room_id: str, row: dict[str, object]) -> StoredEvent:
    return StoredEvent(
        room_id=room_id,
        offset=int(str(row["log_offset"])),
        type=str(row["type"]),
        payload=str(row["payload"]).encode(),
        at_ms=int(str(row["at_ms"])),
    )
