"""SQL of orders: their rows and lines, and the reservations they stand on.

A reservation moves held → paying → sold here; its units are freed by the inventory alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commerce.kernel.ports import Connection
from commerce.orders.checkout.model import (
    Draft,
    Hold,
    HoldState,
    OrderRow,
    PaidLine,
)

SELECT_HOLDS = """
    SELECT r.id, r.user_id, r.pool_id, r.sale_id, s.room_id, s.show_id, s.item_id, b.no, s.sku,
        v.title, v.title_zh, r.qty, r.unit_price_minor, s.currency, m.slug AS room, r.group_id,
        u.price_minor AS unlock_minor,
        CASE WHEN s.kind = 'flash' THEN 'flash'
            WHEN s.kind = 'group' OR r.origin = 'group' THEN 'group'
            -- A regular sale's own price never changes.
            WHEN r.unit_price_minor < s.price_minor THEN 'campaign' ELSE 'list' END AS source
    FROM reservations r
    JOIN sales s ON s.id = r.sale_id
    JOIN rooms m ON m.id = s.room_id
    JOIN bag_items b ON b.id = s.item_id
    JOIN named_variants v ON v.sku = s.sku
    LEFT JOIN price_unlocks u ON u.sale_id = s.id AND u.state = 'open'
    WHERE r.id = ANY ($1::uuid[])
"""
HOLD_STATES = """
    SELECT r.id, r.state, r.decided_at_ms, r.release_at_ms, r.extended, r.unit_price_minor,
        g.deadline_ms + r.release_at_ms - r.shown_until_ms AS team_release_at_ms
    FROM reservations r
    LEFT JOIN buy_groups g ON g.id = r.group_id AND g.state = 'forming'
"""
LOCK_HOLDS = HOLD_STATES + " WHERE r.id = ANY ($1::uuid[]) ORDER BY r.id FOR UPDATE OF r"
LOCK_HOLDS_OF_ORDER = (
    HOLD_STATES + " JOIN order_lines l ON l.reservation_id = r.id"
    " WHERE l.order_id = $1 ORDER BY r.id FOR UPDATE OF r"
)
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
        request_hash, subtotal_minor, discount_minor, shipping_minor, tax_minor,
        tax_on_shipping_minor, is_tax_included, coupon_claim_id)
    SELECT $1, u.id, $3, $4, 'awaiting_payment', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
    FROM users u WHERE u.id = $2
    ON CONFLICT (id) DO NOTHING RETURNING id
"""
INSERT_LINE = """
    INSERT INTO order_lines (order_id, reservation_id, sale_id, item_id, sku, title, title_zh,
        qty, unit_price_minor, price_source, discount_minor, tax_minor, total_minor,
        place)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
# Live units alone: what others let go is nobody's place. They are never more than there are, and
# the two partial indexes of live reservations lead to them. `quantity` is what was put on sale;
# a pool's total shrinks to what is claimed when its sale ends.
KEEP_PROOF = """
    UPDATE orders o SET proof_place = q.place, proof_of = q.units,
        proof_decided_at_ms = q.decided_at_ms
    FROM (
        SELECT coalesce(s.quantity, k.total) AS units, r.decided_at_ms, u.place
        FROM reservations r
        JOIN sales s ON s.id = r.sale_id
        JOIN stock k ON k.pool_id = r.pool_id
        CROSS JOIN LATERAL (
            SELECT sum(l.qty) AS place FROM (
                SELECT h.qty FROM reservations h
                WHERE h.pool_id = r.pool_id AND h.state IN ('held', 'paying')
                  AND (h.version, h.seq) <= (r.version, r.seq)
                UNION ALL
                SELECT p.qty - p.refunded_qty FROM reservations p
                WHERE p.pool_id = r.pool_id AND p.state = 'sold'
                  AND (p.version, p.seq) <= (r.version, r.seq)
            ) l
        ) u
        WHERE r.id = ANY ($2::uuid[])
        ORDER BY s.quantity IS NULL, r.decided_at_ms, r.id LIMIT 1
    ) q WHERE o.id = $1
