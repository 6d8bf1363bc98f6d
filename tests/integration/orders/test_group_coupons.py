"""A coupon on a seat in a team: every way that the order can go, with the auditor at each step.

Invariant of every step: the claim is the order's while that is open or paid; when it is neither,
the claim and the coupon's budget are back, once. What is authorised and taken is the quote.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from commerce.insight.audit.service import audit
from commerce.sales.group_buys.campaigns import complete, finish_campaign
from commerce.sales.group_buys.store import select_team
from commerce.sales.pricing.ports import Tariffs
from commerce.sales.pricing.tariffs import FlatShipping, IncludedTax
from server.wiring.sources import FreshIds
from tests.support.club import Club, refuse_capture
from tests.support.coupons import Stand
from tests.support.grouping import end_seats, join, open_group_buy, pass_deadline, read_team
from tests.support.shop import make_shop
from tests.support.till import Buyer, open_till, told_by

OFF_MINOR = 3_000
SHIPPING_MINOR = 1_200
TOTAL_MINOR = 9_900 - OFF_MINOR + SHIPPING_MINOR
TARIFFS = Tariffs(FlatShipping(SHIPPING_MINOR, 80_000), IncludedTax(1_300))
HAS_COUPON = {"awaiting_payment": "locked", "awaiting_group": "locked", "paid": "used"}
# Each way ends in (the order's state, the provider's payments).
WAYS: dict[str, tuple[str, str, dict[str, int]]] = {
    "given up before paying": ("cancel", "cancelled", {"voided": 1}),
    "left before paying": ("leave", "cancelled", {"voided": 1}),
    "never paid": ("end_seat", "expired", {"voided": 1}),
    "paid too late": ("lapse pay_late", "expired", {"voided": 1}),
    "cancelled while it forms": ("pay cancel", "cancelled", {"voided": 1}),
    "left while it forms": ("pay leave leave", "cancelled", {"voided": 1}),
    "the deadline passed": ("pay deadline jobs", "expired", {"voided": 1}),
    "the campaign was called off": ("pay call_off", "expired", {"voided": 1}),
    "the authorisation ended": ("pay void void", "expired", {"voided": 1}),
    "completed by the shop": ("pay complete", "paid", {"captured": 1}),
    "formed": ("pay fill jobs", "paid", {"captured": 3}),
    "filled it": ("fill pay jobs", "paid", {"captured": 3}),
    "refunded": ("pay fill refund", "refunded", {"captured": 2, "refunded": 1}),
    "lost money, paid again": (
        "pay fill_now refuse jobs pay jobs",
        "paid",
        {"captured": 3, "voided": 1},
    ),
    "lost money, refunded": (
        "pay fill_now refuse jobs pay jobs refund",
        "refunded",
        {"captured": 2, "refunded": 1, "voided": 1},
    ),
    "lost money twice": (
        "pay fill_now refuse jobs pay refuse jobs",
        "expired",
        {"captured": 2, "voided": 2},
    ),
    "lost money, given up": (
        "pay fill_now refuse jobs cancel",
        "cancelled",
        {"captured": 2, "voided": 2},
    ),
    "lost money, too late": (
        "pay fill_now refuse jobs lapse pay_late",
        "expired",
        {"captured": 2, "voided": 2},
    ),
}


class Walk:
    """One order for a seat with a coupon, and everything that can befall it."""

    def __init__(self, club: Club, stand: Stand, buyer: Buyer, claim: str) -> None:
        self.club, self.stand, self.buyer, self.claim = club, stand, buyer, claim
        self.team = self.order_id = self.page = ""

    async def place(self) -> None:
        """Join and order; what is quoted beforehand is what is charged."""
        seat = await join(self.club.groups, self.club.sale, user=self.buyer.id)
        wish = {"reservations": [seat.reservation.id], "coupon": self.claim}
        quote = (await self.buyer.client.post("/api/quotes", json=wish)).json()["quote"]
        answer: Any = (await self.buyer.order([seat.reservation.id], coupon=self.claim)).json()
        assert quote["total_minor"] == answer["order"]["total_minor"] == TOTAL_MINOR
        assert quote["parts"] == answer["order"]["parts"]
        self.team, self.order_id = seat.group_id, answer["order"]["id"]
        assert (await self.club.till.remote(self.order_id))["amount_minor"] == TOTAL_MINOR

    async def pay(self) -> None:
        """Press pay on the newest page."""
        self.page = (await self.buyer.read(self.order_id))["payment"]["url"]
        await self.buyer.press(self.page, "pay")

    async def lapse(self) -> None:
        """Let the order run out of time; its page at the provider is still open."""
        self.page = (await self.buyer.read(self.order_id))["payment"]["url"]
        await self.club.till.change(
            "UPDATE reservations SET release_at_ms = clock_ms() - 1 WHERE state = 'paying'"
            " AND id IN (SELECT reservation_id FROM order_lines WHERE order_id = $1)",
            self.order_id,
        )
        await self.club.till.settlement.expire_orders()

    async def pay_late(self) -> None:
        """Press pay on the page of an order that is over."""
        await self.buyer.press(self.page, "pay")
        assert self.club.till.news("payment.voided")[-1]["order"] == self.order_id

    async def fill(self) -> None:
        """Let two others pay for their seats, and the jobs run."""
        await self.fill_now()
        await self.jobs()

    async def fill_now(self) -> None:
        """Let two others pay for their seats; the jobs have not come by yet."""
        for _ in range(2):
            buyer, _, _, url = await self.club.member(self.team)
            await buyer.press(url, "pay")

    async def jobs(self) -> None:
        """Let the worker do its rounds."""
        await self.club.run_jobs()

    async def cancel(self) -> None:
        """Cancel the order."""
        await self.club.till.checkout.cancel(user_id=self.buyer.id, order_id=self.order_id)

    async def leave(self) -> None:
        """Leave the team."""
        await self.club.leaving.leave(user_id=self.buyer.id, group_id=self.team)

    async def end_seat(self) -> None:
        """Let the hold of an unpaid seat end."""
        await end_seats(self.club.till.database, self.club.sale)
        await self.jobs()

    async def deadline(self) -> None:
        """Let the team miss its deadline."""
        await pass_deadline(self.club.till.database, self.team)

    async def call_off(self) -> None:
        """Call the whole campaign off."""
        async with self.club.till.database.transaction() as transaction:
            await finish_campaign(transaction, self.club.sale, "cancel")

    async def complete(self) -> None:
        """Complete the team at the shop's cost."""
        async with self.club.till.database.transaction() as transaction:
            team = await select_team(transaction, self.team)
            await complete(transaction, FreshIds(), team, host_id=self.stand.shop.host_id)

    async def void(self) -> None:
        """Let the bank take an authorisation back, and tell so."""
        remote = await self.club.till.remote(self.order_id)
        await self.club.till.change(
            "UPDATE sandbox.payments SET state = 'voided' WHERE order_reference = $1", self.order_id
        )
        await self.club.till.webhook(told_by(remote, "voided"))

    async def refuse(self) -> None:
        """Let the bank take an authorisation back, and tell nobody."""
        await refuse_capture(self.club, self.order_id)

    async def refund(self) -> None:
        """Give all of the money back."""
        await self.stand.refund({"order": {"id": self.order_id}}, restock=False)

    async def check(self) -> None:
        """Hold the claim and the budget against the order, and ask the auditor."""
        state = (await self.buyer.read(self.order_id))["state"]
        kept = HAS_COUPON.get(state)
        off = OFF_MINOR if kept else 0
        assert await self.stand.seen(self.claim) == (kept or "claimed", off, off)
        assert (await audit(self.club.till.database)).violations == []


