"""A group buy at a till, those who join it, and the worker that looks after both."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter

from commerce.goods.inventory.sweeper import sweep
from commerce.insight.audit.service import audit
from commerce.orders.checkout.leaving import Leaving
from commerce.sales.group_buys.campaigns import fail_due_teams
from commerce.sales.group_buys.service import GroupBuys
from tests.support.grouping import join
from tests.support.till import Buyer, Till


class Club:
    """A campaign of a till, and those who join it."""

    def __init__(self, till: Till, sale: str) -> None:
        self.till, self.sale = till, sale
        self.groups = GroupBuys(till.database, till.inventory)
        self.leaving = Leaving(till.database, till.inventory, till.checkout)

    async def member(
        self, team: str | None = None, *, buyer: Buyer | None = None, **more: str
    ) -> tuple[Buyer, str, str, str]:
        """Let somebody join and order; return buyer, team, order, page to pay at."""
        buyer = buyer or await self.till.buyer(f"Buyer {uuid.uuid4().hex[:4]}")
        seat = await join(self.groups, self.sale, user=buyer.id, team=team)
        answer = (await buyer.order([seat.reservation.id], **more)).json()
        return buyer, seat.group_id, answer["order"]["id"], answer["payment"]["url"]

    async def team_of(self, paid: int, *, unpaid: int = 0) -> tuple[str, list[tuple[Buyer, str]]]:
        """Let so many join one team, the first of them paying."""
        members: list[tuple[Buyer, str]] = []
        team: str | None = None
        for n in range(paid + unpaid):
            buyer, team, order, url = await self.member(team)
            members.append((buyer, order))
            if n < paid:
                await buyer.press(url, "pay")
        assert team is not None
        return team, members

    async def states(self) -> Counter[str]:
        """Count orders by state."""
        return Counter(await self.till.values("SELECT state FROM orders"))

    async def run_jobs(self) -> None:
        """Do what a worker does, twice at once, until nothing is left to do."""
        for _ in range(3):
            await asyncio.gather(*(fail_due_teams(self.till.database) for _ in range(2)))
            await sweep(self.till.database)
            await asyncio.gather(*(self.till.settlement.pay_formed() for _ in range(2)))
            await asyncio.gather(*(self.till.settlement.expire_orders() for _ in range(2)))
            await asyncio.gather(*(self.till.payments.run_payment_calls() for _ in range(2)))

    async def money(self) -> Counter[str]:
        """Count payments at the provider by state."""
        return Counter(await self.till.values("SELECT state FROM sandbox.payments"))


async def check_books(club: Club) -> None:
    """Money in is money out, and every promise is kept."""
    assert (await audit(club.till.database)).violations == []
    calls = await club.till.values(
        "SELECT count(*) FROM payment_calls WHERE kind IN ('capture', 'void', 'refund')"
        " GROUP BY payment_id, kind"
    )
    assert set(calls) <= {1}


async def refuse_capture(club: Club, order_id: str) -> None:
    """Let a bank cancel an authorisation behind the provider's back: no webhook, no capture."""
    await club.till.change(
        "UPDATE sandbox.payments SET state = 'voided' WHERE order_reference = $1"
        " AND state = 'authorised'",
        order_id,
    )
