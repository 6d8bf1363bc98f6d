"""A price that falls for everybody: granted at the plain one, taken at the one that holds."""

from __future__ import annotations

import asyncio

import pytest

from commerce.goods.press_rules.model import PressRules
from commerce.insight.audit.service import audit
from commerce.sales.flash_sales.service import finish
from commerce.sales.pricing.store import select_lowest_of_30_days
from commerce.sales.unlocks.model import Otherwise, UnlockTerms
from tests.support.till import Till, told_by
from tests.support.unlocking import LOW, PLAIN, Crowd, check_books


@pytest.fixture
async def crowd(till: Till) -> Crowd:
    """Ten units at the plain price; it falls with the third."""
    return await Crowd.gather(till)


async def test_the_unit_that_is_enough_lets_the_price_fall_for_everybody(crowd: Crowd) -> None:
    """Whoever paid before, whoever only ordered, whoever holds, and whoever comes after."""
    first, order = await crowd.promise()
    await crowd.promise()
    holder, held = await crowd.hold()
    waiter, waiting, url = await crowd.order()
    shown = await first.read(order)
    assert (shown["state"], shown["total_minor"]) == ("awaiting_group", PLAIN)
    assert shown["lines"][0]["unlock"] == {
        "state": "open",
        "units": 3,
        "price_minor": LOW,
        "total_minor": LOW,
        "otherwise": "charge",
    }
    assert await crowd.money() == {("authorised", PLAIN): 2, ("created", PLAIN): 1}
    await check_books(crowd)

    await crowd.promise()

    assert await crowd.outcome() == ("unlocked", 1)
    answer = (await holder.order([held])).json()
    assert answer["order"]["total_minor"] == LOW
    assert (await crowd.order())[0] is not None
    await check_books(crowd)
    await crowd.run_jobs()
    await waiter.press(url, "pay")
    await crowd.run_jobs()
    assert (await waiter.read(waiting))["total_minor"] == LOW
    assert await crowd.orders() == {("paid", LOW): 4, ("awaiting_payment", LOW): 2}
    assert await crowd.money() == {("captured", LOW): 4, ("created", LOW): 2}
    shown = await first.read(order)
    assert shown["lines"][0]["unlock"]["state"] == "unlocked"
    assert shown["lines"][0]["unit_price_minor"] == LOW
    await check_books(crowd)


async def test_missed_everybody_pays_the_plain_price(crowd: Crowd) -> None:
    await crowd.promise()
    late, order, url = await crowd.order()
    await crowd.pass_time()
    # The clock alone decides, and whoever had ordered buys as was agreed.
    await late.press(url, "pay")
    assert (await late.read(order))["state"] == "paid"
    await crowd.run_jobs()
    assert await crowd.outcome() == ("missed", 0)
    assert await crowd.orders() == {("paid", PLAIN): 2}
    assert await crowd.money() == {("captured", PLAIN): 2}
    await check_books(crowd)


async def test_missed_everybody_is_released_where_the_host_chose_so(till: Till) -> None:
    crowd = await Crowd.gather(till, otherwise="release")
    buyer, order = await crowd.promise()
    late, late_order, url = await crowd.order()
    async with till.database.transaction() as transaction:
        await finish(transaction, crowd.sale, "end")
    await late.press(url, "pay")
    await crowd.run_jobs()
    assert await crowd.outcome() == ("missed", 0)
    assert (await buyer.read(order))["state"] == "expired"
    assert (await buyer.read(order))["payment"]["reason"] == "not_unlocked"
    assert {news["reason"] for news in till.news("payment.voided")} == {"not_unlocked"}
    assert set(await crowd.money()) == {("voided", PLAIN)}
    assert (await late.read(late_order))["state"] != "paid"
    await check_books(crowd)


