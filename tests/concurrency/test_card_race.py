"""One card pays for several orders at once, with the control that shows what its lock is for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from commerce.goods.press_rules.model import PressRules
from commerce.insight.audit.service import audit
from commerce.kernel.ports import Connection
from commerce.orders.checkout import card_store, cards
from tests.support.till import Till, order_one, told_by

ORDERS = 6
PER_CARD = 2


async def race(
    till: Till, monkeypatch: pytest.MonkeyPatch, meet: Callable[[], Awaitable[object]]
) -> int:
    """Pay for several orders with one card at once; return how many units it has.

    Everybody counts what the card has, and goes on when `meet` lets them.
    """
    rules = PressRules(per_card=PER_CARD)
    _, sale = await till.sale(quantity=ORDERS, per_buyer=1, rules=rules)
    orders = [await order_one(till, sale, await till.buyer(f"B{n}")) for n in range(ORDERS)]
    remotes = [await till.remote(order) for order, _ in orders]

    async def select_slowly(
        connection: Connection, card: str, sale_ids: list[str], *, but_for: str
    ) -> dict[str, int]:
        paid = await card_store.select_paid(connection, card, sale_ids, but_for=but_for)
        await meet()
        return paid

    monkeypatch.setattr(cards, "select_paid", select_slowly)
    answers = await asyncio.gather(
        *(till.webhook(told_by(remote, "authorised", card="test-1")) for remote in remotes)
    )
    assert {answer.status_code for answer in answers} == {200}
    [sold] = await till.values("SELECT count(*) FROM reservations WHERE state = 'sold'")
    return int(sold)


async def test_one_card_pays_for_no_more_than_it_may(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await race(till, monkeypatch, lambda: asyncio.sleep(0.1)) == PER_CARD
    states = await till.values("SELECT state FROM orders ORDER BY state")
    assert states == ["cancelled"] * (ORDERS - PER_CARD) + ["paid"] * PER_CARD
    assert (await audit(till.database)).violations == []


async def test_without_its_lock_everybody_counts_before_anybody_pays(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control, and the auditor sees it."""

    async def lock_nothing(_connection: Connection, _sale_id: str, _card: str) -> None:
        """Take no lock."""

    monkeypatch.setattr(cards, "lock_card", lock_nothing)
    assert await race(till, monkeypatch, asyncio.Barrier(ORDERS).wait) == ORDERS
    named = {one.check for one in (await audit(till.database)).violations}
    assert named == {"card_within_limit"}
