"""Paid orders to give back, and what must hold of refunds whatever happens."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from tests.support.shop import Shop, make_user
from tests.support.till import Buyer, Till

# Each query returns the rows that break one promise.
REFUND_INVARIANTS = {
    "refunds_within_payment": """
        SELECT p.id FROM payments p JOIN refunds r ON r.payment_id = p.id
        WHERE r.state IN ('pending', 'done')
        GROUP BY p.id HAVING sum(r.amount_minor) > p.amount_minor
    """,
    "payment_refunded_adds_up": """
        SELECT p.id FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id AND r.state = 'done'
        GROUP BY p.id HAVING coalesce(sum(r.amount_minor), 0) <> p.refunded_minor
            OR (p.state = 'refunded') <> (p.refunded_minor = p.amount_minor AND p.amount_minor > 0)
    """,
    "order_refunded_adds_up": """
        SELECT o.id FROM orders o
        LEFT JOIN refunds r ON r.order_id = o.id AND r.state = 'done' AND r.origin = 'person'
        GROUP BY o.id HAVING coalesce(sum(r.amount_minor), 0) <> o.refunded_minor
            OR (o.state = 'refunded') <> (o.refunded_minor = o.total_minor AND o.total_minor > 0)
    """,
    "line_refunded_within_line": """
        SELECT l.reservation_id FROM order_lines l
        JOIN refund_lines x ON x.reservation_id = l.reservation_id
        JOIN refunds r ON r.id = x.refund_id AND r.state IN ('pending', 'done')
        GROUP BY l.reservation_id, l.qty HAVING sum(x.qty) > l.qty
    """,
    "refunded_line_is_whole": """
        SELECT v.id FROM reservations v JOIN order_lines l ON l.reservation_id = v.id
        JOIN orders o ON o.id = l.order_id AND o.state IN ('paid', 'refunded')
        LEFT JOIN refund_lines x ON x.reservation_id = v.id
        LEFT JOIN refunds r ON r.id = x.refund_id AND r.state = 'done'
        GROUP BY v.id, v.state, l.qty
        HAVING (v.state = 'refunded') <> (coalesce(sum(x.qty) FILTER (WHERE r.id IS NOT NULL), 0)
            = l.qty) OR v.state NOT IN ('sold', 'refunded')
    """,
    "refund_has_its_call": """
        SELECT r.id FROM refunds r LEFT JOIN payment_calls c ON c.refund_id = r.id
        WHERE c.state IS DISTINCT FROM r.state
    """,
}


async def broken(till: Till) -> dict[str, list[Any]]:
    """Return the refund promises that are broken, with the rows."""
    found = {name: await till.values(query) for name, query in REFUND_INVARIANTS.items()}
    return {name: rows for name, rows in found.items() if rows}


class PaidOrder:
    """An order that its buyer has paid and whose money is captured, and its shop's people."""

    def __init__(self, till: Till, shop: Shop, sale: str, buyer: Buyer) -> None:
        self.till = till
        self.shop = shop
        self.sale = sale
        self.buyer = buyer
        self.id = ""
        self.reservations: list[str] = []
        self.host = till.sign_in(shop.host_id, name="Xiaoman", role="host")

    async def refund(
        self, *, by: Buyer | None = None, key: str | None = None, **body: Any
    ) -> httpx.Response:
        """Ask for a refund, as the host unless somebody else is named."""
        return await (by or self.host).client.post(
            f"/api/orders/{self.id}/refunds",
            json={"reason": "broken", **body},
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )

    async def retry(self, refund_id: str) -> httpx.Response:
        """Ask the provider again."""
        return await self.host.client.post(
            f"/api/orders/{self.id}/refunds/{refund_id}/retry",
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )

    async def read(self) -> dict[str, Any]:
        """Return the order as its buyer sees it."""
        return await self.buyer.read(self.id)

    async def operator(self) -> Buyer:
        """Let an operator in."""
        user_id = await make_user(self.till.database, role="operator", name="Ops")
        return self.till.sign_in(user_id, name="Ops", role="operator")


async def pay_order(till: Till, *, quantities: tuple[int, ...] = (1,), **terms: int) -> PaidOrder:
    """Make a paid order with a line for each quantity, at ¥199 a unit."""
    shop, sale = await till.sale(**{"per_buyer": 10, **terms})
    order = PaidOrder(till, shop, sale, await till.buyer("Lena"))
    order.reservations = [await till.reserve(sale, order.buyer.id, qty) for qty in quantities]
    answer = (await order.buyer.order(order.reservations)).json()
    order.id = answer["order"]["id"]
    await order.buyer.press(answer["payment"]["url"], "pay")
    assert await till.payments.run_payment_calls() == 1, "the capture"
    return order