@pytest.mark.parametrize(("otherwise", "goes_on"), [("charge", True), ("release", False)])
@pytest.mark.parametrize("event", ["end", "cancel"])
async def test_a_hold_that_is_not_ordered_ends_where_nobody_is_charged(
    till: Till, otherwise: Otherwise, goes_on: bool, event: str
) -> None:
    """The card said so: nobody is left to pay the plain price. Where all are charged it stands."""
    goes_on = goes_on and event == "end"
    crowd = await Crowd.gather(till, otherwise=otherwise)
    holder, held = await crowd.hold()
    async with till.database.transaction() as transaction:
        await finish(transaction, crowd.sale, event)
    await crowd.run_jobs()
    assert await crowd.outcome() == ("missed", 0)
    ordered = await holder.order([held])
    told = [news["reason"] for news in till.news("reservation.expired")]
    if goes_on:
        assert (ordered.status_code, told) == (201, [])
    else:
        assert (ordered.json()["error"]["code"], told) == ("reservation_gone", ["not_unlocked"])
    await check_books(crowd)


async def test_whoever_leaves_before_counts_no_more_and_after_has_bought(crowd: Crowd) -> None:
    key = {"headers": {"Idempotency-Key": "k"}}
    leaver, left = await crowd.promise()
    stays, kept = await crowd.promise()
    cancelled = await leaver.client.post(f"/api/orders/{left}/cancel", **key)
    assert cancelled.status_code == 200, cancelled.text
    await crowd.promise()
    assert await crowd.outcome() == ("open", 0)
    await crowd.promise()
    assert await crowd.outcome() == ("unlocked", 1)
    refused = await stays.client.post(f"/api/orders/{kept}/cancel", **key)
    assert refused.json()["error"]["code"] == "wrong_state"
    await crowd.run_jobs()
    assert await crowd.money() == {("captured", LOW): 3, ("voided", PLAIN): 1}
    await check_books(crowd)


async def test_several_units_of_one_order_count_each(crowd: Crowd) -> None:
    await crowd.promise(qty=3)
    assert await crowd.outcome() == ("unlocked", 1)
    await crowd.run_jobs()
    assert await crowd.money() == {("captured", 3 * LOW): 1}
    await check_books(crowd)


async def test_money_that_was_taken_early_goes_back_whole(crowd: Crowd) -> None:
    """Nobody asked for it: it cannot be taken in part any more."""
    buyer, order = await crowd.promise()
    remote = await crowd.till.remote(order)
    await crowd.till.client().post(
        f"/sandbox-pay/api/payments/{remote['id']}/capture",
        headers={"Authorization": "Bearer the shop's key at the sandbox"},
    )
    await crowd.till.change("UPDATE sandbox.webhooks SET next_at_ms = 0")
    await crowd.till.sender.deliver_due()
    await crowd.promise()
    await crowd.promise()
    await crowd.promise()
    await crowd.run_jobs()
    assert (await buyer.read(order))["state"] == "cancelled"
    assert await crowd.orders() == {("paid", LOW): 3, ("cancelled", PLAIN): 1}
    assert await crowd.money() == {("captured", LOW): 3, ("refunded", PLAIN): 1}
    await check_books(crowd)


async def test_money_that_is_taken_at_once_ends_its_order_and_goes_back_once(
    crowd: Crowd,
) -> None:
    """There is no page left to pay at: the units are free for whoever can promise."""
    buyer, order, _ = await crowd.order(qty=2)
    await crowd.till.change("UPDATE sandbox.payments SET state = 'captured'")
    assert (
        await crowd.till.webhook(told_by(await crowd.till.remote(order), "captured"))
    ).status_code == 200
    assert (await buyer.read(order))["state"] == "cancelled"
    assert crowd.till.news("payment.voided") == [{"order": order, "reason": "captured_early"}]
    assert await crowd.till.values("SELECT claimed FROM stock WHERE sale_id IS NOT NULL") == [0]
    await crowd.run_jobs()
    assert await crowd.money() == {("refunded", 2 * PLAIN): 1}
    assert await crowd.till.values("SELECT count(*) FROM refunds") == [1]
    await check_books(crowd)


