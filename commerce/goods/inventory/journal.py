"""Read a pool's journal: every change of its figures, in order, and what each version granted.

The journal is gapless by version, so a reader who goes on from the last version misses nothing.
"""

from __future__ import annotations

import msgspec

from commerce.kernel.ports import Connection

# A page of the journal: a sale of ten thousand units, sold in batches, has fewer.
VERSIONS_A_PAGE_MAX = 2_000
# A full batch has 256 reservations: 2,000 of them would be half a million. A page ends before the
# version that would exceed this; a single version, as that of a draw, may have more.
GRANTED_A_PAGE_MAX = 5_000

SELECT_STEPS = """
    SELECT j.version, j.claimed_delta, j.total_delta, j.reason, j.at_ms
    FROM stock_journal j JOIN sales s ON s.pool_id = j.pool_id
    WHERE s.id = $1 AND j.version > $2 ORDER BY j.version LIMIT $3
"""
# A SKU's own stock serves every room that shows it: what others sell is counted, not named.
SELECT_GRANTED = """
    SELECT CASE WHEN x.room_id = s.room_id THEN r.id::text END,
        CASE WHEN x.room_id = s.room_id THEN r.sale_id::text END AS sale,
        r.version, r.qty, r.state
    FROM reservations r JOIN sales s ON s.pool_id = r.pool_id JOIN sales x ON x.id = r.sale_id
    WHERE s.id = $1 AND r.version BETWEEN $2 AND $3 ORDER BY r.version, r.seq
    LIMIT $4::integer
"""


class JournalStep(msgspec.Struct, frozen=True):
    """One change of a pool: version n is the n-th; `at_ms` is when it was decided."""

    version: int
    claimed_delta: int
    total_delta: int
    reason: str
    at_ms: int


class Granted(msgspec.Struct, frozen=True):
    """A reservation by the version that granted it, in the state it is in now.

    `id` and `sale` are None for a reservation of another room.
    """

    id: str | None
    sale: str | None
    version: int
    qty: int
    state: str


class JournalPage(msgspec.Struct, frozen=True):
    """A stretch of a pool's journal; `is_end` when nothing follows yet."""

    steps: list[JournalStep]
    granted: list[Granted]
    is_end: bool


async def read_journal(connection: Connection, sale_id: str, *, after: int) -> JournalPage:
    """Return what happened to a sale's pool after a version; an unknown sale has no journal."""
    rows = await connection.fetch(SELECT_STEPS, sale_id, after, VERSIONS_A_PAGE_MAX)
    steps = [JournalStep(*row) for row in rows]
    if not steps:
        return JournalPage([], [], is_end=True)
    is_end = len(steps) < VERSIONS_A_PAGE_MAX
    first, last = steps[0].version, steps[-1].version
    granted = await connection.fetch(SELECT_GRANTED, sale_id, first, last, GRANTED_A_PAGE_MAX + 1)
    if len(granted) > GRANTED_A_PAGE_MAX:
        # The last version may have come in part: it is left to the next page, or is one by itself.
        whole = max(first, granted[-1]["version"] - 1)
        is_end, last = is_end and whole == last, whole
        steps = [step for step in steps if step.version <= last]
        granted = await connection.fetch(SELECT_GRANTED, sale_id, first, last, None)
    return JournalPage(steps, [Granted(*row) for row in granted], is_end=is_end)
