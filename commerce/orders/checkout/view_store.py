"""SQL of orders as people read them: rows with lines, payments and the proof.

Invariant: however many orders are read, the number of queries is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from commerce.kernel.ports import Connection
from commerce.orders.checkout.model import (
    Buyer,
    DiscountView,
    LineView,
    OrderView,
    PaymentView,
    PriceParts,
    Proof,
    RefundLineView,
    RefundView,
    TeamOfLine,
    UnlockOfLine,
)
from commerce.orders.checkout.rules import show_payment_state
from commerce.sales.coupons.model import CouponView
from commerce.sales.pricing.model import Quote

SELECT_VIEWS = """
    SELECT o.id, o.state, o.total_minor, o.currency, o.created_at_ms, o.paid_at_ms, m.slug,
        o.ship_to, o.user_id, o.refunded_minor, u.name AS buyer, o.proof_place, o.proof_of,
        o.proof_decided_at_ms, o.subtotal_minor, o.discount_minor, o.shipping_minor, o.tax_minor,
        o.is_tax_included, o.coupon_claim_id, c.title AS coupon_title, c.title_zh AS coupon_title_zh
    FROM orders o JOIN rooms m ON m.id = o.room_id JOIN users u ON u.id = o.user_id
    LEFT JOIN coupon_claims k ON k.id = o.coupon_claim_id LEFT JOIN coupons c ON c.id = k.coupon_id
"""
# The cursor is an order of the same list; any other stands before nothing.
SELECT_VIEWS_OF_USER = (
    SELECT_VIEWS  # noqa: S608 - our own words.
    + " WHERE o.user_id = $1 AND o.updated_at_ms >= $2 AND ($4::uuid IS NULL"
    + " OR (o.created_at_ms, o.id) < (SELECT c.created_at_ms, c.id FROM orders c"
    + " WHERE c.id = $4 AND c.user_id = $1)) ORDER BY o.created_at_ms DESC, o.id DESC LIMIT $3"
)
SELECT_VIEWS_OF_ROOM = (
    SELECT_VIEWS  # noqa: S608 - our own words.
    + " WHERE o.room_id = $1 AND o.updated_at_ms >= $2 AND ($4::uuid IS NULL"
    + " OR (o.created_at_ms, o.id) < (SELECT c.created_at_ms, c.id FROM orders c"
    + " WHERE c.id = $4 AND c.room_id = $1)) ORDER BY o.created_at_ms DESC, o.id DESC LIMIT $3"
)
SELECT_VIEW = SELECT_VIEWS + " WHERE o.id = $1"
SELECT_LINES = """
    SELECT l.order_id, l.sku, l.title, l.title_zh, v.picture, l.qty, l.unit_price_minor,
        l.reservation_id, l.sale_id, b.no, r.origin, l.price_source, l.discount_minor,
        l.total_minor, g.id AS group_id, g.state AS group_state, g.paid AS group_paid,
        g.need AS group_need, g.deadline_ms AS group_deadline_ms,
        g.completed_by IS NOT NULL AS group_is_completed,
        u.state AS unlock_state, u.units AS unlock_units, t.unit_price_minor AS unlock_price_minor,
        t.total_minor AS unlock_total_minor, u.otherwise AS unlock_otherwise
    FROM order_lines l
    JOIN reservations r ON r.id = l.reservation_id
    JOIN bag_items b ON b.id = l.item_id
    JOIN named_variants v ON v.sku = l.sku
    LEFT JOIN buy_groups g ON g.id = r.group_id
    LEFT JOIN order_unlocks t ON t.order_id = l.order_id
    LEFT JOIN price_unlocks u ON u.sale_id = t.sale_id
    WHERE l.order_id = ANY ($1::uuid[]) ORDER BY b.no, l.reservation_id
"""
# The one whose money the order stands on, else the newest.
SELECT_PAYMENTS = """
    SELECT DISTINCT ON (p.order_id) p.order_id, p.id, p.state, p.url, p.authorised_at_ms,
        p.let_go_reason, (
            SELECT c.last_error FROM payment_calls c
            WHERE c.payment_id = p.id AND c.kind = 'capture' AND c.state = 'failed'
        ) AS error,
        count(*) OVER (PARTITION BY p.order_id) AS attempt
    FROM payments p WHERE p.order_id = ANY ($1::uuid[])
    ORDER BY p.order_id, p.state IN ('authorised', 'captured', 'refunded')
        AND p.let_go_reason IS NULL DESC, p.created_at_ms DESC, p.id DESC
"""
SELECT_REFUNDS = """
    SELECT r.order_id, r.id, r.state, r.amount_minor, r.currency, r.reason, r.origin, r.restock,
        r.created_at_ms, r.error, coalesce(x.reservations, '{}') AS reservations,
        coalesce(x.quantities, '{}') AS quantities
    FROM refunds r
    LEFT JOIN LATERAL (
        SELECT array_agg(l.reservation_id::text ORDER BY l.reservation_id) AS reservations,
            array_agg(l.qty ORDER BY l.reservation_id) AS quantities
        FROM refund_lines l WHERE l.refund_id = r.id
    ) x ON true
    WHERE r.order_id = ANY ($1::uuid[]) ORDER BY r.created_at_ms, r.id
"""


async def select_views_of_user(
    connection: Connection, user_id: str, *, since_ms: int, before: str | None, limit: int
) -> list[OrderView]:
    """Return a buyer's orders that changed at or after `since_ms`, newest first.

    With `before`, only those that are older than that order of theirs.
    """
    rows = await connection.fetch(SELECT_VIEWS_OF_USER, user_id, since_ms, limit, before)
    return await _views(connection, rows)


async def select_views_of_room(
    connection: Connection, room_id: str, *, since_ms: int, before: str | None, limit: int
) -> list[OrderView]:
    """Return a room's orders with their buyers, newest first; as `select_views_of_user`."""
    rows = await connection.fetch(SELECT_VIEWS_OF_ROOM, room_id, since_ms, limit, before)
    return await _views(connection, rows, for_staff=True)


