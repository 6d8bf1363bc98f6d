"""SQL of the waiting list; what comes free is given by `serve_waiting` in the database itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commerce.goods.inventory.rules import SaleTerms
from commerce.goods.waiting_list.model import Entry, Line, Wish
from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection

SELECT_TERMS = """
    SELECT id::text, state, opens_at_ms, ends_at_ms, per_buyer FROM sales WHERE id = $1
"""
SELECT_LINE = """
    SELECT clock_ms() AS now_ms, f.total, f.held + f.sold AS claimed, f.sold, p.waiting,
        coalesce(b.qty, 0) AS bought, k.qty AS known_qty, l.id::text AS live_entry
    FROM sales s
    JOIN pool_figures f ON f.pool_id = s.pool_id
    JOIN pool_waiting p ON p.pool_id = s.pool_id
    LEFT JOIN sale_buyers b ON b.sale_id = s.id AND b.user_id = $2
    LEFT JOIN waiting_list k ON k.id = $3
    LEFT JOIN waiting_list l ON l.sale_id = s.id AND l.user_id = $2
        AND l.state IN ('waiting', 'offered')
    WHERE s.id = $1
"""
# An offer whose hold is over is not live any more: only the pool's lock can tell what comes next.
SELECT_GLANCE = """
    SELECT p.waiting >= $2 AS is_full, EXISTS (
        SELECT 1 FROM waiting_list w LEFT JOIN reservations r ON r.id = w.reservation_id
        WHERE w.sale_id = $1 AND w.user_id = $3 AND w.state IN ('waiting', 'offered')
          AND (w.state = 'waiting' OR r.release_at_ms > clock_ms())
    ) OR EXISTS (
        SELECT 1 FROM waiting_list w LEFT JOIN reservations r ON r.id = w.reservation_id
        WHERE w.id = $4 AND (w.state <> 'offered' OR r.release_at_ms > clock_ms())
    ) AS is_known
    FROM sales s JOIN pool_waiting p ON p.pool_id = s.pool_id WHERE s.id = $1
"""
INSERT_ENTRY = """
    INSERT INTO waiting_list (id, pool_id, sale_id, user_id, qty) VALUES ($1, $2, $3, $4, $5)
"""
LEAVE = "UPDATE waiting_list SET state = 'left' WHERE id = $1 AND state = 'waiting'"
# Follows the reservation without the pool's lock: paying touches no stock.
MARK_BOUGHT = """
    UPDATE waiting_list SET state = 'bought'
    WHERE reservation_id = ANY ($1::uuid[]) AND state = 'offered'
"""
SELECT_ENTRIES = """
    SELECT w.id, w.sale_id, w.user_id, s.room_id, m.slug AS room, w.pool_id, w.qty, w.state,
        w.reservation_id, w.reason, p.waiting,
        CASE WHEN w.state = 'waiting' THEN (
            SELECT count(*) FROM waiting_list a
            WHERE a.pool_id = w.pool_id AND a.state = 'waiting' AND a.seq <= w.seq
        ) END AS place
    FROM waiting_list w
    JOIN sales s ON s.id = w.sale_id
    JOIN rooms m ON m.id = s.room_id
    JOIN pool_waiting p ON p.pool_id = w.pool_id
"""
SELECT_ENTRY = SELECT_ENTRIES + " WHERE w.id = $1"
# An offer whose hold is over is dead at read time, also when no sweeper has come by yet.
SELECT_LIVE_OF_USER = (
    SELECT_ENTRIES
    + " LEFT JOIN reservations r ON r.id = w.reservation_id"
    + " WHERE w.user_id = $1 AND (w.state = 'waiting'"
    + " OR w.state = 'offered' AND r.release_at_ms > clock_ms()) ORDER BY w.seq DESC LIMIT 50"
)
# Pools whose line is not what it should be: somebody could be served, or waits in vain.
SELECT_TO_TEND = """
    SELECT q.pool_id FROM (
        SELECT DISTINCT pool_id FROM waiting_list WHERE state = 'waiting'
    ) q
    JOIN stock k ON k.pool_id = q.pool_id
    WHERE EXISTS (
        SELECT 1 FROM waiting_list w JOIN sales x ON x.id = w.sale_id
        WHERE w.pool_id = q.pool_id AND w.state = 'waiting' AND (
            x.state IN ('ended', 'cancelled') OR x.ends_at_ms <= (SELECT clock_ms())
            OR x.state <> 'halted' AND w.qty <= k.total - k.claimed)
    ) OR EXISTS (
        SELECT 1 FROM pool_figures f WHERE f.pool_id = q.pool_id AND f.total = f.sold
    )
    ORDER BY q.pool_id LIMIT $1
