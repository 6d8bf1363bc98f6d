"""SQL of the reservation core; the only place that changes stock, journal and buyers' sums.

A reservation's way from held to sold is checkout's, and locks no stock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

import asyncpg
import msgspec

from commerce.goods.inventory.model import (
    BatchResult,
    Hold,
    PooledSale,
    Request,
    Reservation,
)
from commerce.goods.press_rules.store import read_rules
from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection
from commerce.records.rounds.store import LOST_CONNECTION

Told = TypeVar("Told")

RESERVE_BATCH = """
    SELECT outcomes, states, versions, prices, shown_until, opens_at, now_ms, pool_version,
        total, claimed, is_sold_out, expired_ids, expired_sales, expired_users
    FROM reserve_batch($1, $2, $3, $4, $5)
"""
# In two parts, each with an index of its own: one pool must not pay for what others sold.
SELECT_OWNED = """
    SELECT r.user_id::text, r.id::text FROM reservations r
    WHERE r.pool_id = $1 AND r.state IN ('held', 'paying')
    UNION ALL
    SELECT r.user_id::text, r.id::text FROM reservations r
    WHERE r.pool_id = $1 AND r.state = 'sold'
    LIMIT $2
"""
SELECT_POOLED_SALE = """
    SELECT id::text, pool_id::text, room_id::text, sku, currency, rules::text,
        EXISTS (SELECT 1 FROM draws d WHERE d.sale_id = $1), kind = 'group'
    FROM sales WHERE id = $1
"""
SELECT_SKU_POOL = "SELECT pool_id FROM stock WHERE sku = $1 AND sale_id IS NULL"
LOCK_POOLS = """
    SELECT pool_id, total, claimed FROM stock
    WHERE pool_id = ANY ($1::uuid[]) ORDER BY pool_id FOR NO KEY UPDATE
"""
SELECT_REASONS = "SELECT id::text, reason FROM sales WHERE id = ANY ($1::uuid[])"
# Who is placing an order on one of them is waited for: it becomes `paying` and stays.
LOCK_HELD = """
    SELECT id FROM reservations
    WHERE pool_id = $1 AND sale_id = $2 AND state = 'held' ORDER BY id LIMIT $3 FOR UPDATE
"""
LOCK_RESERVATION = "SELECT 1 FROM reservations WHERE id = $1 FOR UPDATE"
INSERT_POOL = """
    INSERT INTO stock (pool_id, sku, sale_id, total, version) VALUES ($1, $2, $3, $4, 1)
"""
INSERT_JOURNAL = """
    INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
    VALUES ($1, $2, 0, $3, $4, clock_ms())
"""
CHANGE_TOTAL = "SELECT change_total($1, $2, $3)"
FREE = """
    SELECT id, sale_id, user_id FROM free_reservations($1, $2, $3, $4, clock_ms())
"""
EXPIRE_DUE = """
    SELECT e.id, e.sale_id, e.user_id, s.room_id
    FROM expire_due($1) e JOIN sales s ON s.id = e.sale_id
"""
# `(SELECT clock_ms())` is read once a query and can bound an index; a bare `clock_ms()` is called
# for every live hold, which took a worker with 25,000 of them 20 ms a round.
SELECT_DUE_POOLS = """
    SELECT DISTINCT pool_id FROM reservations
    WHERE state IN ('held', 'paying') AND release_at_ms <= (SELECT clock_ms()) LIMIT $1
"""
SELECT_RESERVATIONS = """
    SELECT r.id, r.sale_id, r.user_id, s.sku, r.qty, r.unit_price_minor, s.currency, r.state,
        r.version, r.decided_at_ms, r.shown_until_ms, s.room_id, r.pool_id, m.slug AS room,
        greatest(0, r.shown_until_ms - clock_ms()) AS expires_in_ms
    FROM reservations r JOIN sales s ON s.id = r.sale_id JOIN rooms m ON m.id = s.room_id
"""
SELECT_RESERVATION = SELECT_RESERVATIONS + " WHERE r.id = $1"
SELECT_LIVE_OF_USER = (
    SELECT_RESERVATIONS
    + " WHERE r.user_id = $1 AND r.state IN ('held', 'paying') AND r.release_at_ms > clock_ms()"
    + " ORDER BY r.decided_at_ms DESC LIMIT 50"
)
SELECT_FIGURES = """
    SELECT s.id, s.room_id, f.available, f.held, f.sold, p.waiting, p.offered, p.has_list
    FROM sales s
    JOIN pool_figures f ON f.pool_id = s.pool_id
    JOIN pool_waiting p ON p.pool_id = s.pool_id
