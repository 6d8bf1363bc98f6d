"""SQL of replays.

Invariant: one statement reads a bounded number of rows, and never a line that was deleted.
"""

from __future__ import annotations

from typing import Any

import msgspec

from commerce.community.chat_archive.rules import first_id
from commerce.community.replays.model import (
    ReplayedEvent,
    ReplayedLine,
    ReplayedShow,
    StillSold,
)
from commerce.community.replays.rules import REPLAYED_TYPES, SLACK_MS
from commerce.kernel.ports import Connection

SELECT_SHOW = """
    SELECT s.id, s.room_id, r.slug AS room, r.host_id, s.title, s.status, s.started_at_ms,
        s.ended_at_ms
    FROM shows s JOIN rooms r ON r.id = s.room_id
    WHERE s.id = $1 AND s.started_at_ms IS NOT NULL
"""
SELECT_HEAD = "SELECT log_offset FROM room_log_heads WHERE room_id = $1"
SELECT_MOMENT = """
    SELECT at_ms FROM room_events WHERE room_id = $1 AND log_offset >= $2
    ORDER BY log_offset LIMIT 1
"""
SELECT_EVENTS = """
    SELECT log_offset, type, payload, at_ms FROM room_events
    WHERE room_id = $1 AND log_offset > $2 AND at_ms <= $3 AND type = ANY ($4::text[])
    ORDER BY log_offset LIMIT $5
"""
# Rows are compared as a whole, so that only the index of the room has them in order.
SELECT_LINES = """
    SELECT id, user_id, name, text, flags, at_ms FROM chat_lines
    WHERE (room_id, id) > ($1, $2::uuid) AND (room_id, id) < ($1, $3::uuid)
        AND deleted_at_ms IS NULL
    ORDER BY room_id, id LIMIT $4
"""
# The room's live sale of the same SKU: the regular one, or what else is open without a draw.
SELECT_STILL_SOLD = """
    SELECT i.id AS item, i.no, i.sku, v.title, v.title_zh, v.picture, n.id AS sale, n.kind,
        n.price_minor, n.currency, coalesce(n.available, 0)::int AS available,
        coalesce(n.has_rules, false) AS has_rules
    FROM bag_items i
    JOIN named_variants v ON v.sku = i.sku
    LEFT JOIN LATERAL (
        SELECT s.id, s.kind, s.price_minor, s.currency, f.available,
            s.rules IS NOT NULL AS has_rules
        FROM sales s
        JOIN shows w ON w.id = s.show_id AND w.status = 'live'
        JOIN pool_figures f ON f.pool_id = s.pool_id
        WHERE s.room_id = $2 AND s.sku = i.sku AND s.state = 'open'
            AND s.kind IN ('regular', 'flash')
            AND NOT EXISTS (SELECT 1 FROM draws d WHERE d.sale_id = s.id)
        ORDER BY s.price_minor, s.id LIMIT 1
    ) n ON true
    WHERE i.show_id = $1 AND i.removed_at_ms IS NULL ORDER BY i.no
"""


async def find_show(connection: Connection, show_id: str) -> ReplayedShow | None:
    """Return a show that has begun, or None."""
    row = await connection.fetchrow(SELECT_SHOW, show_id)
    if row is None:
        return None
    fields: dict[str, Any] = {
        name: str(row[name]) if name == "id" or name.endswith("_id") else row[name]
        for name in ReplayedShow.__struct_fields__
    }
    return ReplayedShow(**fields)


async def find_offset(connection: Connection, room_id: str, at_ms: int) -> int:
    """Return the last offset of a room's log before a moment; 0 before all of them.

    Offsets have no gaps and their times do not fall, so halving finds it in some twenty reads.
    """
    low, high = 0, int(await connection.fetchval(SELECT_HEAD, room_id) or 0)
    while low < high:
        middle = (low + high) // 2 + 1
        moment = await connection.fetchval(SELECT_MOMENT, room_id, middle)
        if moment is not None and moment < at_ms:
            low = middle
        else:
            high = middle - 1
    return low


async def select_events(
    connection: Connection, room_id: str, *, after: int, until_ms: int, limit: int
) -> list[ReplayedEvent]:
    """Return events of a room behind an offset, up to a moment."""
    rows = await connection.fetch(
        SELECT_EVENTS, room_id, after, until_ms, list(REPLAYED_TYPES), limit
    )
    return [
        ReplayedEvent(
            row["log_offset"], row["type"], msgspec.Raw(row["payload"].encode()), row["at_ms"]
        )
        for row in rows
    ]


async def select_lines(
    connection: Connection, room_id: str, *, after: str, until_ms: int, limit: int
) -> list[ReplayedLine]:
    """Return lines of a room behind an id, up to a moment; none that was deleted."""
    until = first_id(until_ms + SLACK_MS)
    return [
        ReplayedLine(
            id=str(row["id"]),
            user=str(row["user_id"] or ""),
            name=row["name"],
            text=row["text"],
            flags=list(row["flags"]),
            at_ms=row["at_ms"],
        )
        for row in await connection.fetch(SELECT_LINES, room_id, after, until, limit)
    ]


async def select_still_sold(connection: Connection, show: ReplayedShow) -> list[StillSold]:
    """Return the show's bag with what each of it costs in the room now."""
    rows = await connection.fetch(SELECT_STILL_SOLD, show.id, show.room_id)
    return [_still_sold(row) for row in rows]


def _still_sold(row: Any) -> StillSold:
    fields: dict[str, Any] = {
        name: str(row[name]) if name in ("item", "sale") and row[name] else row[name]
        for name in StillSold.__struct_fields__
    }
    return StillSold(**fields)
