"""Stripe end to end against localstripe: created, paid, captured, let go, given back."""

from __future__ import annotations

import pytest

from commerce.goods.press_rules.model import PressRules
from commerce.insight.audit.service import audit
from commerce.orders.payments.model import Payment
from commerce.sales.unlocks.model import UnlockTerms
from server.wiring.sources import SystemClock
from tests.support.refunding import PaidOrder, broken
from tests.support.stripe_fake import DECLINED_CARD, StripeSide, encode, event_of, signed
from tests.support.stripe_shop import AUTHORISED, pay, place, ref, tell
from tests.support.till import Till

PRICE = 19_900


async def test_a_card_is_authorised_confirmed_and_then_captured(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """Held at Stripe, the order paid in PostgreSQL, and only then the money taken."""
    order, intent_id = await place(stripe_till)
    intent = await stripe_side.intent(intent_id)
    assert (intent["amount"], intent["currency"]) == (PRICE, "cny")
    assert (intent["capture_method"], intent["status"]) == ("manual", "requires_payment_method")
    shown = (await order.read())["payment"]
    assert intent["metadata"]["hubbub_payment"] == shown["id"]
    assert shown["url"].endswith(f"/pay/stripe/{shown['id']}")

    await pay(stripe_till, stripe_side, intent_id)

    assert (await order.read())["state"] == "paid"
    assert (await stripe_side.intent(intent_id))["status"] == "requires_capture"
    assert await stripe_till.payments.run_payment_calls() == 1
    assert (await stripe_side.intent(intent_id))["status"] == "succeeded"
    assert (await order.read())["payment"]["state"] == "captured"
    assert stripe_side.wires.keys("/v1/payment_intents") == [f"create:{shown['id']}"]
    assert stripe_side.wires.keys("/capture") == [f"capture:{shown['id']}"]
    [taken] = [one for one in stripe_side.wires.requests if one.url.path.endswith("/capture")]
    assert taken.content.decode() == f"amount_to_capture={PRICE}"
    assert (await audit(stripe_till.database)).violations == []


async def test_events_twice_and_out_of_order_are_one_payment(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """`succeeded` before the authorisation, each twice, and a late failure of another card."""
    order, intent_id = await place(stripe_till)
    await stripe_side.enter_card(intent_id)
    held = event_of(await stripe_side.intent(intent_id), AUTHORISED)
    await stripe_side.post(f"/v1/payment_intents/{intent_id}/capture")
    taken = event_of(await stripe_side.intent(intent_id), "payment_intent.succeeded")
    failed = event_of(
        {**held["data"]["object"], "status": "requires_payment_method"},
        "payment_intent.payment_failed",
    )
    answers = [await tell(stripe_till, event) for event in (taken, held, taken, failed, held)]
    assert [answer.json()["is_new"] for answer in answers] == [True, True, False, True, False]
    shown = await order.read()
    assert (shown["state"], shown["payment"]["state"]) == ("paid", "captured")
    assert len(stripe_till.news("order.paid")) == 1
    assert await stripe_till.payments.run_payment_calls() == 0


async def test_a_lost_event_is_found_by_asking(stripe_till: Till, stripe_side: StripeSide) -> None:
    """No webhook at all: the poller sees the held money."""
    order, intent_id = await place(stripe_till)
    await stripe_side.enter_card(intent_id)
    assert await stripe_till.payments.poll_silent_payments(silent_ms=0) == 1
    assert (await order.read())["state"] == "paid"


async def test_a_declined_card_leaves_the_order_waiting(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """The page stays open for another card; the hold runs on, nothing is charged."""
    order, intent_id = await place(stripe_till)
    assert (await stripe_side.enter_card(intent_id, DECLINED_CARD)).status_code == 402
    event = event_of(await stripe_side.intent(intent_id), "payment_intent.payment_failed")
    assert (await tell(stripe_till, event)).status_code == 200
    shown = await order.read()
    assert (shown["state"], shown["payment"]["state"]) == ("awaiting_payment", "created")
    assert shown["payment"]["url"] is not None
    assert shown["payment"]["attempt"] == 1


async def test_a_cancelled_order_cancels_its_intent(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """Voided there; making the call again finds it done."""
    order, intent_id = await place(stripe_till)
    answer = await order.buyer.client.post(
        f"/api/orders/{order.id}/cancel", headers={"Idempotency-Key": "c"}
    )
    assert answer.status_code == 200
    assert await stripe_till.payments.run_payment_calls() == 1
    assert (await stripe_side.intent(intent_id))["status"] == "canceled"
    await stripe_till.change(
        "UPDATE payment_calls SET state = 'pending', next_at_ms = 0 WHERE kind = 'void'"
    )
    assert await stripe_till.payments.run_payment_calls() == 1
    assert await stripe_till.values("SELECT state FROM payment_calls WHERE kind = 'void'") == [
        "done"
    ]


async def test_money_that_comes_too_late_is_let_go(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """The sale was stopped for good while the card was typed: the authorisation is cancelled."""
    order, intent_id = await place(stripe_till)
    await stripe_till.end_holds(order.sale)
    await stripe_till.change("UPDATE sales SET state = 'cancelled' WHERE kind = 'flash'")
    await pay(stripe_till, stripe_side, intent_id)
    await stripe_till.payments.run_payment_calls()
    assert (await order.read())["state"] == "expired"
    assert (await stripe_side.intent(intent_id))["status"] == "canceled"
    assert len(stripe_till.news("payment.voided")) == 1


async def test_an_absent_stripe_makes_calls_late_and_one_capture(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """Unreachable, then an answer lost: every attempt has the same key, money is taken once."""
    order, intent_id = await place(stripe_till)
    await pay(stripe_till, stripe_side, intent_id)
    wires = stripe_side.wires
    for wires.is_cut, wires.are_answers_lost in ((True, False), (False, True), (False, False)):
        await stripe_till.change("UPDATE payment_calls SET next_at_ms = 0 WHERE kind = 'capture'")
        assert await stripe_till.payments.run_payment_calls() == 1
    assert (await order.read())["payment"]["state"] == "captured"
    keys = wires.keys("/capture")
    assert len(keys) == 3
    assert len(set(keys)) == 1
    sums = await stripe_side.list("/v1/balance_transactions?limit=100")
    mine = (await stripe_side.intent(intent_id))["latest_charge"]["id"]
    assert [one["amount"] for one in sums if one["source"] == mine] == [PRICE], "taken once"


async def test_an_order_made_while_stripe_is_away_is_created_by_the_job(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """The buyer gets the page a moment later, with the same key."""
    stripe_side.wires.is_cut = True
    order, intent_id = await place(stripe_till)
    assert intent_id == "None"
    assert (await order.read())["payment"]["url"] is None
    stripe_side.wires.is_cut = False
    await stripe_till.change("UPDATE payment_calls SET next_at_ms = 0")
    assert await stripe_till.payments.run_payment_calls() == 1
    assert (await order.read())["payment"]["url"] is not None
    keys = stripe_side.wires.keys("/v1/payment_intents")
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_other_money_than_asked_for_changes_nothing(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """An amount changed over there is refused by webhook and poller alike."""
    order, intent_id = await place(stripe_till)
    await stripe_side.post(f"/v1/payment_intents/{intent_id}", {"amount": "100"})
    await stripe_side.enter_card(intent_id)
    intent = await stripe_side.intent(intent_id)
    response = await tell(stripe_till, event_of({**intent, "amount": 100}, AUTHORISED))
    assert response.json()["error"]["code"] == "amount_mismatch"
    await stripe_till.payments.poll_silent_payments(silent_ms=0)
    assert (await order.read())["state"] == "awaiting_payment"


@pytest.mark.parametrize(
    "fault", ["secret", "age", "future", "two times", "garbage", "missing", "body"]
)
async def test_an_event_that_is_not_stripes_changes_nothing(
    stripe_till: Till, stripe_side: StripeSide, fault: str
) -> None:
    """Wrong secret, too old, too new, old with a new time beside it, malformed, absent: 400."""
    order, intent_id = await place(stripe_till)
    event = event_of(await stripe_side.intent(intent_id), AUTHORISED)
    event["data"]["object"]["status"] = "requires_capture"
    if fault in ("secret", "age", "future"):
        age_s = {"secret": 0, "age": 400, "future": -400}[fault]
        secret = "whsec_another" if fault == "secret" else None
        response = await tell(stripe_till, event, secret=secret, age_s=age_s)
    elif fault == "two times":
        body = encode(event)
        headers = {
            "Stripe-Signature": f"x=1, t={SystemClock().now_ms() // 1000},{signed(body, age_s=400)}"
        }
        response = await stripe_till.client().post(
            "/api/payments/stripe/webhook", content=body, headers=headers
        )
    elif fault == "body":
        body = encode({"id": "evt_1", "type": AUTHORISED, "data": {"object": {"id": 5}}})
        headers = {"Stripe-Signature": signed(body)}
        response = await stripe_till.client().post(
            "/api/payments/stripe/webhook", content=body, headers=headers
        )
    else:
        headers = {"Stripe-Signature": "t=x,v1=y"} if fault == "garbage" else {}
        response = await stripe_till.client().post(
            "/api/payments/stripe/webhook", json=event, headers=headers
        )
    assert response.status_code == 400
    wanted = "invalid_request" if fault == "body" else "bad_signature"
    assert response.json()["error"]["code"] == wanted
    assert (await order.read())["state"] == "awaiting_payment"


async def test_events_about_nothing_of_ours_are_taken_and_ignored(stripe_till: Till) -> None:
    """The account may have other uses, and other kinds of events."""
    foreign = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 5,
        "currency": "eur",
        "metadata": {},
        "status": "succeeded",
    }
    for event in (
        event_of(foreign, "payment_intent.succeeded"),
        event_of({"id": "cus_1", "object": "customer"}, "customer.created"),
    ):
        assert (await tell(stripe_till, event)).status_code == 200


async def test_money_goes_back_in_parts(stripe_till: Till, stripe_side: StripeSide) -> None:
    """A part, whose lost answer is found by our id instead of a second refund; then the rest."""
    order, intent_id = await place(stripe_till)
    await pay(stripe_till, stripe_side, intent_id)
    await stripe_till.payments.run_payment_calls()
    assert (await order.refund(amount_minor=900)).status_code == 201
    stripe_side.wires.are_answers_lost = True
    await stripe_till.payments.run_payment_calls()
    stripe_side.wires.are_answers_lost = False
    await stripe_till.change("UPDATE payment_calls SET next_at_ms = 0 WHERE state = 'pending'")
    await stripe_till.payments.run_payment_calls()
    await order.refund(restock=True)
    await stripe_till.payments.run_payment_calls()
    shown = await order.read()
    assert (shown["state"], shown["refunded_minor"]) == ("refunded", PRICE)
    refunds = await stripe_side.list(f"/v1/refunds?payment_intent={intent_id}")
    assert sorted(refund["amount"] for refund in refunds) == [900, PRICE - 900]
    ours = {refund["metadata"]["hubbub_refund"] for refund in refunds}
    assert ours == {refund["id"] for refund in shown["refunds"]}
    event = event_of(refunds[0], "refund.updated")
    assert (await tell(stripe_till, event)).status_code == 200
    assert await broken(stripe_till) == {}
    assert (await audit(stripe_till.database)).violations == []


async def test_a_refund_that_fails_at_the_bank_is_shown(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """`refund.failed` comes days later for one that was pending: a person can ask again."""
    order, intent_id = await place(stripe_till)
    await pay(stripe_till, stripe_side, intent_id)
    await stripe_till.payments.run_payment_calls()
    refund_id = (await order.refund()).json()["refund"]["id"]
    payment_id = (await order.read())["payment"]["id"]
    refund = {
        "id": "re_1",
        "object": "refund",
        "amount": PRICE,
        "currency": "cny",
        "status": "failed",
        "failure_reason": "expired_or_canceled_card",
        "metadata": {"hubbub_payment": payment_id, "hubbub_refund": refund_id},
    }
    assert (await tell(stripe_till, event_of(refund, "refund.failed"))).status_code == 200
    [shown] = (await order.read())["refunds"]
    assert shown["state"] == "failed"
    assert await stripe_till.values("SELECT error FROM refunds") == ["expired_or_canceled_card"]
    assert (await order.retry(refund_id)).json()["refund"]["state"] == "pending"
    await stripe_till.payments.run_payment_calls()
    assert (await order.read())["state"] == "refunded"


async def test_a_wrong_key_is_an_operators_to_mend(
    stripe_till: Till, stripe_side: StripeSide, localstripe: str
) -> None:
    """The call stays owed; no key is in what is noted."""
    wrong = StripeSide(localstripe)
    stripe_till.payments._providers["stripe"] = type(wrong.provider)(  # type: ignore[index]
        wrong.http, secret_key="wrong_key_value", webhook_secret="whsec_x", api_base=localstripe
    )
    await place(stripe_till)
    await stripe_till.change("UPDATE payment_calls SET next_at_ms = 0")
    await stripe_till.payments.run_payment_calls()
    row = await stripe_till.row("SELECT state, last_error FROM payment_calls")
    assert row["state"] == "pending"
    assert "wrong_key" not in row["last_error"]
    await wrong.close()


async def test_payments_of_the_sandbox_are_answered_for(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """Made before the change of provider: its webhook, capture and refund still work."""
    order, _ = await place(stripe_till)
    row = await stripe_till.row("SELECT id, order_id FROM payments")
    payment = Payment(str(row["id"]), order.id, "sandbox", None, None, PRICE, "CNY", "created")
    report = await stripe_till.provider.create(payment)
    await stripe_till.change(
        "UPDATE payments SET provider = 'sandbox', provider_ref = $1, url = $2",
        report.provider_ref,
        report.url,
    )
    assert report.url is not None
    await order.buyer.press(report.url, "pay")
    await stripe_till.payments.run_payment_calls()
    assert (await order.read())["payment"]["state"] == "captured"
    await order.refund()
    await stripe_till.payments.run_payment_calls()
    assert (await order.read())["state"] == "refunded"


async def test_units_for_each_card_are_counted_by_stripes_fingerprint(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """The event names no card, so Stripe is asked; the second order of one card is let go."""
    rules = PressRules(per_card=1)
    first, intent_id = await place(stripe_till, quantity=3, rules=rules)
    await pay(stripe_till, stripe_side, intent_id)
    second = PaidOrder(stripe_till, first.shop, first.sale, await stripe_till.buyer("Mo"))
    reservation = await stripe_till.reserve(first.sale, second.buyer.id)
    second.id = (await second.buyer.order([reservation])).json()["order"]["id"]
    other_id = await ref(stripe_till, second.id)
    await pay(stripe_till, stripe_side, other_id)
    states = [(await one.buyer.read(one.id))["state"] for one in (first, second)]
    assert states == ["paid", "cancelled"]
    news = stripe_till.news("payment.voided")
    assert news == [{"order": second.id, "reason": "card_limit"}]
    while await stripe_till.payments.run_payment_calls():
        pass
    assert (await stripe_side.intent(other_id))["status"] == "canceled"
    assert (await audit(stripe_till.database)).violations == []


async def test_stripe_taking_all_where_the_price_fell_gives_the_difference_back(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """Captured in the dashboard: our own capture is refused there, and learns why."""
    low = 9_900
    _, sale = await stripe_till.sale(unlock=UnlockTerms(2, low))
    intents = []
    for name in ("Lena", "Bo"):
        buyer = await stripe_till.buyer(name)
        answer = (await buyer.order([await stripe_till.reserve(sale, buyer.id)])).json()
        intents.append(await ref(stripe_till, answer["order"]["id"]))
        await pay(stripe_till, stripe_side, intents[-1])
    assert await stripe_till.settlement.pay_decided() == 1
    assert (await stripe_side.post(f"/v1/payment_intents/{intents[0]}/capture")).status_code == 200
    while await stripe_till.payments.run_payment_calls():
        pass
    taken = [(await stripe_side.intent(intent))["amount_received"] for intent in intents]
    assert taken == [PRICE, low]
    # Localstripe keeps the refunds of other tests too, and counts the rest of a lesser capture
    # among them, without a PaymentIntent.
    refunds = [
        (one["amount"], one["payment_intent"])
        for one in await stripe_side.list("/v1/refunds?limit=100")
        if one["payment_intent"] in intents
    ]
    assert refunds == [(PRICE - low, intents[0])]
    assert await stripe_till.values("SELECT state || total_minor FROM orders") == [f"paid{low}"] * 2
    told = event_of(await stripe_side.intent(intents[0]), "payment_intent.succeeded")
    assert (await tell(stripe_till, told)).status_code == 200
    assert await stripe_till.values("SELECT count(*) FROM refunds") == [1]
    assert [news["state"] for news in stripe_till.news("payment.excess")] == ["pending", "done"]
    assert (await audit(stripe_till.database)).violations == []