"""
SELECT_ORDER = """
    SELECT id, user_id, room_id, state, total_minor, refunded_minor, currency, request_hash
    FROM orders WHERE id = $1
"""
SELECT_UNPAID = """
    SELECT count(*) AS unpaid, coalesce(min(created_at_ms), 0) AS oldest_ms, clock_ms() AS now_ms
    FROM orders WHERE user_id = $1 AND created_at_ms > (SELECT clock_ms()) - $2::bigint
      AND state IN ('awaiting_payment', 'cancelled', 'expired')
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
    WHERE o.state IN ('awaiting_payment', 'awaiting_group')
      AND ($2::uuid IS NULL OR o.id = $2) AND EXISTS (
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
            source=row["source"],
            room=row["room"],
            group_id=str(row["group_id"]) if row["group_id"] else None,
            unlock_minor=row["unlock_minor"],
        )
        for row in rows
    ]


async def lock_holds(connection: Connection, ids: Sequence[str]) -> list[HoldState]:
    """Lock reservations in ascending order and return what they are now."""
    return [_hold_state(row) for row in await connection.fetch(LOCK_HOLDS, list(ids))]


async def lock_holds_of_order(connection: Connection, order_id: str) -> list[HoldState]:
    """Lock an order's reservations in ascending order and return what they are now."""
    return [_hold_state(row) for row in await connection.fetch(LOCK_HOLDS_OF_ORDER, order_id)]


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
        draft.quote.subtotal_minor,
        draft.quote.discount_minor,
        draft.quote.shipping_minor,
        draft.quote.tax_minor,
        draft.quote.tax_minor - sum(line.tax_minor for line in draft.quote.lines),
        draft.quote.is_tax_included,
        draft.coupon,
    )
    return inserted is not None


async def insert_lines(connection: Connection, draft: Draft, holds: Sequence[Hold]) -> None:
    """Store an order's lines as they were quoted."""
    by_id = {hold.id: hold for hold in holds}
    lines = [(place, line, by_id[line.id]) for place, line in enumerate(draft.quote.lines)]
    await connection.executemany(
        INSERT_LINE,
        [
            (
                draft.id,
                hold.id,
                hold.sale_id,
                hold.item_id,
                hold.sku,
                hold.title,
                hold.title_zh,
                hold.qty,
                hold.unit_price_minor,
                hold.source,
                line.discount_minor,
                line.tax_minor,
                line.total_minor,
                place,
            )
            for place, line, hold in lines
        ],
    )


async def keep_proof(connection: Connection, order_id: str, ids: Sequence[str]) -> None:
    """Note with an order which of the sale's live units its first one, a flash sale's if any, is.

    Its reservations are live and locked. The cost is that of the units decided before them.
    """
    await connection.execute(KEEP_PROOF, order_id, list(ids))


async def select_order(connection: Connection, order_id: str) -> OrderRow | None:
    """Return an order's row."""
    row = await connection.fetchrow(SELECT_ORDER, order_id)
    return _order(row) if row else None


async def select_unpaid(
    connection: Connection, user_id: str, *, within_ms: int
) -> tuple[int, int, int]:
    """Return how many unpaid orders a buyer began within a time, the first's time, and now."""
    row = await connection.fetchrow(SELECT_UNPAID, user_id, within_ms)
    return row["unpaid"], row["oldest_ms"], row["now_ms"]


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


def _hold_state(row: Any) -> HoldState:
    return HoldState(
        id=str(row["id"]),
        state=row["state"],
        decided_at_ms=row["decided_at_ms"],
        release_at_ms=row["release_at_ms"],
        is_extended=row["extended"],
        unit_price_minor=row["unit_price_minor"],
        team_release_at_ms=row["team_release_at_ms"],
    )


def _order(row: Any) -> OrderRow:
    return OrderRow(
        id=str(row["id"]),
        user_id=str(row["user_id"]),
        room_id=str(row["room_id"]),
        state=row["state"],
        total_minor=row["total_minor"],
        refunded_minor=row["refunded_minor"],
        currency=row["currency"],
        request_hash=row["request_hash"],
    )