"""
COUNT_WAITING = "SELECT waiting FROM pool_waiting WHERE pool_id = $1"
SELECT_FIGURES_OF_SALES = SELECT_FIGURES + " WHERE s.id = ANY ($1::uuid[])"
SELECT_FIGURES_OF_ROOM = (
    SELECT_FIGURES
    + " JOIN shows w ON w.id = s.show_id WHERE w.room_id = $1 AND w.status <> 'ended'"
)

# The database answered and refused; the batch did not commit.
REFUSED_BY_DATABASE = (asyncpg.PostgresError,)
# It refuses everybody for a while, whatever they ask: no disk or memory left (class 53), the system
# below it fails (58), or it takes no writes (25006). An operator's hand (57) is a lost connection.
REFUSED_TO_ALL = (
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
)


class Connections(Protocol):
    """The reservation core's own connections; asyncpg's pool is one."""

    def acquire(self, *, timeout: float | None = None) -> AbstractAsyncContextManager[Any]:
        """Lend a connection; asyncpg's pool takes it back."""


async def ask_or_cut(connection: Any, question: Callable[[Any], Awaitable[Told]]) -> Told:
    """Ask over a connection; one that broke is cut, so that the pool never lends it again."""
    try:
        return await question(connection)
    except LOST_CONNECTION:
        connection.terminate()
        raise


async def warm_up(connection: Any) -> None:
    """Ask on a new connection what a rush asks, of a pool that is never committed.

    The first time, each statement is parsed and planned, in round trips of its own: the first
    press of an opening need not wait for them.
    """
    nobody = str(await connection.fetchval("SELECT gen_random_uuid()"))
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(INSERT_POOL, nobody, nobody, None, 1)
        await reserve_batch(connection, nobody, [Request(nobody, nobody, nobody, 1)])
        await select_owned(connection, nobody, at_most=1)
        await count_waiting(connection, nobody)
    finally:
        await transaction.rollback()


async def reserve_batch(connection: Any, pool_id: str, requests: Sequence[Request]) -> BatchResult:
    """Decide a batch and commit it, in one round trip; outside any transaction."""
    row = await connection.fetchrow(
        RESERVE_BATCH,
        pool_id,
        [request.id for request in requests],
        [request.sale_id for request in requests],
        [request.user_id for request in requests],
        [request.qty for request in requests],
    )
    expired = zip(
        row["expired_ids"] or (),
        row["expired_sales"] or (),
        row["expired_users"] or (),
        strict=True,
    )
    fields = {name: row[name] for name in BatchResult.__struct_fields__ if name != "expired"}
    holds = [Hold(str(id), str(sale), str(user)) for id, sale, user in expired]
    return BatchResult(expired=holds, **fields)


async def select_owned(
    connection: Any, pool_id: str, at_most: int
) -> dict[str, frozenset[str]] | None:
    """Return the ids of a pool's live reservations by owner: those a latch must not answer.

    None when there are more of them than `at_most`.
    """
    rows = await connection.fetch(SELECT_OWNED, pool_id, at_most + 1)
    if len(rows) > at_most:
        return None
    ids_of: dict[str, list[str]] = defaultdict(list)
    for user_id, id in rows:
        ids_of[user_id].append(id)
    return {user_id: frozenset(ids) for user_id, ids in ids_of.items()}


async def count_waiting(connection: Any, pool_id: str) -> int:
    """Return how many entries wait for units of a pool."""
    return int(await connection.fetchval(COUNT_WAITING, pool_id))


async def select_pooled_sale(connection: Any, sale_id: str) -> PooledSale | None:
    """Return where a sale's stock lies, or None when there is no such sale."""
    row = await connection.fetchrow(SELECT_POOLED_SALE, sale_id)
    if row is None:
        return None
    id, pool_id, room_id, sku, currency, rules, is_drawn, is_grouped = row
    return PooledSale(id, pool_id, room_id, sku, currency, read_rules(rules), is_drawn, is_grouped)


async def select_reasons(connection: Any, sale_ids: Sequence[str]) -> dict[str, str | None]:
    """Return why each of these sales was stopped, by id."""
    return {row["id"]: row["reason"] for row in await connection.fetch(SELECT_REASONS, sale_ids)}


async def select_sku_pool(connection: Connection, sku: str) -> str:
    """Return the SKU's own pool, which sales are carved out of; raises `not_found`."""
    pool = await connection.fetchval(SELECT_SKU_POOL, sku)
    if pool is None:
        raise not_found("SKU")
    return str(pool)