@pytest.fixture
async def walk(database_url: str) -> AsyncIterator[Walk]:
    """A shop that charges shipping and has tax in its prices, and somebody with a coupon."""
    async with open_till(database_url, tariffs=TARIFFS) as till:
        shop = await make_shop(till.database)
        club = Club(till, await open_group_buy(till.database, shop, per_buyer=1))
        stand = Stand(till, shop, club.sale)
        buyer = await till.buyer(f"Buyer {uuid.uuid4().hex[:4]}")
        claim = await stand.claimed(buyer, budget_minor=OFF_MINOR)
        yield Walk(club, stand, buyer, claim)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_coupon_goes_with_its_order_whatever_becomes_of_the_team(
    walk: Walk, way: tuple[str, str, dict[str, int]]
) -> None:
    acts, state, money = way
    await walk.place()
    await walk.check()
    for act in acts.split():
        await getattr(walk, act)()
        if act not in ("deadline", "call_off", "complete"):  # The orders follow by the jobs.
            await walk.check()
    for _ in range(2):
        await walk.jobs()
        await walk.check()
    assert (await walk.buyer.read(walk.order_id))["state"] == state
    assert await walk.club.money() == money
    if state not in HAS_COUPON:
        await again(walk)


async def again(walk: Walk) -> None:
    """The coupon that came back is as good as before, and its budget is there again."""
    if await walk.club.till.values("SELECT 1 FROM sales WHERE kind = 'group' AND state = 'open'"):
        held = await walk.club.member(buyer=walk.buyer, coupon=walk.claim)
        assert (await walk.buyer.read(held[2]))["total_minor"] == TOTAL_MINOR


