"""SQL of orders for seats in teams."""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.ports import Connection
from commerce.orders.checkout.model import Seat

SELECT_SEAT = """
    SELECT r.id, r.group_id, r.pool_id, r.sale_id FROM order_lines l
    JOIN reservations r ON r.id = l.reservation_id AND r.group_id IS NOT NULL
    WHERE l.order_id = $1
"""
SELECT_FORMED = """
    SELECT o.id FROM orders o
    JOIN order_lines l ON l.order_id = o.id
    JOIN reservations r ON r.id = l.reservation_id
    JOIN buy_groups g ON g.id = r.group_id AND g.state = 'formed'
    WHERE o.state = 'awaiting_group'
    ORDER BY o.created_at_ms, o.id LIMIT $1
"""
SELECT_IS_SPENT = "SELECT capture_failed_at_ms IS NOT NULL FROM orders WHERE id = $1"
NOTE_LOST = """
    UPDATE orders SET capture_failed_at_ms = clock_ms(), paid_at_ms = NULL WHERE id = $1
"""
HOLD_AGAIN = """
    UPDATE reservations SET state = 'paying', shown_until_ms = clock_ms() + $2::bigint,
        release_at_ms = clock_ms() + $3::bigint, reopened_at_ms = clock_ms()
    WHERE id = ANY ($1::uuid[]) AND state IN ('paying', 'sold')
"""
SELECT_MY_ORDER = """
    SELECT r.id::text, r.state, l.order_id::text FROM reservations r
    LEFT JOIN order_lines l ON l.reservation_id = r.id
    WHERE r.group_id = $1 AND r.user_id = $2 ORDER BY r.version DESC, r.seq DESC LIMIT 1
"""
# Money that was taken although nobody asked for it goes back as a refund; it is nobody's order's.
INSERT_LATE_REFUNDS = """
    WITH owed AS (
        INSERT INTO refunds (id, payment_id, order_id, amount_minor, currency, origin, reason,
            restock, requested_by, request_hash)
        SELECT gen_random_uuid(), p.id, p.order_id, p.amount_minor, p.currency, 'late', $2, false,
            NULL, ''
        FROM payments p WHERE p.order_id = $1 AND p.state = 'captured'
          AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = p.id)
        RETURNING id, payment_id
    )
    INSERT INTO payment_calls (id, payment_id, kind, refund_id)
    SELECT gen_random_uuid(), owed.payment_id, 'refund', owed.id FROM owed
"""


async def select_seat(connection: Connection, order_id: str) -> Seat | None:
    """Return the seat that an order is for; None for an order of other goods."""
    row = await connection.fetchrow(SELECT_SEAT, order_id)
    return Seat(*map(str, row)) if row else None


async def select_formed(connection: Connection, limit: int) -> list[str]:
    """Return orders that wait for a team which is formed, oldest first."""
    return [str(row["id"]) for row in await connection.fetch(SELECT_FORMED, limit)]


async def has_lost_money(connection: Connection, order_id: str) -> bool:
    """Say whether the money of a locked order could not be taken once before."""
    return bool(await connection.fetchval(SELECT_IS_SPENT, order_id))


async def hold_again(
    connection: Connection, order_id: str, ids: Sequence[str], *, shown_ms: int, kept_ms: int
) -> None:
    """Let a locked order wait for other money: its locked seats are kept that long."""
    await connection.execute(NOTE_LOST, order_id)
    await connection.execute(HOLD_AGAIN, list(ids), shown_ms, kept_ms)


async def select_my_order(
    connection: Connection, group_id: str, user_id: str
) -> tuple[str, str, str | None] | None:
    """Return (reservation, its state, order) of a buyer's last seat in a team, or None."""
    row = await connection.fetchrow(SELECT_MY_ORDER, group_id, user_id)
    return tuple(row) if row else None


async def insert_late_refunds(connection: Connection, order_id: str, reason: str) -> None:
    """Owe what was captured for a locked order that ends without goods."""
    await connection.execute(INSERT_LATE_REFUNDS, order_id, reason)
