"""Whatever members, cards, banks and hosts do to teams: each order has its money once, or none.

Teams themselves are held against their model by `test_group_model.py`; here the money is followed
to the provider's own tables.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.group_buys.campaigns import complete, end_campaigns, finish_campaign
from commerce.sales.group_buys.store import select_team
from server.wiring.sources import FreshIds
from tests.support.club import Club
from tests.support.grouping import end_seats, open_group_buy, pass_deadline
from tests.support.shop import make_shop
from tests.support.stories import stories
from tests.support.till import Buyer, open_till, told_by

# Two teams are joined when a story begins.
NEED, QUANTITY, JOINED = 2, 8, 4
# What a provider does behind our back, to the newest payment in a state: (from, to, is it told).
BANK = {
    "second_card": ("declined", "authorised", True),
    "second_card_at_once": ("declined", "captured", True),
    "taken": ("authorised", "captured", True),
    "taken_in_silence": ("authorised", "captured", False),
    "gone": ("authorised", "voided", True),
    "gone_in_silence": ("authorised", "voided", False),
}
USUAL = ("pay", "pay", "pay", "decline", "decline", "second_card", "jobs")
OTHERS = ("join", "leave", "cancel", "deadline", "complete", "end_seats", "call_off", "end", *BANK)
STEPS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(USUAL), st.sampled_from(USUAL), st.sampled_from(OTHERS)),
        st.integers(0, JOINED - 1),
    ),
    min_size=6,
    max_size=20,
)
PAYMENTS = """
    SELECT s.id, s.reference, s.state, s.amount_minor, s.currency FROM sandbox.payments s
    WHERE s.order_reference = $1 AND s.state = $2 ORDER BY s.created_at_ms DESC, s.id DESC LIMIT 1
"""
BOOKS = """
    SELECT o.id::text, o.state, o.total_minor, r.state AS seat, s.state AS money, s.amount_minor
    FROM orders o JOIN order_lines l ON l.order_id = o.id
    JOIN reservations r ON r.id = l.reservation_id
    LEFT JOIN sandbox.payments s ON s.order_reference = o.id::text
    WHERE l.sale_id = $1
"""
OWED = """
    SELECT c.kind || ' ' || c.state FROM payment_calls c JOIN payments p ON p.id = c.payment_id
    JOIN order_lines l ON l.order_id = p.order_id WHERE l.sale_id = $1 AND c.state <> 'done'
"""


class Story:
    """A campaign with its members, in the order in which they came."""

    def __init__(self, club: Club, host_id: str) -> None:
        self.club, self.till, self.host_id = club, club.till, host_id
        self.members: list[tuple[Buyer, str, str]] = []

    async def step(self, act: str, n: int) -> None:
        """Do one thing; what is refused is refused."""
        if act == "join":
            try:
                buyer, team, order, _ = await self.club.member()
            except CommerceError:
                return
            self.members.append((buyer, team, order))
        elif act == "jobs":
            await self.club.run_jobs()
        elif act == "end_seats":
            await end_seats(self.till.database, self.club.sale)
        elif act in ("call_off", "end"):
            async with self.till.database.transaction() as transaction:
                event = "cancel" if act == "call_off" else "end"
                await finish_campaign(transaction, self.club.sale, event)
        elif self.members:
            await self.touch(act, *self.members[n % len(self.members)])

    async def touch(self, act: str, buyer: Buyer, team: str, order: str) -> None:
        """Do something to a member."""
        if act in ("pay", "decline"):
            url = ((await buyer.read(order))["payment"] or {}).get("url")
            if url:
                await buyer.press(url, act)
        elif act == "leave":
            await self.refusable(self.club.leaving.leave(user_id=buyer.id, group_id=team))
        elif act == "cancel":
            path = f"/api/orders/{order}/cancel"
            await buyer.client.post(path, headers={"Idempotency-Key": "k"})
        elif act == "deadline":
            await pass_deadline(self.till.database, team)
        elif act == "complete":
            await self.refusable(self.complete(team))
        else:
            await self.bank(order, *BANK[act])

    async def complete(self, team: str) -> None:
        """Complete a team by the shop."""
        async with self.till.database.transaction() as transaction:
            row = await select_team(transaction, team)
            await complete(transaction, FreshIds(), row, host_id=self.host_id)

    async def bank(self, order: str, was: str, state: str, is_told: bool) -> None:
        """Change a payment at the provider."""
        row = await self.till.row(PAYMENTS, order, was)
        if row is not None:
            change = "UPDATE sandbox.payments SET state = $2 WHERE id = $1"
            await self.till.change(change, row["id"], state)
            if is_told:
                answer = await self.till.webhook(told_by(dict(row), state))
                assert answer.status_code == 200, answer.text

    async def refusable(self, act: Any) -> None:
        """Do what may be refused."""
        try:
            await act
        except CommerceError:
            return

    async def end(self) -> None:
        """Let all time be over, and the worker come by until nothing is left to do."""
        for _, team, _ in self.members:
            await pass_deadline(self.till.database, team)
        await end_campaigns(self.till.database)
        for _ in range(3):
            await self.till.change(
                "UPDATE reservations SET release_at_ms = clock_ms() - 1 WHERE sale_id = $1"
                " AND state IN ('held', 'paying')"
                " AND (seated_at_ms IS NULL OR reopened_at_ms IS NOT NULL)",
                self.club.sale,
            )
            await self.club.run_jobs()

    async def check(self) -> None:
        """Hold the orders against the provider's own tables."""
        money: dict[tuple[str, str, int, str], list[tuple[str, int]]] = defaultdict(list)
        async with self.till.database.reading() as connection:
            for row in await connection.fetch(BOOKS, self.club.sale):
                money[tuple(row)[:4]].append((row["money"], row["amount_minor"]))  # type: ignore[index]
        for (order, state, total_minor, seat), payments in money.items():
            kept = [one for one in payments if one[0] in ("authorised", "captured")]
            wanted = [("captured", total_minor)] if state == "paid" else []
            assert kept == wanted, (order, state, payments)
            assert (seat == "sold") is (state == "paid"), (order, state, seat)
            assert state in ("paid", "cancelled", "expired"), (order, state)
        assert await self.till.values(OWED, self.club.sale) == []
        assert (await audit(self.till.database)).violations == []


async def play(database_url: str, steps: list[tuple[str, int]]) -> None:
    """Play a story in a shop of its own."""
    async with open_till(database_url) as till:
        shop = await make_shop(till.database, slug=f"room-{uuid.uuid4().hex[:8]}")
        terms = {"need": NEED, "quantity": QUANTITY}
        club = Club(till, await open_group_buy(till.database, shop, **terms))
        story = Story(club, shop.host_id)
        for act, n in [*[("join", 0)] * JOINED, *steps]:
            await story.step(act, n)
            assert (await audit(till.database)).violations == [], act
        await story.end()
        await story.check()


@stories(10)
@given(steps=STEPS)
def test_each_order_of_a_team_has_its_money_once_or_none(
    database_url: str, loop: asyncio.AbstractEventLoop, steps: list[tuple[str, int]]
) -> None:
    loop.run_until_complete(play(database_url, steps))
