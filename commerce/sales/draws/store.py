"""SQL of draws; the seed is read here through `public_draws` alone, which hides it until then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commerce.goods.inventory.model import Request
from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection
from commerce.sales.draws.model import (
    ALGORITHM,
    Drawn,
    DrawPage,
    DrawView,
    EntryBatch,
    Receipt,
)

# The draw of a sale, beside its other columns; `read_draw` takes them out again.
DRAW_COLUMNS = """
    d.commit AS draw_commit, d.entry_closes_at_ms AS draw_entry_closes_at_ms,
    d.entries AS draw_entries, d.seed AS draw_seed, d.digest AS draw_digest,
    d.winners AS draw_winners
"""
ARM = "SELECT arm_draw($1, $2)"
ENTER_BATCH = """
    SELECT outcomes, is_withdrawn, now_ms, opens_at FROM enter_draw_batch($1, $2, $3, $4)
"""
WITHDRAW = "SELECT withdraw_draw_entry($1, $2)"
HOLD = "SELECT hold_draw($1, $2)"
# 100,000 entries take seconds, far more on a busy machine: a draw that is cut off at the limit of
# all other work would be cut off again and again, until its sale is over and nobody has anything.
HOLD_TIMEOUT_S = 120
LONGER = "SELECT set_config('statement_timeout', $1, true)"
# The server's limit comes first; this one is for a server that went without a word.
HOLD_CLIENT_TIMEOUT_S = HOLD_TIMEOUT_S + 5.0
# The window is asked again by `hold_draw` itself, behind its locks.
SELECT_DUE = """
    SELECT d.sale_id::text FROM draws d JOIN sales s ON s.id = d.sale_id
    WHERE d.drawn_at_ms IS NULL AND d.entry_closes_at_ms <= (SELECT clock_ms())
      AND s.state = 'open' AND s.ends_at_ms > (SELECT clock_ms())
    ORDER BY d.entry_closes_at_ms LIMIT $1
"""
SELECT_DRAWN = """
    SELECT d.sale_id, s.room_id, d.seed, d.digest, d.entries, d.winners
    FROM public_draws d JOIN sales s ON s.id = d.sale_id WHERE d.sale_id = $1
"""
SELECT_HEAD = """
    SELECT d.commit, d.seed, d.digest, coalesce(d.units, s.quantity) AS units,
        d.entry_closes_at_ms, d.entries AS entry_count, d.winners AS winner_count
    FROM sales s JOIN public_draws d ON d.sale_id = s.id WHERE s.id = $1
"""
SELECT_PAGE = """
    SELECT id::text, qty, reservation_id IS NOT NULL AS has_won FROM draw_entries
    WHERE sale_id = $1 AND withdrawn_at_ms IS NULL AND ($2::uuid IS NULL OR id > $2)
    ORDER BY id LIMIT $3
"""
# A place is counted once for the whole line, not once for each who is told of it.
SELECT_RECEIPTS = """
    SELECT e.id, e.sale_id, e.user_id, s.room_id, e.qty, e.rank,
        CASE WHEN e.rank IS NOT NULL THEN d.entries END AS "of", encode(e.key, 'hex') AS key,
        e.reservation_id, w.place AS waiting,
        CASE WHEN e.withdrawn_at_ms IS NOT NULL THEN 'withdrawn'
            WHEN e.reservation_id IS NOT NULL THEN 'won'
            WHEN e.rank IS NOT NULL THEN 'lost'
            WHEN s.state IN ('ended', 'cancelled') OR s.ends_at_ms <= clock_ms() THEN 'void'
            ELSE 'entered' END AS state
    FROM draw_entries e
    JOIN sales s ON s.id = e.sale_id
    JOIN draws d ON d.sale_id = e.sale_id
    LEFT JOIN (
        SELECT q.sale_id, q.user_id, row_number() OVER (PARTITION BY q.pool_id ORDER BY q.seq)
            AS place
        FROM waiting_list q
        WHERE q.state = 'waiting' AND q.pool_id = (SELECT p.pool_id FROM sales p WHERE p.id = $1)
    ) w ON w.sale_id = e.sale_id AND w.user_id = e.user_id
    WHERE e.sale_id = $1
"""
# Whoever took an entry back and entered again has two.
SELECT_MINE = (
    SELECT_RECEIPTS
    + " AND e.user_id = $2 ORDER BY e.withdrawn_at_ms IS NOT NULL, e.entered_at_ms DESC LIMIT 1"
)
SELECT_HAS_DRAW = "SELECT EXISTS (SELECT FROM draws WHERE sale_id = $1)"
SELECT_RANKS = SELECT_RECEIPTS + " AND e.rank > $2 AND e.rank <= $3 ORDER BY e.rank"
SELECT_UNTOLD = "SELECT sale_id::text FROM draws WHERE told_rank < entries LIMIT $1"
# A draw that another teller has in hand is left to it.
LOCK_TOLD = """
    SELECT told_rank, entries FROM draws
    WHERE sale_id = $1 AND told_rank < entries FOR UPDATE SKIP LOCKED
