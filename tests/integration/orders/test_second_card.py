"""A page that takes a second card after a declined one, while its order has a fresh page too."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from commerce.goods.press_rules.model import PressRules
from commerce.insight.audit.service import audit
from tests.support.club import Club, check_books
from tests.support.grouping import open_group_buy
from tests.support.shop import make_shop
from tests.support.till import Buyer, Till, order_one, told_by
from tests.support.unlocking import LOW, Crowd


async def decline(till: Till, buyer: Buyer, order: str, url: str) -> tuple[dict[str, Any], str]:
    """Have the first card declined; return that payment as the provider has it, and a fresh page.

    It is the older one for sure: the two may begin in the same millisecond.
    """
    await buyer.press(url, "decline")
    first = await till.remote(order)
    fresh = (await buyer.read(order))["payment"]
    if first["reference"] == fresh["id"]:
        row = await till.row(
            "SELECT id, reference, state, amount_minor, currency FROM sandbox.payments"
            " WHERE order_reference = $1 AND reference <> $2",
            order,
            fresh["id"],
        )
        first = dict(row)
    return first, fresh["url"]


async def take_card(till: Till, first: dict[str, Any], state: str = "authorised") -> None:
    """Let the old page take another card, and tell of it."""
    await till.change("UPDATE sandbox.payments SET state = $2 WHERE id = $1", first["id"], state)
    answer = await till.webhook(told_by(first, state))
    assert answer.status_code == 200, answer.text


async def settle_calls(till: Till) -> None:
    """Make every call that is owed to the provider."""
    while await till.payments.run_payment_calls():
        pass


async def money(till: Till) -> Counter[str]:
    """Count payments at the provider by state."""
    return Counter(await till.values("SELECT state FROM sandbox.payments"))


async def check_once(till: Till) -> None:
    """Nothing is kept for nothing, and no call is owed twice."""
    assert (await audit(till.database)).violations == []
    assert await till.values("SELECT kind FROM payment_calls WHERE state <> 'done'") == []


async def test_a_second_card_on_the_old_page_pays_and_closes_the_fresh_one(till: Till) -> None:
    _, sale = await till.sale()
    buyer = await till.buyer()
    order, url = await order_one(till, sale, buyer)
    first, _ = await decline(till, buyer, order, url)
    await take_card(till, first)
    shown = await buyer.read(order)
    assert (shown["state"], shown["payment"]["id"]) == ("paid", first["reference"])
    await settle_calls(till)
    assert await money(till) == {"captured": 1, "voided": 1}
    shown = await buyer.read(order)
    assert (shown["payment"]["state"], shown["payment"]["attempt"]) == ("captured", 2)
    await check_once(till)


@pytest.mark.parametrize(("state", "wanted"), [("authorised", "voided"), ("captured", "refunded")])
async def test_a_second_card_for_an_order_that_is_paid_goes_back_once(
    till: Till, state: str, wanted: str
) -> None:
    _, sale = await till.sale()
    buyer = await till.buyer()
    order, url = await order_one(till, sale, buyer)
    first, fresh = await decline(till, buyer, order, url)
    await buyer.press(fresh, "pay")
    await take_card(till, first, state)
    await take_card(till, first, state)
    await settle_calls(till)
    assert await money(till) == {"captured": 1, wanted: 1}
    assert till.news("payment.voided") == [{"order": order, "reason": "already_paid"}]
    assert (await buyer.read(order))["payment"]["state"] == "captured"
    await check_once(till)


async def pay_in_silence(till: Till, state: str) -> tuple[Buyer, str, dict[str, Any], str]:
    """Let the page of a declined card take another one, of which nothing is told.

    Returns the buyer, the order, that page's payment, and the address of the fresh page.
    """
    _, sale = await till.sale()
    buyer = await till.buyer()
    order, url = await order_one(till, sale, buyer)
    first, fresh = await decline(till, buyer, order, url)
    await till.change("UPDATE sandbox.payments SET state = $2 WHERE id = $1", first["id"], state)
    return buyer, order, first, fresh


@pytest.mark.parametrize("state", ["authorised", "captured"])
async def test_a_second_card_that_nobody_tells_of_is_asked_after(till: Till, state: str) -> None:
    """The buyer waits for an order that is paid for, as after any lost webhook."""
    buyer, order, first, _ = await pay_in_silence(till, state)
    assert await till.payments.poll_silent_payments(silent_ms=0) == 2
    shown = await buyer.read(order)
    assert (shown["state"], shown["payment"]["id"]) == ("paid", first["reference"])
    await settle_calls(till)
    assert await money(till) == {"captured": 1, "voided": 1}
    await check_once(till)


@pytest.mark.parametrize(("state", "wanted"), [("authorised", "voided"), ("captured", "refunded")])
async def test_a_second_card_that_nobody_tells_of_goes_back_once_the_order_is_paid(
    till: Till, state: str, wanted: str
) -> None:
    """No page of an order that has its money stays open: what one took meanwhile is found there."""
    buyer, _, _, fresh = await pay_in_silence(till, state)
    await buyer.press(fresh, "pay")
    await settle_calls(till)
    assert await money(till) == {"captured": 1, wanted: 1}
    await check_once(till)


@pytest.mark.parametrize(("state", "wanted"), [("authorised", "voided"), ("captured", "refunded")])
async def test_a_second_card_that_nobody_tells_of_goes_back_once_the_order_is_over(
    till: Till, state: str, wanted: str
) -> None:
    buyer, order, _, _ = await pay_in_silence(till, state)
    await buyer.client.post(f"/api/orders/{order}/cancel", headers={"Idempotency-Key": "k"})
    await settle_calls(till)
    assert await money(till) == Counter(["voided", wanted])
    await check_once(till)


async def test_a_second_card_after_a_void_that_found_nothing_is_let_go(till: Till) -> None:
    """The order was cancelled meanwhile; what the void answered was true then."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order, url = await order_one(till, sale, buyer)
    till.wires.is_cut = True
    await buyer.press(url, "decline")
    till.wires.is_cut = False
    await buyer.client.post(f"/api/orders/{order}/cancel", headers={"Idempotency-Key": "k"})
    await settle_calls(till)
    assert await till.values("SELECT state FROM payments") == ["declined"]
    await take_card(till, await till.remote(order))
    await settle_calls(till)
    assert await money(till) == {"voided": 1}
    await check_once(till)


