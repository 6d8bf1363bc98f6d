"""A sale with a threshold at a till, those who press, and the worker that looks after both."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter

from commerce.insight.audit.service import audit
from commerce.sales.unlocks.model import Otherwise, UnlockTerms
from commerce.sales.unlocks.service import note_missed
from tests.support.till import Buyer, Till

PLAIN = 19_900
LOW = 9_900


class Crowd:
    """A flash sale whose price falls with the third unit, and those who press."""

    def __init__(self, till: Till, sale: str) -> None:
        self.till, self.sale = till, sale

    @classmethod
    async def gather(
        cls, till: Till, *, units: int = 3, otherwise: Otherwise = "charge", quantity: int = 10
    ) -> Crowd:
        """Open the sale."""
        terms = UnlockTerms(units, LOW, otherwise)
        _, sale = await till.sale(quantity=quantity, per_buyer=3, unlock=terms)
        return cls(till, sale)

    async def hold(self, qty: int = 1) -> tuple[Buyer, str]:
        """Let somebody press; return the buyer and the reservation."""
        buyer = await self.till.buyer(f"Buyer {uuid.uuid4().hex[:4]}")
        return buyer, await self.till.reserve(self.sale, buyer.id, qty)

    async def order(self, qty: int = 1) -> tuple[Buyer, str, str]:
        """Let somebody press and order; return the buyer, the order and the page to pay at."""
        buyer, reservation = await self.hold(qty)
        answer = (await buyer.order([reservation])).json()
        return buyer, answer["order"]["id"], answer["payment"]["url"]

    async def promise(self, qty: int = 1) -> tuple[Buyer, str]:
        """Let somebody press, order and have the money granted."""
        buyer, order, url = await self.order(qty)
        await buyer.press(url, "pay")
        return buyer, order

    async def run_jobs(self) -> None:
        """Do what a worker does, twice at once, until nothing is left to do."""
        for _ in range(2):
            await asyncio.gather(*(note_missed(self.till.database) for _ in range(2)))
            await asyncio.gather(*(self.till.settlement.pay_decided() for _ in range(2)))
            await asyncio.gather(*(self.till.settlement.expire_orders() for _ in range(2)))
            await asyncio.gather(*(self.till.payments.run_payment_calls() for _ in range(2)))

    async def pass_time(self) -> None:
        """Let the time of the sale be over, as if it had passed; no job has noted it."""
        await self.till.change(
            "UPDATE sales SET opens_at_ms = clock_ms() - 2, ends_at_ms = clock_ms() - 1"
            " WHERE id = $1",
            self.sale,
        )

    async def orders(self) -> Counter[tuple[str, int]]:
        """Count orders by state and total."""
        rows = await self.till.values("SELECT state || ' ' || total_minor FROM orders")
        return Counter((row.split()[0], int(row.split()[1])) for row in rows)

    async def money(self) -> Counter[tuple[str, int]]:
        """Count payments at the provider by state and amount."""
        rows = await self.till.values("SELECT state || ' ' || amount_minor FROM sandbox.payments")
        return Counter((row.split()[0], int(row.split()[1])) for row in rows)

    async def outcome(self) -> tuple[str, int]:
        """Return the threshold's state, and how often it was told that the price fell."""
        state = await self.till.values("SELECT state FROM price_unlocks")
        told = await self.till.values(
            "SELECT count(*) FROM room_events WHERE type = 'flash.unlocked'"
        )
        return state[0], told[0]


async def check_books(crowd: Crowd) -> None:
    """Money in is money out, and every promise is kept."""
    assert (await audit(crowd.till.database)).violations == []
    calls = await crowd.till.values(
        "SELECT count(*) FROM payment_calls WHERE kind IN ('capture', 'void', 'refund')"
        " GROUP BY payment_id, kind"
    )
    assert set(calls) <= {1}