async def test_authorisations_that_are_gone_end_their_orders_and_the_price_stays(
    crowd: Crowd,
) -> None:
    _, gone = await crowd.promise()
    await crowd.promise()
    await crowd.promise()
    await crowd.till.change(
        "UPDATE sandbox.payments SET state = 'voided' WHERE order_reference = $1", gone
    )
    await crowd.run_jobs()
    assert await crowd.orders() == {("paid", LOW): 2, ("expired", LOW): 1}
    assert await crowd.outcome() == ("unlocked", 1)
    await check_books(crowd)


async def test_the_lowest_of_30_days_knows_the_price_that_everybody_got(crowd: Crowd) -> None:
    sku = (await crowd.till.values("SELECT sku FROM sales LIMIT 1"))[0]

    async def lowest() -> int:
        async with crowd.till.database.reading() as connection:
            now_ms = await connection.fetchval("SELECT clock_ms()")
            found = await select_lowest_of_30_days(connection, sku, now_ms + 1)
        assert found is not None
        return found.price_minor

    await asyncio.gather(crowd.promise(), crowd.promise())
    assert await lowest() == PLAIN
    await crowd.promise()
    assert await lowest() == LOW


async def test_an_offer_whose_price_may_fall_is_ordered_by_itself(crowd: Crowd) -> None:
    buyer, one = await crowd.hold()
    other = await crowd.till.reserve(crowd.sale, buyer.id)
    answer = await buyer.order([one, other])
    assert answer.json()["error"]["code"] == "invalid_request"
    quoted = await buyer.client.post("/api/quotes", json={"reservations": [one]})
    assert quoted.json()["quote"]["total_minor"] == PLAIN
    assert quoted.json()["quote"]["unlocked_total_minor"] == LOW


async def test_a_card_that_promises_counts_before_anything_is_sold(till: Till) -> None:
    """Nothing is sold until the threshold is decided: the limit must not wait for that."""
    terms = UnlockTerms(3, LOW)
    _, sale = await till.sale(quantity=10, unlock=terms, rules=PressRules(per_card=1))
    crowd = Crowd(till, sale)
    states = []
    for _ in range(2):
        buyer, order, url = await crowd.order()
        await buyer.client.post(url, data={"act": "pay", "card": "test-1"})
        states.append((await buyer.read(order))["state"])
    assert states == ["awaiting_group", "cancelled"]
    assert till.news("payment.voided")[0]["reason"] == "card_limit"


async def test_the_audit_counts_what_a_card_has_promised(till: Till) -> None:
    """A limit that was passed is seen while the money waits, not when it is taken."""
    _, sale = await till.sale(quantity=10, unlock=UnlockTerms(3, LOW), rules=PressRules(per_card=2))
    crowd = Crowd(till, sale)
    for _ in range(2):
        buyer, _, url = await crowd.order()
        await buyer.client.post(url, data={"act": "pay", "card": "test-1"})
    assert (await audit(till.database)).violations == []
    await till.change(
        "UPDATE sales SET rules = jsonb_set(rules, '{per_card}', '1') WHERE id = $1", sale
    )
    found = (await audit(till.database)).violations
    assert [one.check for one in found] == ["card_within_limit"]


async def test_a_lower_total_that_is_not_its_quote_takes_nothing(crowd: Crowd) -> None:
    """Somebody changed a row: both in the transaction that lets it fall, and in the job."""
    first, order = await crowd.promise()
    await crowd.promise()
    last, last_order, url = await crowd.order()
    await crowd.till.change("UPDATE order_unlocks SET total_minor = total_minor - 1")
    await last.press(url, "pay")
    assert (await last.read(last_order))["state"] == "cancelled"
    await crowd.run_jobs()
    assert (await first.read(order))["payment"]["reason"] == "total_mismatch"
    assert {state for state, _ in await crowd.money()} == {"voided"}
    assert (await crowd.till.values("SELECT state FROM orders")) == ["cancelled"] * 3


async def take_whole(crowd: Crowd, order: str, *, tell: bool) -> None:
    """Somebody takes all of the granted money at the provider, where we want less."""
    remote = await crowd.till.remote(order)
    await crowd.till.client().post(
        f"/sandbox-pay/api/payments/{remote['id']}/capture",
        headers={"Authorization": "Bearer the shop's key at the sandbox"},
    )
    if tell:
        await crowd.till.change("UPDATE sandbox.webhooks SET next_at_ms = 0")
        await crowd.till.sender.deliver_due()