@pytest.mark.parametrize(("state", "wanted"), [("authorised", "voided"), ("captured", "refunded")])
async def test_a_team_takes_each_members_money_once(till: Till, state: str, wanted: str) -> None:
    """What was let go before the team formed is not taken when it does."""
    club = Club(till, await open_group_buy(till.database, await make_shop(till.database)))
    buyer, team, order, url = await club.member()
    first, fresh = await decline(till, buyer, order, url)
    await buyer.press(fresh, "pay")
    await take_card(till, first, state)
    for _ in range(2):
        _, _, _, page = await club.member(team)
        await buyer.press(page, "pay")
    await club.run_jobs()
    assert await club.states() == {"paid": 3}
    assert await club.money() == {"captured": 3, wanted: 1}
    assert till.news("payment.voided") == [{"order": order, "reason": "already_paid"}]
    await check_books(club)


@pytest.mark.parametrize(("state", "wanted"), [("authorised", "voided"), ("captured", "refunded")])
async def test_a_threshold_takes_each_promise_once(till: Till, state: str, wanted: str) -> None:
    """Nor is an order called off because of money that was taken, and is on its way back."""
    crowd = await Crowd.gather(till)
    buyer, order, url = await crowd.order()
    first, fresh = await decline(till, buyer, order, url)
    await buyer.press(fresh, "pay")
    await take_card(till, first, state)
    await crowd.promise()
    await crowd.promise()
    await crowd.run_jobs()
    assert await crowd.orders() == {("paid", LOW): 3}
    amounts = await till.values("SELECT amount_minor FROM sandbox.payments WHERE state='captured'")
    assert amounts == [LOW] * 3
    assert (await money(till))[wanted] == 1
    assert till.news("payment.voided") == [{"order": order, "reason": "already_paid"}]
    assert (await till.reconciliation.reconcile(0)).differences == []


async def test_who_is_released_is_told_once_of_each_card(till: Till) -> None:
    crowd = await Crowd.gather(till, otherwise="release")
    buyer, order, url = await crowd.order()
    first, fresh = await decline(till, buyer, order, url)
    await buyer.press(fresh, "pay")
    await take_card(till, first)
    await crowd.pass_time()
    await crowd.run_jobs()
    assert await money(till) == {"voided": 2}
    told = [news["reason"] for news in till.news("payment.voided")]
    assert told == ["already_paid", "not_unlocked"]
    await check_once(till)


async def test_the_old_pages_card_is_asked_for_where_it_decides(till: Till) -> None:
    """The webhook names none: the order must not end as if nobody could know it."""
    _, sale = await till.sale(rules=PressRules(per_card=1))
    buyer = await till.buyer()
    order, url = await order_one(till, sale, buyer)
    first, _ = await decline(till, buyer, order, url)
    await till.change("UPDATE sandbox.payments SET card = 'test-1' WHERE id = $1", first["id"])
    await take_card(till, first)
    assert (await buyer.read(order))["state"] == "paid"