async def select_view(connection: Connection, order_id: str) -> tuple[str, OrderView] | None:
    """Return an order's owner and the order with its proof."""
    row = await connection.fetchrow(SELECT_VIEW, order_id)
    if row is None:
        return None
    [view] = await _views(connection, [row], proof=_proof(row))
    return str(row["user_id"]), view


async def select_view_for_staff(connection: Connection, order_id: str) -> OrderView:
    """Return an order that exists, with its buyer and what providers said of its refunds."""
    [view] = await _views(
        connection, [await connection.fetchrow(SELECT_VIEW, order_id)], for_staff=True
    )
    return view


async def _views(
    connection: Connection,
    rows: Sequence[Any],
    *,
    proof: Proof | None = None,
    for_staff: bool = False,
) -> list[OrderView]:
    """Put lines, newest payments and refunds to order rows: three queries more for any number."""
    ids = [str(row["id"]) for row in rows]
    lines: dict[str, list[LineView]] = defaultdict(list)
    for row in await connection.fetch(SELECT_LINES, ids):
        lines[str(row["order_id"])].append(_line(row))
    payments = {str(row["order_id"]): row for row in await connection.fetch(SELECT_PAYMENTS, ids)}
    refunds: dict[str, list[RefundView]] = defaultdict(list)
    for row in await connection.fetch(SELECT_REFUNDS, ids):
        refunds[str(row["order_id"])].append(_refund(row, for_staff=for_staff))
    return [
        OrderView(
            id=str(row["id"]),
            state=row["state"],
            total_minor=row["total_minor"],
            currency=row["currency"],
            created_at_ms=row["created_at_ms"],
            paid_at_ms=row["paid_at_ms"],
            room=row["slug"],
            parts=_parts(row),
            lines=lines[str(row["id"])],
            payment=_payment(payments.get(str(row["id"])), row["state"], for_staff=for_staff),
            ship_to=row["ship_to"],
            proof=proof,
            buyer=Buyer(str(row["user_id"]), row["buyer"]) if for_staff else None,
            refunded_minor=row["refunded_minor"],
            refunds=refunds[str(row["id"])],
        )
        for row in rows
    ]


def _proof(row: Any) -> Proof | None:
    """Return the place that was noted with the order; older orders have none."""
    if row["proof_place"] is None:
        return None
    return Proof(row["proof_place"], row["proof_of"], row["proof_decided_at_ms"])


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
        origin=row["origin"],
        price_source=row["price_source"],
        discount_minor=row["discount_minor"],
        total_minor=row["total_minor"],
        group=_team(row),
        unlock=_unlock(row),
    )


def _unlock(row: Any) -> UnlockOfLine | None:
    if row["unlock_state"] is None:
        return None
    return UnlockOfLine(**{name: row[f"unlock_{name}"] for name in UnlockOfLine.__struct_fields__})


def _team(row: Any) -> TeamOfLine | None:
    if row["group_id"] is None:
        return None
    return TeamOfLine(
        id=str(row["group_id"]),
        state=row["group_state"],
        paid=row["group_paid"],
        need=row["group_need"],
        deadline_ms=row["group_deadline_ms"],
        is_completed=row["group_is_completed"],
    )


def parts_of(asked: Quote, coupon: CouponView | None = None) -> PriceParts:
    """Return the parts of a quote, as the order placed at it will have them."""
    titles = (coupon.title, coupon.title_zh) if coupon is not None else (None, None)
    return PriceParts(
        subtotal_minor=asked.subtotal_minor,
        discounts=[
            DiscountView(one.source, one.amount_minor, one.id, *titles) for one in asked.discounts
        ],
        shipping_minor=asked.shipping_minor,
        tax_minor=asked.tax_minor,
        tax_included=asked.is_tax_included,
    )


def _parts(row: Any) -> PriceParts:
    """Return what the total is made of."""
    discounts = []
    if row["coupon_claim_id"] is not None:
        discounts.append(
            DiscountView(
                "coupon",
                row["discount_minor"],
                str(row["coupon_claim_id"]),
                row["coupon_title"],
                row["coupon_title_zh"],
            )
        )
    return PriceParts(
        subtotal_minor=row["subtotal_minor"],
        discounts=discounts,
        shipping_minor=row["shipping_minor"],
        tax_minor=row["tax_minor"],
        tax_included=row["is_tax_included"],
    )


def _refund(row: Any, *, for_staff: bool) -> RefundView:
    return RefundView(
        id=str(row["id"]),
        state=row["state"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        reason=row["reason"],
        origin=row["origin"],
        restock=row["restock"],
        created_at_ms=row["created_at_ms"],
        lines=[
            RefundLineView(reservation, qty)
            for reservation, qty in zip(row["reservations"], row["quantities"], strict=True)
        ],
        error=row["error"] if for_staff else None,
    )


def _payment(row: Any, order_state: str, *, for_staff: bool) -> PaymentView | None:
    """Return the newest attempt, with its page only for its buyer while paying makes sense."""
    if row is None:
        return None
    state = show_payment_state(
        row["state"], attempt=row["attempt"], had_money=row["authorised_at_ms"] is not None
    )
    is_open = not for_staff and row["state"] == "created" and order_state == "awaiting_payment"
    url = row["url"] if is_open else None
    return PaymentView(
        id=str(row["id"]),
        state=state,
        url=url,
        attempt=row["attempt"],
        reason=row["let_go_reason"],
        error=row["error"] if for_staff else None,
    )
