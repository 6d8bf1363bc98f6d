"""SQL of the limit for each card: what an order asks of it, and what the card has paid for."""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.ports import Connection
from commerce.orders.checkout.model import CardLine

SELECT_LIMITED = """
    SELECT l.sale_id::text, sum(l.qty)::integer AS qty,
        (s.rules ->> 'per_card')::integer AS per_card
    FROM order_lines l JOIN sales s ON s.id = l.sale_id AND s.rules ->> 'per_card' IS NOT NULL
    WHERE l.order_id = $1 GROUP BY l.sale_id, s.rules ORDER BY l.sale_id
"""
LOCK_CARD = "SELECT pg_advisory_xact_lock(hashtextextended('card ' || $1 || ' ' || $2, 0))"
# A unit that was refunded counts no more, nor money that was let go, though it may not be back yet.
# One whose money is granted counts, also while that waits for a team or a threshold; the order in
# question is no other, though its seat stands from the money that it lost.
SELECT_PAID = """
    SELECT l.sale_id::text AS sale_id, sum(r.qty - r.refunded_qty)::integer AS qty
    FROM payments p
    JOIN order_lines l ON l.order_id = p.order_id AND l.sale_id = ANY ($2::uuid[])
    JOIN reservations r ON r.id = l.reservation_id
        AND (r.state = 'sold' OR r.state = 'paying' AND r.seated_at_ms IS NOT NULL)
    WHERE p.card = $1 AND p.state IN ('authorised', 'captured') AND p.let_go_reason IS NULL
      AND p.order_id <> $3
    GROUP BY l.sale_id
"""
SELECT_COUPON = """
    SELECT c.id::text, c.per_card FROM orders o JOIN coupon_claims k ON k.id = o.coupon_claim_id
    JOIN coupons c ON c.id = k.coupon_id AND c.per_card IS NOT NULL WHERE o.id = $1
"""
# An order that was given back whole has given its coupon back too.
COUNT_COUPON_PAID = """
    SELECT count(DISTINCT o.id)::integer FROM payments p
    JOIN orders o ON o.id = p.order_id AND o.state IN ('paid', 'awaiting_group')
    JOIN coupon_claims k ON k.id = o.coupon_claim_id AND k.coupon_id = $2
    WHERE p.card = $1 AND p.state IN ('authorised', 'captured') AND p.let_go_reason IS NULL
"""


async def select_card_coupon(connection: Connection, order_id: str) -> CardLine | None:
    """Return the coupon of an order that limits cards, as one use of it; None without one."""
    row = await connection.fetchrow(SELECT_COUPON, order_id)
    return CardLine(row["id"], 1, row["per_card"]) if row else None


async def select_coupon_paid(connection: Connection, card: str, coupon_id: str) -> int:
    """Return how many orders with a coupon a card has paid for that stand."""
    return int(await connection.fetchval(COUNT_COUPON_PAID, card, coupon_id))


async def select_card_lines(connection: Connection, order_id: str) -> list[CardLine]:
    """Return what an order has of each sale that limits cards, sales ascending."""
    rows = await connection.fetch(SELECT_LIMITED, order_id)
    return [CardLine(row["sale_id"], row["qty"], row["per_card"]) for row in rows]


async def lock_card(connection: Connection, sale_id: str, card: str) -> None:
    """Wait for whoever confirms an order of this sale with this card."""
    await connection.execute(LOCK_CARD, sale_id, card)


async def select_paid(
    connection: Connection, card: str, sale_ids: Sequence[str], *, but_for: str
) -> dict[str, int]:
    """Return how many units of each sale a card has paid for and still has, but for one order's."""
    rows = await connection.fetch(SELECT_PAID, card, list(sale_ids), but_for)
    return {row["sale_id"]: row["qty"] for row in rows}
