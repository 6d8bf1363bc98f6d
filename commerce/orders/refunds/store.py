"""SQL of refunds a person makes: what is left of an order, whose units come back, the order's sum.

Invariant: `left` is read under the lock of the order's payments, so no two refunds share a unit
or a cent.
"""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.ports import Connection
from commerce.orders.refunds.model import (
    Refundable,
    RefundPlan,
    ReturnedLine,
    SoldLine,
    TakenBack,
)

# A payment that came too late has a refund of its own, and one that was let go stays granted while
# its void is owed or given up; the order was paid by another one. What was taken beyond the order's
# price has a refund too, done or not: it is nothing that a person gives back.
SELECT_REFUNDABLE = """
    SELECT p.id, p.state, p.currency, p.amount_minor - coalesce((
        SELECT sum(r.amount_minor) FROM refunds r
        WHERE r.payment_id = p.id AND (r.state IN ('pending', 'done') OR r.origin = 'excess')
    ), 0)::bigint AS left_minor
    FROM payments p
    WHERE p.order_id = $1 AND p.state IN ('authorised', 'captured', 'refunded') AND NOT EXISTS (
        SELECT 1 FROM refunds r WHERE r.payment_id = p.id AND r.origin = 'late')
      AND (p.state <> 'authorised' OR p.let_go_reason IS NULL)
    ORDER BY p.authorised_at_ms, p.id LIMIT 1
"""
SELECT_LEFT_OF_PAYMENT = """
    SELECT p.amount_minor - coalesce((
        SELECT sum(r.amount_minor) FROM refunds r
        WHERE r.payment_id = p.id AND r.id <> $2
          AND (r.state IN ('pending', 'done') OR r.origin = 'excess')
    ), 0)::bigint FROM payments p WHERE p.id = $1
"""
SELECT_LINES = """
    SELECT l.reservation_id, l.qty, l.total_minor, l.qty - coalesce((
        SELECT sum(x.qty) FROM refund_lines x JOIN refunds r ON r.id = x.refund_id
        WHERE x.reservation_id = l.reservation_id AND r.state IN ('pending', 'done')
    ), 0)::integer AS units_left
    FROM order_lines l WHERE l.order_id = $1 ORDER BY l.reservation_id
"""
SELECT_REQUEST_HASH = "SELECT request_hash FROM refunds WHERE id = $1"
SELECT_REFUND_LINES = """
    SELECT reservation_id, qty FROM refund_lines WHERE refund_id = $1 ORDER BY reservation_id
"""
DELETE_LINES = "DELETE FROM refund_lines WHERE refund_id = $1"
INSERT_LINES = """
    INSERT INTO refund_lines (refund_id, reservation_id, qty)
    SELECT $1, q.reservation_id, q.qty FROM unnest($2::uuid[], $3::integer[])
        AS q (reservation_id, qty)
"""
TOUCH_ORDER = "UPDATE orders SET updated_at_ms = clock_ms() WHERE id = $1"
ADD_REFUNDED = """
    UPDATE orders SET refunded_minor = refunded_minor + $2, updated_at_ms = clock_ms()
    WHERE id = $1 RETURNING refunded_minor
"""
# Lines of which a refund is done, with what was taken back of them before.
SELECT_RETURNED_LINES = """
    SELECT l.reservation_id, v.pool_id, l.sale_id, v.qty, sum(x.qty) AS done,
        coalesce(sum(x.qty) FILTER (WHERE r.restock), 0) AS done_restock,
        v.refunded_qty AS refunded, v.restocked_qty AS restocked
    FROM order_lines l
    JOIN reservations v ON v.id = l.reservation_id AND v.state IN ('sold', 'refunded')
    JOIN refund_lines x ON x.reservation_id = l.reservation_id
    JOIN refunds r ON r.id = x.refund_id AND r.state = 'done'
    WHERE l.order_id = $1
    GROUP BY l.reservation_id, l.sale_id, v.id ORDER BY v.pool_id, l.reservation_id
"""
TAKE_BACK = "SELECT take_back_units($1, $2, $3)"


async def select_refundable(connection: Connection, order_id: str) -> Refundable | None:
    """Return the payment that paid the order, with what is left of it."""
    row = await connection.fetchrow(SELECT_REFUNDABLE, order_id)
    if row is None:
        return None
    return Refundable(str(row["id"]), row["state"], row["currency"], row["left_minor"])


async def select_left_of_payment(connection: Connection, payment_id: str, *, but_for: str) -> int:
    """Return the money of a payment that is in no refund but this one, in minor units."""
    return int(await connection.fetchval(SELECT_LEFT_OF_PAYMENT, payment_id, but_for))


async def select_lines(connection: Connection, order_id: str) -> list[SoldLine]:
    """Return an order's lines with the units that are in no refund."""
    rows = await connection.fetch(SELECT_LINES, order_id)
    return [
        SoldLine(str(row["reservation_id"]), row["qty"], row["units_left"], row["total_minor"])
        for row in rows
    ]


async def select_request_hash(connection: Connection, refund_id: str) -> str | None:
    """Return what a refund was asked with, or None when there is none with this id."""
    text = await connection.fetchval(SELECT_REQUEST_HASH, refund_id)
    return None if text is None else str(text)


async def select_refund_lines(connection: Connection, refund_id: str) -> list[tuple[str, int]]:
    """Return the (reservation, units) of a refund."""
    rows = await connection.fetch(SELECT_REFUND_LINES, refund_id)
    return [(str(row["reservation_id"]), row["qty"]) for row in rows]


async def replace_lines(connection: Connection, refund_id: str, plan: RefundPlan) -> None:
    """Store which units a refund takes."""
    await connection.execute(DELETE_LINES, refund_id)
    names, quantities = [name for name, _ in plan.lines], [qty for _, qty in plan.lines]
    await connection.execute(INSERT_LINES, refund_id, names, quantities)


async def touch_order(connection: Connection, order_id: str) -> None:
    """Let whoever syncs orders read this one again."""
    await connection.execute(TOUCH_ORDER, order_id)


async def add_refunded(connection: Connection, order_id: str, amount_minor: int) -> int:
    """Add money that is back to a locked order; return the sum in minor units."""
    return int(await connection.fetchval(ADD_REFUNDED, order_id, amount_minor))


async def select_returned_lines(connection: Connection, order_id: str) -> list[ReturnedLine]:
    """Return a locked order's lines of which a refund is done, in the order of their locks."""
    return [
        ReturnedLine(
            reservation=str(row["reservation_id"]),
            pool_id=str(row["pool_id"]),
            sale_id=str(row["sale_id"]),
            qty=row["qty"],
            done=row["done"],
            done_restock=row["done_restock"],
            refunded=row["refunded"],
            restocked=row["restocked"],
        )
        for row in await connection.fetch(SELECT_RETURNED_LINES, order_id)
    ]


async def take_back(connection: Connection, lines: Sequence[TakenBack]) -> None:
    """Take units of sold reservations back; their pools and they themselves are locked."""
    for line in lines:
        await connection.fetchval(TAKE_BACK, line.reservation, line.refunded, line.restocked)