"""
UPDATE_TOLD = "UPDATE draws SET told_rank = $2 WHERE sale_id = $1"
SELECT_PENDING_COUNTS = """
    SELECT s.room_id::text, d.sale_id::text, d.entries
    FROM sales s JOIN public_draws d ON d.sale_id = s.id
    WHERE s.room_id = ANY ($1::uuid[]) AND s.kind = 'flash'
      AND s.state IN ('armed', 'open', 'halted') AND d.drawn_at_ms IS NULL
"""


async def arm_draw(connection: Connection, sale_id: str, entry_s: int) -> None:
    """Draw and keep the seed of a sale; its window is `entry_s` from the sale's opening."""
    await connection.execute(ARM, sale_id, entry_s * 1000)


async def enter_batch(connection: Any, sale_id: str, requests: Sequence[Request]) -> EntryBatch:
    """Decide a batch of entries and commit it, in one round trip; outside any transaction."""
    row = await connection.fetchrow(
        ENTER_BATCH,
        sale_id,
        [request.id for request in requests],
        [request.user_id for request in requests],
        [request.qty for request in requests],
    )
    return EntryBatch(**row)


async def withdraw(connection: Connection, sale_id: str, user_id: str) -> bool:
    """Take a buyer's entry back while the window is open; say whether anything changed."""
    return bool(await connection.fetchval(WITHDRAW, sale_id, user_id))


async def hold_draw(connection: Connection, sale_id: str, line_max: int) -> bool:
    """Draw, once; takes the pool's lock. False when it is not the time, or was done.

    Takes the draw's lock for some seconds with 100,000 entries, and the pool's for the last part of
    them; the transaction's statements may last `HOLD_TIMEOUT_S` from here on.
    """
    await connection.execute(LONGER, f"{HOLD_TIMEOUT_S}s")
    return bool(await connection.fetchval(HOLD, sale_id, line_max, timeout=HOLD_CLIENT_TIMEOUT_S))


async def select_due(connection: Connection, limit: int) -> list[str]:
    """Return sales whose entries have closed and that are not drawn."""
    return [row[0] for row in await connection.fetch(SELECT_DUE, limit)]


async def select_drawn(connection: Connection, sale_id: str) -> Drawn:
    """Return what there is to tell of a draw that is done."""
    row = await connection.fetchrow(SELECT_DRAWN, sale_id)
    return Drawn(**{**dict(row), "sale_id": str(row["sale_id"]), "room_id": str(row["room_id"])})


async def select_page(
    connection: Connection, sale_id: str, *, after: str | None, limit: int
) -> DrawPage:
    """Return the public data of a draw, entries behind an id; raises `not_found`."""
    head = await connection.fetchrow(SELECT_HEAD, sale_id)
    if head is None:
        raise not_found("draw")
    rows = await connection.fetch(SELECT_PAGE, sale_id, after, limit)
    return DrawPage(
        algorithm=ALGORITHM,
        **head,
        entries=[(row["id"], row["qty"]) for row in rows],
        winners=[row["id"] for row in rows if row["has_won"]],
        is_end=len(rows) < limit,
    )


async def select_mine(connection: Connection, sale_id: str, user_id: str) -> Receipt | None:
    """Return a buyer's entry of a sale: the one that stands, else the last one taken back."""
    row = await connection.fetchrow(SELECT_MINE, sale_id, user_id)
    return _receipt(row) if row else None


async def has_draw(connection: Connection, sale_id: str) -> bool:
    """Say whether a sale is one that is drawn."""
    found: bool = await connection.fetchval(SELECT_HAS_DRAW, sale_id)
    return found


async def select_untold(connection: Connection, limit: int) -> list[str]:
    """Return drawn sales some of whose entrants are still to be told."""
    return [row[0] for row in await connection.fetch(SELECT_UNTOLD, limit)]


async def take_untold(connection: Connection, sale_id: str, limit: int) -> list[Receipt]:
    """Take the next entrants to tell, in the order of their ranks; [] when another does."""
    row = await connection.fetchrow(LOCK_TOLD, sale_id)
    if row is None:
        return []
    upto = min(row["told_rank"] + limit, row["entries"])
    await connection.execute(UPDATE_TOLD, sale_id, upto)
    return [
        _receipt(one)
        for one in await connection.fetch(SELECT_RANKS, sale_id, row["told_rank"], upto)
    ]


async def select_pending_counts(
    connection: Connection, room_ids: Sequence[str]
) -> list[tuple[str, str, int]]:
    """Return (room, sale, entries) of draws that are still to come."""
    return [tuple(row) for row in await connection.fetch(SELECT_PENDING_COUNTS, list(room_ids))]


def read_draw(fields: dict[str, Any]) -> DrawView | None:
    """Take `DRAW_COLUMNS` out of a sale's row; None of a sale without a draw."""
    told = {name: fields.pop(f"draw_{name}") for name in DrawView.__struct_fields__}
    return DrawView(**told) if told["commit"] is not None else None


def _receipt(row: Any) -> Receipt:
    fields = {name: row[name] for name in Receipt.__struct_fields__}
    for name in ("id", "sale_id", "user_id", "room_id"):
        fields[name] = str(fields[name])
    if fields["reservation_id"] is not None:
        fields["reservation_id"] = str(fields["reservation_id"])
    return Receipt(**fields)
