"""SQL of orders: their rows and lines, the reservations they stand on, and how they are read.

A reservation moves held → paying → sold here; its units are freed by the inventory alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from commerce.kernel.ports import Connection
from commerce.orders.checkout.model import (
    Buyer,
    Draft,
    Hold,
    HoldState,
    LineView,
    OrderRow,
    OrderView,
    PaidLine,
    PaymentView,
    Proof,
)
from commerce.orders.checkout.rules import show_payment_state

SELECT_HOLDS = """
    SELECT r.id, r.user_id, r.pool_id, r.sale_id, s.room_id, s.show_id, s.item_id, b.no, s.sku,
        v.title, v.title_zh, r.qty, r.unit_price_minor, s.currency
    FROM reservations r
    JOIN sales s ON s.id = r.sale_id
    JOIN bag_items b ON b.id = s.item_id
    JOIN named_variants v ON v.sku = s.sku
    WHERE r.id = ANY ($1::uuid[])
"""
LOCK_HOLDS = """
    SELECT id, state, decided_at_ms, release_at_ms, extended FROM reservations
    WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE
"""
LOCK_HOLDS_OF_ORDER = """
    SELECT r.id, r.state, r.decided_at_ms, r.release_at_ms, r.extended FROM reservations r
    JOIN order_lines l ON l.reservation_id = r.id
    WHERE l.order_id = $1 ORDER BY r.id FOR UPDATE OF r
"""
SELECT_CLOCK = "SELECT clock_ms()"
# The countdown moves with the release, so the grace behind it keeps its length.
MOVE_TO_PAYING = """
    UPDATE reservations r SET state = 'paying', extended = true, release_at_ms = q.release_at_ms,
        shown_until_ms = r.shown_until_ms + q.release_at_ms - r.release_at_ms
    FROM unnest($1::uuid[], $2::bigint[]) AS q (id, release_at_ms)
    WHERE r.id = q.id AND r.state = 'held'
"""
MOVE_TO_SOLD = """
    UPDATE reservations SET state = 'sold' WHERE id = ANY ($1::uuid[]) AND state = 'paying'
"""
SELECT_POOLS_OF_ORDER = """
    SELECT r.id, r.pool_id, r.sale_id FROM order_lines l
    JOIN reservations r ON r.id = l.reservation_id WHERE l.order_id = $1
"""
INSERT_ORDER = """
    INSERT INTO orders (id, user_id, room_id, show_id, state, total_minor, currency, ship_to,
        request_hash)
    SELECT $1, u.id, $3, $4, 'awaiting_payment', $5, $6, $7, $8 FROM users u WHERE u.id = $2
    ON CONFLICT (id) DO NOTHING RETURNING id