async def test_a_charge_that_changed_while_the_team_formed_is_not_taken(walk: Walk) -> None:
    """The money was granted days ago; the team it was granted for stays whole."""
    await walk.place()
    await walk.pay()
    change = "UPDATE orders SET shipping_minor = shipping_minor + $2::bigint WHERE id = $1"
    await walk.club.till.change(change, walk.order_id, 1)
    await walk.fill()
    assert (await walk.buyer.read(walk.order_id))["state"] == "cancelled"
    assert walk.club.till.news("payment.voided") == [
        {"order": walk.order_id, "reason": "total_mismatch"}
    ]
    assert await walk.club.money() == {"captured": 2, "voided": 1}
    assert (await read_team(walk.club.till.database, walk.team)).state == "formed"
    await walk.club.till.change(change, walk.order_id, -1)
    await walk.check()


async def test_a_coupon_that_waited_for_a_team_in_vain_is_good_for_as_long_as_before(
    walk: Walk,
) -> None:
    """A team may form for longer than a coupon lives; it had two hours when it was ordered with."""
    hour_ms = 3_600_000
    await walk.place()
    await walk.pay()
    till = walk.club.till
    await till.change("UPDATE orders SET created_at_ms = clock_ms() - $1::bigint", 3 * hour_ms)
    await till.change(
        "UPDATE coupon_claims SET expires_at_ms = clock_ms() - $1::bigint,"
        " claimed_at_ms = claimed_at_ms - $2::bigint",
        hour_ms,
        10 * hour_ms,
    )
    await walk.deadline()
    await walk.jobs()
    await walk.check()
    [left_ms] = await till.values("SELECT expires_at_ms - clock_ms() FROM coupon_claims")
    assert 1.9 * hour_ms < left_ms <= 2 * hour_ms
    await again(walk)


async def test_whoever_leaves_a_team_wins_no_time_for_a_coupon(walk: Walk) -> None:
    """Else a coupon could be kept alive for ever by joining and leaving."""
    await walk.place()
    await walk.pay()
    before = await walk.club.till.values("SELECT expires_at_ms FROM coupon_claims")
    await walk.leave()
    assert await walk.club.till.values("SELECT expires_at_ms FROM coupon_claims") == before