async def lock_pools(connection: Connection, pool_ids: Sequence[str]) -> dict[str, int]:
    """Lock stock rows in ascending order and return the free units of each."""
    rows = await connection.fetch(LOCK_POOLS, sorted(pool_ids))
    return {str(row["pool_id"]): row["total"] - row["claimed"] for row in rows}


async def lock_reservation(connection: Connection, reservation_id: str) -> None:
    """Wait for whoever changes this reservation; its pool is locked already."""
    await connection.execute(LOCK_RESERVATION, reservation_id)


async def lock_held(connection: Connection, *, pool_id: str, sale_id: str, limit: int) -> list[str]:
    """Lock at most `limit` holds of a sale that nobody is paying for; its pool is locked."""
    return [str(row["id"]) for row in await connection.fetch(LOCK_HELD, pool_id, sale_id, limit)]


async def insert_pool(
    connection: Connection, *, pool_id: str, sku: str, sale_id: str | None, total: int
) -> None:
    """Create a pool with its first journal row."""
    await connection.execute(INSERT_POOL, pool_id, sku, sale_id, total)
    reason = "stocked" if sale_id is None else "carved_in"
    await connection.execute(INSERT_JOURNAL, pool_id, 1, total, reason)


async def update_total(connection: Connection, *, pool_id: str, delta: int, reason: str) -> int:
    """Change what a locked pool has, with its journal row.

    What is added serves the waiting list first; returns how many units went there.
    """
    return int(await connection.fetchval(CHANGE_TOTAL, pool_id, delta, reason))


async def free_reservations(
    connection: Connection,
    *,
    pool_id: str,
    reservation_ids: Sequence[str],
    from_states: Sequence[str],
    to_state: str,
) -> list[Hold]:
    """Return units of a locked pool; what is in none of `from_states` stays as it is."""
    rows = await connection.fetch(FREE, pool_id, list(reservation_ids), list(from_states), to_state)
    return [Hold(str(row["id"]), str(row["sale_id"]), str(row["user_id"])) for row in rows]


async def expire_due(connection: Connection, pool_id: str) -> list[tuple[Hold, str]]:
    """Free every due hold of a pool; returns each with its room."""
    rows = await connection.fetch(EXPIRE_DUE, pool_id)
    return [
        (Hold(str(row["id"]), str(row["sale_id"]), str(row["user_id"])), str(row["room_id"]))
        for row in rows
    ]


async def select_due_pools(connection: Connection, limit: int) -> list[str]:
    """Return pools that have due holds."""
    return sorted(str(row[0]) for row in await connection.fetch(SELECT_DUE_POOLS, limit))


class Figures(msgspec.Struct, frozen=True):
    """What the room sees of a sale's pool.

    `stock` is (available, held, sold); `waiting` is (waiting, offered), None when nobody ever
    waited for this pool.
    """

    room_id: str
    stock: tuple[int, int, int]
    waiting: tuple[int, int] | None


async def select_figures(connection: Connection, sale_ids: Sequence[str]) -> dict[str, Figures]:
    """Return the figures of sales, all of one instant."""
    return _figures(await connection.fetch(SELECT_FIGURES_OF_SALES, list(sale_ids)))


async def select_figures_of_room(connection: Connection, room_id: str) -> dict[str, Figures]:
    """Return the figures of every sale of a room's shows that are not over."""
    return _figures(await connection.fetch(SELECT_FIGURES_OF_ROOM, room_id))


def _figures(rows: list[Any]) -> dict[str, Figures]:
    return {
        str(row["id"]): Figures(
            str(row["room_id"]),
            (row["available"], row["held"], row["sold"]),
            (row["waiting"], row["offered"]) if row["has_list"] else None,
        )
        for row in rows
    }


class PlacedReservation(Reservation, frozen=True):
    """A reservation with the room and the pool that it lies in."""

    room_id: str
    room: str
    pool_id: str


async def select_reservation(connection: Connection, id: str) -> PlacedReservation:
    """Return one reservation; raises `not_found`."""
    row = await connection.fetchrow(SELECT_RESERVATION, id)
    if row is None:
        raise not_found("reservation")
    return _placed(row)


async def select_live_of_user(connection: Connection, user_id: str) -> list[PlacedReservation]:
    """Return the newest live holds of a user."""
    return [_placed(row) for row in await connection.fetch(SELECT_LIVE_OF_USER, user_id)]


def _placed(row: Any) -> PlacedReservation:
    fields = {name: row[name] for name in PlacedReservation.__struct_fields__}
    for name in ("id", "sale_id", "user_id", "room_id", "pool_id"):
        fields[name] = str(fields[name])
    return PlacedReservation(**fields)