@pytest.mark.parametrize("is_told", [True, False])
async def test_what_was_taken_beyond_the_fallen_price_goes_back_once(
    crowd: Crowd, *, is_told: bool
) -> None:
    """By the webhook, or by the answer to our own capture; told again, nothing more goes back."""
    buyer, order = await crowd.promise()
    await crowd.promise()
    await crowd.promise()
    await crowd.till.settlement.pay_decided()
    await take_whole(crowd, order, tell=is_told)
    if is_told:
        # Somebody in the dashboard was first; the shop hears of it before it asks.
        assert (await crowd.till.values("SELECT count(*) FROM refunds")) == [1]
        await check_books(crowd)
    await crowd.run_jobs()
    remote = await crowd.till.remote(order)
    again = await crowd.till.webhook(told_by(remote, "captured"))
    assert again.status_code == 200
    await crowd.run_jobs()
    assert await crowd.orders() == {("paid", LOW): 3}
    assert await crowd.money() == {("captured", LOW): 2, ("captured", PLAIN): 1}
    backs = await crowd.till.values("SELECT amount_minor FROM sandbox.refunds")
    assert backs == [PLAIN - LOW]
    told = [(news["order"], news["state"]) for news in crowd.till.news("payment.excess")]
    assert told == [(order, "pending"), (order, "done")]
    shown = await buyer.read(order)
    assert (shown["state"], shown["total_minor"], shown.get("refunded_minor", 0)) == (
        "paid",
        LOW,
        0,
    )
    assert [(one["origin"], one["state"], one["amount_minor"]) for one in shown["refunds"]] == [
        ("excess", "done", PLAIN - LOW)
    ]
    assert (await crowd.till.reconciliation.reconcile(0)).differences == []
    await check_books(crowd)


async def test_a_person_gives_back_the_order_and_not_the_excess_again(crowd: Crowd) -> None:
    """Also while the bank refuses the excess: it stays what it was, to be asked for again."""
    _, order = await crowd.promise()
    await crowd.promise()
    await crowd.promise()
    await crowd.till.settlement.pay_decided()
    await take_whole(crowd, order, tell=True)
    await crowd.till.change("UPDATE refunds SET state = 'failed'")
    await crowd.till.change("UPDATE payment_calls SET state = 'failed' WHERE kind = 'refund'")
    host = crowd.till.sign_in(
        (await crowd.till.values("SELECT host_id::text FROM rooms"))[0], name="X", role="host"
    )
    path, key = f"/api/orders/{order}/refunds", {"Idempotency-Key": "all"}
    answer = await host.client.post(path, json={"reason": "broken"}, headers=key)
    assert answer.status_code == 201, answer.text
    await crowd.run_jobs()
    excess = next(one for one in answer.json()["order"]["refunds"] if one["origin"] == "excess")
    again = await host.client.post(
        f"{path}/{excess['id']}/retry", headers={"Idempotency-Key": "again"}
    )
    assert again.status_code in (200, 201), again.text
    await crowd.run_jobs()
    assert sorted(await crowd.till.values("SELECT amount_minor FROM sandbox.refunds")) == sorted(
        [LOW, PLAIN - LOW]
    )
    states = await crowd.till.values(
        "SELECT o.state || ' ' || p.state FROM orders o JOIN payments p ON p.order_id = o.id"
        " WHERE o.id = $1",
        order,
    )
    assert states == ["refunded refunded"]
    assert (await audit(crowd.till.database)).violations == []


async def test_more_than_was_granted_is_for_a_person(crowd: Crowd) -> None:
    _, order = await crowd.promise()
    await crowd.promise()
    await crowd.promise()
    await crowd.till.settlement.pay_decided()
    remote = await crowd.till.remote(order)
    answer = await crowd.till.webhook(told_by(remote, "captured", amount_minor=PLAIN + 1))
    assert answer.json()["error"]["code"] == "amount_mismatch"
    assert await crowd.till.values("SELECT count(*) FROM refunds") == [0]
