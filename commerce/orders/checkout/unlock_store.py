"""SQL of orders whose price may fall: the second price of their quote, and its taking effect."""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.ports import Connection
from commerce.orders.checkout.model import OrderUnlock
from commerce.sales.group_buys.model import KEPT_UNTIL_MS
from commerce.sales.pricing.model import Quote

INSERT = """
    INSERT INTO order_unlocks (order_id, sale_id, unit_price_minor, subtotal_minor,
        line_tax_minor, line_total_minor, tax_minor, tax_on_shipping_minor, total_minor)
    SELECT l.order_id, l.sale_id, $2, $3, $4, $5, $6, $7, $8 FROM order_lines l
    WHERE l.order_id = $1
"""
SELECT = """
    SELECT u.sale_id, l.reservation_id, l.qty FROM order_unlocks u
    JOIN order_lines l ON l.order_id = u.order_id WHERE u.order_id = $1
"""
# The order's own and, where the price falls with it, every hold that is not ordered.
LOCK_HOLDS = """
    SELECT r.id::text FROM reservations r
    WHERE r.id = $2 OR ($3 AND r.sale_id = $1 AND r.state = 'held')
    ORDER BY r.id FOR UPDATE
"""
PROMISE = """
    UPDATE reservations r SET seated_at_ms = clock_ms(), release_at_ms = $2,
        shown_until_ms = s.ends_at_ms
    FROM sales s WHERE r.id = $1 AND s.id = r.sale_id AND r.seated_at_ms IS NULL
"""
REPRICE_LINE = """
    UPDATE order_lines l SET unit_price_minor = u.unit_price_minor, tax_minor = u.line_tax_minor,
        total_minor = u.line_total_minor
    FROM order_unlocks u WHERE u.order_id = $1 AND l.order_id = u.order_id
"""
REPRICE_ORDER = """
    UPDATE orders o SET subtotal_minor = u.subtotal_minor, tax_minor = u.tax_minor,
        tax_on_shipping_minor = u.tax_on_shipping_minor, total_minor = u.total_minor
    FROM order_unlocks u WHERE u.order_id = $1 AND o.id = u.order_id
"""
REPRICE_UNIT = """
    UPDATE reservations r SET unit_price_minor = u.unit_price_minor
    FROM order_unlocks u JOIN order_lines l ON l.order_id = u.order_id
    WHERE u.order_id = $1 AND r.id = l.reservation_id
"""
# What was granted stays known: a provider names it until it has taken the lesser sum.
REPRICE_PAYMENT = """
    UPDATE payments p SET authorised_minor = p.amount_minor, amount_minor = u.total_minor
    FROM order_unlocks u
    WHERE u.order_id = $1 AND p.order_id = u.order_id AND p.state = 'authorised'
      AND p.let_go_reason IS NULL AND p.amount_minor > u.total_minor
"""
IS_TAKEN = """
    SELECT EXISTS (SELECT 1 FROM payments
        WHERE order_id = $1 AND state = 'captured' AND let_go_reason IS NULL)
"""
SELECT_DECIDED = """
    SELECT o.id::text FROM orders o JOIN order_unlocks t ON t.order_id = o.id
    JOIN price_unlocks u ON u.sale_id = t.sale_id AND u.state <> 'open'
    WHERE o.state = 'awaiting_group' ORDER BY o.created_at_ms, o.id LIMIT $1
"""


async def insert_terms(connection: Connection, order_id: str, unlocked: Quote) -> None:
    """Keep with a fresh order of one line what it costs when its price has fallen."""
    [line] = unlocked.lines
    await connection.execute(
        INSERT,
        order_id,
        line.unit_price_minor,
        unlocked.subtotal_minor,
        line.tax_minor,
        line.total_minor,
        unlocked.tax_minor,
        unlocked.tax_minor - line.tax_minor,
        unlocked.total_minor,
    )


async def select_terms(connection: Connection, order_id: str) -> OrderUnlock | None:
    """Return that an order's price may fall, or None for every other order."""
    row = await connection.fetchrow(SELECT, order_id)
    return OrderUnlock(str(row[0]), str(row[1]), row[2]) if row else None


async def lock_holds(
    connection: Connection, terms: OrderUnlock, *, with_others: bool
) -> Sequence[str]:
    """Lock an order's reservation, and with `with_others` the holds of its sale, ascending.

    Returns the ids of those others.
    """
    rows = await connection.fetch(LOCK_HOLDS, terms.sale_id, terms.reservation_id, with_others)
    return [row[0] for row in rows if row[0] != terms.reservation_id]


async def promise(connection: Connection, reservation_id: str) -> None:
    """Keep a locked reservation whose money is granted: the threshold does, not a clock."""
    await connection.execute(PROMISE, reservation_id, KEPT_UNTIL_MS)


async def reprice(connection: Connection, order_id: str) -> None:
    """Let a locked order, its locked reservation and its granted money be over the lower price."""
    for statement in (REPRICE_LINE, REPRICE_ORDER, REPRICE_UNIT, REPRICE_PAYMENT):
        await connection.execute(statement, order_id)


async def is_taken(connection: Connection, order_id: str) -> bool:
    """Say whether money of an order is taken already, which nobody had asked for."""
    return bool(await connection.fetchval(IS_TAKEN, order_id))


async def select_decided(connection: Connection, limit: int) -> list[str]:
    """Return orders that wait for a threshold which is decided, oldest first."""
    return [row[0] for row in await connection.fetch(SELECT_DECIDED, limit)]
