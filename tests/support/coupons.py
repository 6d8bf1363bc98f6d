"""A till with a shop that gives out coupons, by its own services."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from commerce.kernel.ports import Transaction
from commerce.sales.coupons import service
from commerce.sales.coupons.model import Claimed, CouponTerms, DropTerms, DropView
from commerce.sales.coupons.service import Drops
from server.wiring.sources import monotonic_ms
from tests.support.shop import Shop
from tests.support.till import Buyer, Till

EVERY = ("flash", "group", "campaign", "list")


class Stand:
    """A till with a shop whose coupons go with flash prices too, unless told otherwise."""

    def __init__(self, till: Till, shop: Shop, sale: str) -> None:
        self.till = till
        self.shop = shop
        self.sale = sale
        self.drops = Drops(till.database, till.inventory, monotonic_ms)

    async def coupon(self, **terms: Any) -> str:
        """Make a coupon of 30.00 off."""
        wish = {"title": "30 off", "amount_minor": 3_000, "quantity": 100, "sources": EVERY}
        async with self.till.database.transaction() as transaction:
            return await service.make_coupon(
                transaction,
                self.shop.room,
                CouponTerms(**{**wish, **terms}),
                key=str(uuid.uuid4()),
                currency="CNY",
            )

    async def drop(self, coupon: str, **terms: Any) -> DropView:
        """Drop ten of a coupon, open at once."""
        wish = {"quantity": 10, "countdown_s": 0, "duration_s": 600, **terms}
        async with self.till.database.transaction() as transaction:
            return await service.arm_drop(
                transaction,
                self.shop.room,
                DropTerms(coupon=coupon, **wish),
                key=str(uuid.uuid4()),
            )

    async def act(self, act: Callable[[Transaction], Awaitable[object]]) -> None:
        """Do something in a transaction of its own."""
        async with self.till.database.transaction() as transaction:
            await act(transaction)

    async def claim(self, drop: str, user: str, key: str = "k", **more: Any) -> Claimed:
        """Claim one."""
        return await self.drops.claim(user_id=user, drop_id=drop, key=key, **more)

    async def claimed(self, buyer: Buyer, **terms: Any) -> str:
        """Return a fresh coupon of a buyer's."""
        dropped = await self.drop(await self.coupon(**terms))
        return (await self.claim(dropped.id, buyer.id)).id

    async def order(self, buyer: Buyer, coupon: str | None, qty: int = 1, **more: Any) -> Any:
        """Reserve and order with a coupon; return the answer."""
        held = await self.till.reserve(self.sale, buyer.id, qty)
        return (await buyer.order([held], coupon=coupon, **more)).json()

    async def pay(self, buyer: Buyer, answer: Any) -> None:
        """Pay an order and let the money be taken."""
        await buyer.press(answer["payment"]["url"], "pay")
        await self.till.sender.deliver_due()
        await self.settle_calls()

    async def settle_calls(self) -> None:
        """Make every call that is owed to the provider."""
        while await self.till.payments.run_payment_calls():
            pass

    async def refund(self, answer: Any, **body: Any) -> None:
        """Give back by the host."""
        host = self.till.sign_in(self.shop.host_id, name="Xiaoman", role="host")
        response = await host.client.post(
            f"/api/orders/{answer['order']['id']}/refunds",
            json={"reason": "broken", **body},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        assert response.status_code == 201, response.text
        await self.settle_calls()

    async def seen(self, claim: str) -> tuple[str, int, int]:
        """Return (state of a claim, what it takes off, what its coupon takes off in all)."""
        row = await self.till.row(
            "SELECT k.state, k.off_minor, c.spent_minor FROM coupon_claims k"
            " JOIN coupons c ON c.id = k.coupon_id WHERE k.id = $1",
            claim,
        )
        return tuple(row)