"""
INSERT_LINE = """
    INSERT INTO order_lines (order_id, reservation_id, sale_id, item_id, sku, title, title_zh,
        qty, unit_price_minor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
SELECT_ORDER = """
    SELECT id, user_id, room_id, state, total_minor, currency, request_hash
    FROM orders WHERE id = $1
"""
LOCK_ORDER = SELECT_ORDER + " FOR NO KEY UPDATE"
UPDATE_STATE = """
    UPDATE orders SET state = $2, updated_at_ms = clock_ms(),
        paid_at_ms = CASE WHEN $2 = 'paid' THEN clock_ms() ELSE paid_at_ms END
    WHERE id = $1
"""
# Orders whose goods are gone, also where no sweeper has come by yet.
SELECT_DEAD = """
    SELECT o.id FROM orders o
    WHERE o.state = 'awaiting_payment' AND ($2::uuid IS NULL OR o.id = $2) AND EXISTS (
        SELECT 1 FROM order_lines l JOIN reservations r ON r.id = l.reservation_id
        WHERE l.order_id = o.id AND r.state <> 'sold'
          AND (r.state <> 'paying' OR r.release_at_ms <= clock_ms())
    )
    ORDER BY o.created_at_ms LIMIT $1
"""
SELECT_PAID_LINES = """
    SELECT b.no, l.title, l.sale_id FROM order_lines l JOIN bag_items b ON b.id = l.item_id
    WHERE l.order_id = $1 ORDER BY b.no, l.reservation_id
"""
SELECT_BUYER_NAME = "SELECT u.name FROM orders o JOIN users u ON u.id = o.user_id WHERE o.id = $1"
SELECT_VIEWS = """
    SELECT o.id, o.state, o.total_minor, o.currency, o.created_at_ms, o.paid_at_ms, m.slug,
        o.ship_to, o.user_id, u.name AS buyer
    FROM orders o JOIN rooms m ON m.id = o.room_id JOIN users u ON u.id = o.user_id
"""
SELECT_VIEWS_OF_USER = (
    SELECT_VIEWS
    + " WHERE o.user_id = $1 AND o.updated_at_ms >= $2 ORDER BY o.created_at_ms DESC, o.id LIMIT $3"
)
SELECT_VIEWS_OF_ROOM = (
    SELECT_VIEWS
    + " WHERE o.room_id = $1 AND o.updated_at_ms >= $2 ORDER BY o.created_at_ms DESC, o.id LIMIT $3"
)
SELECT_VIEW = SELECT_VIEWS + " WHERE o.id = $1"
SELECT_LINES = """
    SELECT l.order_id, l.sku, l.title, l.title_zh, v.picture, l.qty, l.unit_price_minor,
        l.reservation_id, l.sale_id, b.no
    FROM order_lines l
    JOIN bag_items b ON b.id = l.item_id
    JOIN named_variants v ON v.sku = l.sku
    WHERE l.order_id = ANY ($1::uuid[]) ORDER BY b.no, l.reservation_id
"""
SELECT_PAYMENTS = """
    SELECT DISTINCT ON (p.order_id) p.order_id, p.id, p.state, p.url, p.authorised_at_ms,
        count(*) OVER (PARTITION BY p.order_id) AS attempt
    FROM payments p WHERE p.order_id = ANY ($1::uuid[])
    ORDER BY p.order_id, p.created_at_ms DESC, p.id DESC
"""
# Every row is a granted reservation: losers write nothing.
SELECT_PROOF = """
    SELECT coalesce(s.quantity, k.total) AS units, r.decided_at_ms, (
        SELECT count(*) FROM reservations q
        WHERE q.sale_id = r.sale_id AND q.state <> 'refused_late'
          AND (q.version, q.seq) <= (r.version, r.seq)
    ) AS place
    FROM order_lines l
    JOIN reservations r ON r.id = l.reservation_id
    JOIN sales s ON s.id = r.sale_id
    JOIN stock k ON k.pool_id = r.pool_id
    WHERE l.order_id = $1
    ORDER BY s.quantity IS NULL, r.decided_at_ms, r.id LIMIT 1
"""


async def select_holds(connection: Connection, ids: Sequence[str]) -> list[Hold]:
    """Return reservations with what an order prints of them."""
    rows = await connection.fetch(SELECT_HOLDS, list(ids))
    return [
        Hold(
            id=str(row["id"]),
            user_id=str(row["user_id"]),
            pool_id=str(row["pool_id"]),
            sale_id=str(row["sale_id"]),
            room_id=str(row["room_id"]),
            show_id=str(row["show_id"]),
            item_id=str(row["item_id"]),
            no=row["no"],
            sku=row["sku"],
            title=row["title"],
            title_zh=row["title_zh"],
            qty=row["qty"],
            unit_price_minor=row["unit_price_minor"],
            currency=row["currency"],
        )
        for row in rows
    ]


async def lock_holds(connection: Connection, ids: Sequence[str]) -> list[HoldState]:
    """Lock reservations in ascending order and return what they are now."""
    return [_hold_state(row) for row in await connection.fetch(LOCK_HOLDS, list(ids))]


async def lock_holds_of_order(connection: Connection, order_id: str) -> list[HoldState]:
    """Lock an order's reservations in ascending order and return what they are now."""
    return [_hold_state(row) for row in await connection.fetch(LOCK_HOLDS_OF_ORDER, order_id)]


async def select_now_ms(connection: Connection) -> int:
    """Read the database's clock; after a lock this is later than the wait for it."""
    return int(await connection.fetchval(SELECT_CLOCK))


async def move_to_paying(connection: Connection, releases: Sequence[tuple[str, int]]) -> None:
    """Move held reservations to paying, each with the time until which it is kept."""
    await connection.execute(
        MOVE_TO_PAYING, [id for id, _ in releases], [release for _, release in releases]
    )


async def move_to_sold(connection: Connection, ids: Sequence[str]) -> None:
    """Move paying reservations, which the caller has locked, to sold."""
    await connection.execute(MOVE_TO_SOLD, list(ids))


async def select_pools_of_order(
    connection: Connection, order_id: str
) -> list[tuple[str, str, str]]:
    """Return (reservation, pool, sale) of every line."""
    rows = await connection.fetch(SELECT_POOLS_OF_ORDER, order_id)
    return [(str(row["id"]), str(row["pool_id"]), str(row["sale_id"])) for row in rows]


async def insert_order(connection: Connection, draft: Draft) -> bool:
    """Store an order; False when there is one with this id already, or no such buyer."""
    inserted = await connection.fetchval(
        INSERT_ORDER,
        draft.id,
        draft.user_id,
        draft.room_id,
        draft.show_id,
        draft.total_minor,
        draft.currency,
        draft.ship_to,
        draft.request_hash,
    )
    return inserted is not None


async def insert_lines(connection: Connection, order_id: str, holds: Sequence[Hold]) -> None:
    """Store an order's lines."""
    await connection.executemany(
        INSERT_LINE,
        [
            (
                order_id,
                hold.id,
                hold.sale_id,
                hold.item_id,
                hold.sku,
                hold.title,
                hold.title_zh,
                hold.qty,
                hold.unit_price_minor,
            )
            for hold in holds
        ],
    )


async def select_order(connection: Connection, order_id: str) -> OrderRow | None:
    """Return an order's row."""
    row = await connection.fetchrow(SELECT_ORDER, order_id)
    return _order(row) if row else None


async def lock_order(connection: Connection, order_id: str) -> OrderRow | None:
    """Lock an order's row and return it."""
    row = await connection.fetchrow(LOCK_ORDER, order_id)
    return _order(row) if row else None


async def update_state(connection: Connection, order_id: str, state: str) -> None:
    """Write the next state of a locked order."""
    await connection.execute(UPDATE_STATE, order_id, state)


async def select_dead(connection: Connection, limit: int) -> list[str]:
    """Return waiting orders that have lost a reservation, oldest first."""
    return [str(row["id"]) for row in await connection.fetch(SELECT_DEAD, limit, None)]


async def select_is_dead(connection: Connection, order_id: str) -> bool:
    """Say whether a waiting order has lost a reservation."""
    return await connection.fetchval(SELECT_DEAD, 1, order_id) is not None


async def select_paid_lines(connection: Connection, order_id: str) -> list[PaidLine]:
    """Return what the room may read of an order."""
    rows = await connection.fetch(SELECT_PAID_LINES, order_id)
    return [PaidLine(row["no"], row["title"], str(row["sale_id"])) for row in rows]


async def select_buyer_name(connection: Connection, order_id: str) -> str:
    """Return the full name of the buyer."""
    return str(await connection.fetchval(SELECT_BUYER_NAME, order_id))


async def select_views_of_user(
    connection: Connection, user_id: str, *, since_ms: int, limit: int
) -> list[OrderView]:
    """Return a buyer's orders that changed at or after `since_ms`, newest first."""
    rows = await connection.fetch(SELECT_VIEWS_OF_USER, user_id, since_ms, limit)
    return await _views(connection, rows)


async def select_views_of_room(
    connection: Connection, room_id: str, *, since_ms: int, limit: int
) -> list[OrderView]:
    """Return a room's orders with their buyers, newest first."""
    rows = await connection.fetch(SELECT_VIEWS_OF_ROOM, room_id, since_ms, limit)
    return await _views(connection, rows, with_buyers=True)


async def select_view(connection: Connection, order_id: str) -> tuple[str, OrderView] | None:
    """Return an order's owner and the order with its proof."""
    row = await connection.fetchrow(SELECT_VIEW, order_id)
    if row is None:
        return None
    proof = await connection.fetchrow(SELECT_PROOF, order_id)
    [view] = await _views(
        connection,
        [row],
        proof=Proof(place=proof["place"], of=proof["units"], decided_at_ms=proof["decided_at_ms"])
        if proof
        else None,
    )
    return str(row["user_id"]), view


async def _views(
    connection: Connection,
    rows: Sequence[Any],
    *,
    proof: Proof | None = None,
    with_buyers: bool = False,
) -> list[OrderView]:
    """Put lines and newest payments to order rows: three queries, however many orders."""
    ids = [str(row["id"]) for row in rows]
    lines: dict[str, list[LineView]] = defaultdict(list)
    for row in await connection.fetch(SELECT_LINES, ids):
        lines[str(row["order_id"])].append(_line(row))
    payments = {str(row["order_id"]): row for row in await connection.fetch(SELECT_PAYMENTS, ids)}
    return [
        OrderView(
            id=str(row["id"]),
            state=row["state"],
            total_minor=row["total_minor"],
            currency=row["currency"],
            created_at_ms=row["created_at_ms"],
            paid_at_ms=row["paid_at_ms"],
            room=row["slug"],
            lines=lines[str(row["id"])],
            payment=_payment(payments.get(str(row["id"])), row["state"]),
            ship_to=row["ship_to"],
            proof=proof,
            buyer=Buyer(str(row["user_id"]), row["buyer"]) if with_buyers else None,
        )
        for row in rows
    ]


def _line(row: Any) -> LineView:
    return LineView(
        sku=row["sku"],
        title=row["title"],
        title_zh=row["title_zh"],
        picture=row["picture"],
        qty=row["qty"],
        unit_price_minor=row["unit_price_minor"],
        reservation=str(row["reservation_id"]),
        sale=str(row["sale_id"]),
        no=row["no"],
    )


def _payment(row: Any, order_state: str) -> PaymentView | None:
    """Return the newest attempt, with its page only while paying there makes sense."""
    if row is None:
        return None
    state = show_payment_state(
        row["state"], attempt=row["attempt"], had_money=row["authorised_at_ms"] is not None
    )
    is_open = row["state"] == "created" and order_state == "awaiting_payment"
    return PaymentView(str(row["id"]), state, row["url"] if is_open else None, row["attempt"])


def _hold_state(row: Any) -> HoldState:
    return HoldState(
        id=str(row["id"]),
        state=row["state"],
        decided_at_ms=row["decided_at_ms"],
        release_at_ms=row["release_at_ms"],
        is_extended=row["extended"],
    )


def _order(row: Any) -> OrderRow:
    return OrderRow(
        id=str(row["id"]),
        user_id=str(row["user_id"]),
        room_id=str(row["room_id"]),
        state=row["state"],
        total_minor=row["total_minor"],
        currency=row["currency"],
        request_hash=row["request_hash"],
    )
