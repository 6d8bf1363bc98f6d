"""SQL of the deliveries: keep counts, read those of a room's newest events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from commerce.insight.deliveries.model import DeliveryTally, EventDelivery
from commerce.insight.deliveries.rules import WINDOW_S, add_up
from commerce.kernel.ports import Connection

# Staff make at most 20 events a second, and sales add a few: the light's whole window fits.
EVENTS_READ_MAX = 20 * WINDOW_S

# One event a call: a batch of arrays of equal length is a matrix, which `unnest` takes apart.
UPSERT = """
    INSERT INTO sale_deliveries (room_id, log_offset, reporter, asked, bins, acked)
    VALUES ($1, $2, $3, $4, $5::integer[], $6)
    ON CONFLICT (room_id, log_offset, reporter) DO UPDATE
    SET asked = excluded.asked, bins = excluded.bins, acked = excluded.acked
"""
# All of the window, and before it the newest that the sheet lists. The room's log gives the order.
SELECT_NEWEST = """
    SELECT e.log_offset, e.type, e.at_ms, d.asked, d.bins,
        e.at_ms > (SELECT clock_ms()) - $3::bigint AS is_recent
    FROM (
        SELECT log_offset, type, at_ms FROM room_events
        WHERE room_id = $1 ORDER BY log_offset DESC LIMIT $2
    ) e
    JOIN sale_deliveries d ON d.room_id = $1 AND d.log_offset = e.log_offset
    ORDER BY e.log_offset DESC
"""


async def upsert_tallies(connection: Connection, tallies: Sequence[DeliveryTally]) -> None:
    """Keep counts; those of the same event and reporter replace each other. Keys are sorted."""
    rows = sorted(tallies, key=lambda one: (one.room_id, one.offset, one.reporter))
    await connection.executemany(
        UPSERT,
        [(x.room_id, x.offset, x.reporter, x.asked, list(x.bins), sum(x.bins)) for x in rows],
    )


async def select_newest(connection: Connection, room_id: str) -> list[EventDelivery]:
    """Return the newest events that anybody was asked about, the newest first."""
    rows = await connection.fetch(SELECT_NEWEST, room_id, EVENTS_READ_MAX, WINDOW_S * 1000)
    by_offset: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        by_offset[row["log_offset"]].append(row)
    return [
        EventDelivery(
            offset=offset,
            type=mine[0]["type"],
            at_ms=mine[0]["at_ms"],
            asked=sum(row["asked"] for row in mine),
            bins=add_up(row["bins"] for row in mine),
            is_recent=mine[0]["is_recent"],
        )
        for offset, mine in by_offset.items()
    ]