"""
TEND = "SELECT tend_waiting($1)"
SERVE = "SELECT serve_waiting($1, clock_ms())"
# Rows that another teller has in hand are left to it; each is told at most once.
TAKE_UNTOLD = """
    UPDATE waiting_list w SET is_told = true
    FROM (
        SELECT id FROM waiting_list WHERE NOT is_told ORDER BY seq LIMIT $1
        FOR UPDATE SKIP LOCKED
    ) d
    WHERE w.id = d.id RETURNING w.id::text, w.seq
"""
SELECT_ENTRIES_BY_ID = SELECT_ENTRIES + " WHERE w.id = ANY ($1::uuid[]) ORDER BY w.seq"


async def select_terms(connection: Connection, sale_id: str) -> SaleTerms:
    """Return what a sale allows; raises `not_found`."""
    row = await connection.fetchrow(SELECT_TERMS, sale_id)
    if row is None:
        raise not_found("sale")
    return SaleTerms(**row)


async def select_line(connection: Connection, wish: Wish) -> Line:
    """Return the pool's line and the buyer's standing."""
    row = await connection.fetchrow(SELECT_LINE, wish.sale_id, wish.user_id, wish.id)
    return Line(**row)


async def select_glance(connection: Connection, wish: Wish, limit: int) -> bool:
    """Say, without a lock, whether joining is sure to change nothing.

    Either the buyer has a live entry, or the one that this key made, or the line is full.
    """
    row = await connection.fetchrow(SELECT_GLANCE, wish.sale_id, limit, wish.user_id, wish.id)
    return row is not None and (row["is_full"] or row["is_known"])


async def insert_entry(connection: Connection, pool_id: str, wish: Wish) -> None:
    """Put a wish at the end of the pool's line; the pool is locked."""
    await connection.execute(INSERT_ENTRY, wish.id, pool_id, wish.sale_id, wish.user_id, wish.qty)


async def leave(connection: Connection, entry_id: str) -> bool:
    """Take a waiting entry out of the line; False when it does not wait. The pool is locked."""
    return str(await connection.execute(LEAVE, entry_id)) == "UPDATE 1"


async def mark_bought(connection: Connection, reservation_ids: Sequence[str]) -> None:
    """Note that offers were paid; reservations of other origin change nothing."""
    await connection.execute(MARK_BOUGHT, list(reservation_ids))


async def select_entry(connection: Connection, entry_id: str) -> Entry:
    """Return one entry with its place; raises `not_found`."""
    row = await connection.fetchrow(SELECT_ENTRY, entry_id)
    if row is None:
        raise not_found("entry")
    return _entry(row)


async def select_live_of_user(connection: Connection, user_id: str) -> list[Entry]:
    """Return the newest entries of a user that wait or have an offer."""
    return [_entry(row) for row in await connection.fetch(SELECT_LIVE_OF_USER, user_id)]


async def select_to_tend(connection: Connection, limit: int) -> list[str]:
    """Return pools whose line needs a look, ascending."""
    return [str(row[0]) for row in await connection.fetch(SELECT_TO_TEND, limit)]


async def serve(connection: Connection, pool_id: str) -> int:
    """Give what is free in a locked pool to those who wait; return how many units went there."""
    return int(await connection.fetchval(SERVE, pool_id))


async def tend(connection: Connection, pool_id: str) -> None:
    """Serve and close what is due in a pool's line; takes the pool's lock."""
    await connection.execute(TEND, pool_id)


async def take_untold(connection: Connection, limit: int) -> list[Entry]:
    """Take entries whose owners are still to be told, in order of arrival."""
    taken = [row["id"] for row in await connection.fetch(TAKE_UNTOLD, limit)]
    if not taken:
        return []
    return [_entry(row) for row in await connection.fetch(SELECT_ENTRIES_BY_ID, taken)]


def _entry(row: Any) -> Entry:
    fields = {name: row[name] for name in Entry.__struct_fields__}
    for name in ("id", "sale_id", "user_id", "room_id", "pool_id"):
        fields[name] = str(fields[name])
    if fields["reservation_id"] is not None:
        fields["reservation_id"] = str(fields["reservation_id"])
    return Entry(**fields)
