"""Paid orders to give back, and what must hold of refunds whatever happens."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from commerce.insight.audit.service import audit
from commerce.orders.payments.model import RefundReport
from tests.support.shop import Shop, make_user
from tests.support.till import Buyer, Till


async def broken(till: Till) -> dict[str, list[Any]]:
    """Return the promises that the audit finds broken, with the rows."""
    return {one.check: one.rows for one in (await audit(till.database)).violations}


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

    async def report(self, refund_id: str, state: str) -> None:
        """Have the provider say that a refund is done or failed, however often."""
        payment_id, amount_minor = await self.till.row(
            "SELECT payment_id::text, amount_minor FROM refunds WHERE id = $1", refund_id
        )
        said = RefundReport(
            payment_id, refund_id, f"sr_{refund_id}", state, amount_minor, "CNY", error="no"
        )
        async with self.till.database.transaction() as transaction:
            await self.till.payments._reports.apply_refund(transaction, said, provider="sandbox")

    async def ask(self, line: int, qty: int, **body: Any) -> str:
        """Ask for units of a line and next to no money, which so never runs out; return the id."""
        wish = {"lines": [{"reservation": self.reservations[line], "qty": qty}], "amount_minor": 1}
        response = await self.refund(**{**wish, **body})
        assert response.status_code == 201, response.text
        refund_id: str = response.json()["refund"]["id"]
        return refund_id

    async def units(self) -> tuple[int, int, int]:
        """Return (total, claimed) of the sale's pool, and what counts against the buyer's limit."""
        row = await self.till.row(
            "SELECT k.total, k.claimed, b.qty FROM sales s JOIN stock k ON k.pool_id = s.pool_id"
            " JOIN sale_buyers b ON b.sale_id = s.id AND b.user_id = $2 WHERE s.id = $1",
            self.sale,
            self.buyer.id,
        )
        return row[0], row[1], row[2]

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
