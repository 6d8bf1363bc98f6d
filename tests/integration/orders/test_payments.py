"""Money and orders: webhooks as they really come, jobs, declines and money that is too late."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from commerce.insight.audit.service import audit
from commerce.orders.payments import store as payment_store
from commerce.orders.payments.model import Payment, PaymentReport
from server.providers.sandbox import SandboxProvider
from tests.support.shop import read_stock
from tests.support.till import Till, order_one, told_by


async def test_paying_makes_the_order_paid_and_tells_everybody(till: Till) -> None:
    """Reservation sold, order paid, buyer told, one masked chat line; then the capture."""
    _, sale = await till.sale()
    buyer = await till.buyer("Lena")
    order_id, url = await order_one(till, sale, buyer)
    version = (await read_stock(till.database, sale))["version"]

    response = await buyer.press(url, "pay")

    assert response.status_code == 303
    assert response.headers["location"] == f"/orders/{order_id}"
    order = await buyer.read(order_id)
    assert order["state"] == "paid"
    assert order["paid_at_ms"] > 0
    assert order["payment"]["state"] == "authorised"
    assert order["payment"]["url"] is None
    assert [news["order"]["id"] for news in till.news("order.paid")] == [order_id]
    assert till.lines() == [("L***a", "1 Tea bowl")]
    assert (await read_stock(till.database, sale))["version"] == version, "no stock is touched"
    assert await till.payments.run_payment_calls() == 1
    assert (await buyer.read(order_id))["payment"]["state"] == "captured"
    assert (await till.remote(order_id))["state"] == "captured"
    assert await till.payments.run_payment_calls() == 0
    assert (await audit(till.database)).violations == []


async def test_a_webhook_twice_is_one_order(till: Till) -> None:
    """The same event ten times at once, and a second event of the same news."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, _ = await order_one(till, sale, buyer)
    remote = await till.remote(order_id)
    body = told_by(remote, "authorised")

    answers = await asyncio.gather(*(till.webhook(body) for _ in range(10)))
    other = await till.webhook(told_by(remote, "authorised"))

    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["is_new"] for answer in answers) == 1
    assert other.status_code == 200
    assert len(till.news("order.paid")) == 1
    assert len(till.lines()) == 1
    assert await till.values("SELECT kind FROM payment_calls WHERE state = 'pending'") == [
        "capture"
    ]


async def test_confirming_at_once_from_everywhere_is_one_order_line(till: Till) -> None:
    """Webhooks with different ids and two pollers race; one of them settles."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, url = await order_one(till, sale, buyer)
    till.wires.is_cut = True
    await buyer.press(url, "pay")
    remote = await till.remote(order_id)

    await asyncio.gather(
        *(till.webhook(told_by(remote, "authorised")) for _ in range(5)),
        till.payments.poll_silent_payments(silent_ms=0),
        till.payments.poll_silent_payments(silent_ms=0),
    )

    assert (await buyer.read(order_id))["state"] == "paid"
    assert len(till.lines()) == len(till.news("order.paid")) == 1
    assert await till.values("SELECT state FROM reservations") == ["sold"]


async def test_webhooks_out_of_order_end_in_the_same_place(till: Till) -> None:
    """`captured` before `authorised`: paid and captured, and no second capture is owed."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, _ = await order_one(till, sale, buyer)
    remote = await till.remote(order_id)

    for state in ("captured", "authorised", "created", "declined"):
        assert (await till.webhook(told_by(remote, state))).status_code == 200

    order = await buyer.read(order_id)
    assert (order["state"], order["payment"]["state"]) == ("paid", "captured")
    assert await till.values("SELECT kind FROM payment_calls WHERE state = 'pending'") == []


@pytest.mark.parametrize("fault", ["secret", "age", "future", "garbage", "missing"])
async def test_a_webhook_with_a_bad_signature_changes_nothing(till: Till, fault: str) -> None:
    """Wrong secret, older than five minutes, malformed or absent: 400 `bad_signature`."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, _ = await order_one(till, sale, buyer)
    body = told_by(await till.remote(order_id), "authorised")
    if fault == "secret":
        response = await till.webhook(body, secret="another")
    elif fault in ("age", "future"):
        response = await till.webhook(body, age_s=301 if fault == "age" else -310)
    else:
        headers = {"Hubbub-Signature": b"v1=\xff"} if fault == "garbage" else {}
        response = await till.client().post(
            "/api/payments/sandbox/webhook", json=body, headers=headers
        )
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_signature"
    assert (await buyer.read(order_id))["state"] == "awaiting_payment"
    assert await till.values("SELECT count(*) FROM payment_events") == [0]


async def test_signed_nonsense_and_foreign_payments_are_harmless(till: Till) -> None:
    """A body of the wrong shape is 400, an unknown provider 404, an unknown payment 200."""
    shapeless = await till.webhook({"id": "we_1"})
    unknown = await till.webhook(
        told_by(
            {
                "id": "sp_1",
                "reference": str(uuid.uuid4()),
                "amount_minor": 1,
                "currency": "CNY",
            },
            "authorised",
        )
    )
    nobody = await till.client().post(
        "/api/payments/nobody/webhook",
        content=b"{}",
        headers={"Hubbub-Signature": "t=1,v1=" + "0" * 64},
    )
    assert shapeless.json()["error"]["code"] == "invalid_request"
    assert unknown.status_code == 200
    assert nobody.status_code == 404


async def test_other_money_than_asked_for_is_refused(till: Till) -> None:
    """A smaller amount never pays an order, and the event is not remembered as taken."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, _ = await order_one(till, sale, buyer)
    remote = await till.remote(order_id)

    response = await till.webhook(told_by(remote, "authorised", amount_minor=1))

    assert response.status_code == 422
    assert response.json()["error"]["code"] == "amount_mismatch"
    assert (await buyer.read(order_id))["state"] == "awaiting_payment"
    assert await till.values("SELECT count(*) FROM payment_events") == [0]


async def test_a_declined_buyer_can_pay_again(till: Till) -> None:
    """The hold continues, the buyer is told, and a fresh page takes the money."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, url = await order_one(till, sale, buyer)

    await buyer.press(url, "decline")

    order = await buyer.read(order_id)
    assert order["state"] == "awaiting_payment"
    assert (order["payment"]["state"], order["payment"]["attempt"]) == ("declined", 2)
    assert order["payment"]["url"] != url
    assert till.news("payment.declined") == [{"order": order_id}]
    assert await till.values("SELECT state FROM reservations") == ["paying"]
    await buyer.press(order["payment"]["url"], "pay")
    assert (await buyer.read(order_id))["state"] == "paid"
    assert (await audit(till.database)).violations == []


async def test_a_payment_created_over_other_money_is_left_to_a_person(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The buyer has the order, the job goes on to its other calls, the call waits as failed."""

    async def create(provider: SandboxProvider, payment: Payment) -> PaymentReport:
        return PaymentReport(payment.id, "sp_1", "created", payment.amount_minor + 1, "CNY")

    monkeypatch.setattr(SandboxProvider, "create", create)
    _, sale = await till.sale()
    buyer = await till.buyer()

    response = await buyer.order([await till.reserve(sale, buyer.id)])
    await till.change("UPDATE payment_calls SET next_at_ms = 0")
    tried = await till.payments.run_payment_calls()

    assert (response.status_code, response.json()["payment"]["url"]) == (201, None)
    assert tried == 1
    assert await till.values("SELECT state FROM payment_calls") == ["failed"]
    assert "amount_mismatch" in (await till.values("SELECT last_error FROM payment_calls"))[0]


async def test_a_closed_tab_is_found_by_asking(till: Till) -> None:
    """The buyer paid, the webhook is lost: the poller asks, but not sooner than it may."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, url = await order_one(till, sale, buyer)
    till.wires.is_cut = True
    await buyer.press(url, "pay")
    assert (await buyer.read(order_id))["state"] == "awaiting_payment"

    assert await till.payments.poll_silent_payments() == 0, "it is not silent long enough"
    assert await till.payments.poll_silent_payments(silent_ms=0) == 1

    assert (await buyer.read(order_id))["state"] == "paid"
    till.wires.is_cut = False
    await till.change("UPDATE sandbox.webhooks SET next_at_ms = 0")
    assert await till.sender.deliver_due() == 1
    assert len(till.news("order.paid")) == 1


async def test_a_lost_webhook_comes_again(till: Till) -> None:
    """The provider tries again until the shop takes it, and then stops."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, url = await order_one(till, sale, buyer)
    till.wires.is_cut = True
    await buyer.press(url, "pay")
    assert await till.sender.deliver_due() == 0, "the next attempt is not due yet"
    till.wires.is_cut = False
    await till.change("UPDATE sandbox.webhooks SET next_at_ms = 0")

    tried = await asyncio.gather(till.sender.deliver_due(), till.sender.deliver_due())

    assert sum(tried) == 1
    assert (await buyer.read(order_id))["state"] == "paid"
    assert await till.values("SELECT state FROM sandbox.webhooks") == ["delivered"]


async def test_money_that_comes_too_late_is_let_go(till: Till) -> None:
    """The unit is somebody else's by now: the order expires, the money is voided."""
    _, sale = await till.sale(quantity=1)
    buyer = await till.buyer()
    order_id, url = await order_one(till, sale, buyer)
    await till.end_holds(sale)
    await till.reserve(sale, (await till.buyer("Quick")).id)

    await buyer.press(url, "pay")

    order = await buyer.read(order_id)
    assert order["state"] == "expired"
    assert till.news("payment.voided") == [{"order": order_id, "reason": "hold_expired"}]
    assert till.lines() == []
    assert (await read_stock(till.database, sale))["claimed"] == 1
    assert await till.values("SELECT state FROM reservations ORDER BY version") == [
        "refused_late",
        "held",
    ]
    assert await till.payments.run_payment_calls() == 1
    assert (await till.remote(order_id))["state"] == "voided"
    assert (await buyer.read(order_id))["payment"]["state"] == "voided"
    assert (await audit(till.database)).violations == []


async def test_money_for_a_cancelled_order_is_let_go(till: Till) -> None:
    """The buyer cancels in one tab and pays in the other."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, url = await order_one(till, sale, buyer)
    await buyer.client.post(f"/api/orders/{order_id}/cancel", headers={"Idempotency-Key": "cancel"})

    await buyer.press(url, "pay")

    assert (await buyer.read(order_id))["state"] == "cancelled"
    assert till.news("payment.voided") == [{"order": order_id, "reason": "order_cancelled"}]
    await till.payments.run_payment_calls()
    assert (await till.remote(order_id))["state"] == "voided"


async def test_a_paid_order_cannot_be_cancelled(till: Till) -> None:
    """It says what it is."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, url = await order_one(till, sale, buyer)
    await buyer.press(url, "pay")
    response = await buyer.client.post(
        f"/api/orders/{order_id}/cancel", headers={"Idempotency-Key": "cancel"}
    )
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "wrong_state"
    assert response.json()["error"]["detail"] == {"state": "paid"}


async def test_an_order_outlives_an_absent_provider(till: Till) -> None:
    """The provider is away: the order stands without a page, the job brings the page."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    till.wires.is_cut, till.wires.cut_path = True, "/sandbox-pay/api"
    answer = (await buyer.order([await till.reserve(sale, buyer.id)], key="k")).json()
    assert answer["payment"]["url"] is None
    await till.change("UPDATE payment_calls SET next_at_ms = 0")
    assert await till.payments.run_payment_calls() == 1
    assert await till.payments.run_payment_calls() == 0, "the next attempt has a pause"
    till.wires.is_cut = False
    await till.change("UPDATE payment_calls SET next_at_ms = 0")

    assert await till.payments.run_payment_calls() == 1

    page = (await buyer.read(answer["order"]["id"]))["payment"]["url"]
    assert (await buyer.client.get(page)).status_code == 200
    await buyer.press(page, "pay")
    assert (await buyer.read(answer["order"]["id"]))["state"] == "paid"


async def test_a_capture_is_made_once_by_two_workers(till: Till) -> None:
    """And a worker that died with a claimed call leaves it to another."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, url = await order_one(till, sale, buyer)
    await buyer.press(url, "pay")

    tried = await asyncio.gather(
        till.payments.run_payment_calls(), till.payments.run_payment_calls()
    )

    assert sum(tried) == 1
    calls = [r for r in till.wires.requests if r.url.path.endswith("/capture")]
    assert len(calls) == 1
    await till.change(
        "UPDATE payment_calls SET state = 'pending', next_at_ms = 0 WHERE kind = 'capture'"
    )
    assert await till.payments.run_payment_calls() == 1, "making it again changes nothing"
    assert (await buyer.read(order_id))["payment"]["state"] == "captured"


async def test_a_call_the_provider_refuses_is_left_for_a_person(till: Till) -> None:
    """It is marked failed and not repeated."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    _, url = await order_one(till, sale, buyer)
    await buyer.press(url, "pay")
    await till.change("UPDATE sandbox.payments SET state = 'voided'")

    await till.payments.run_payment_calls()

    call = await till.row("SELECT state, last_error FROM payment_calls WHERE kind = 'capture'")
    assert call["state"] == "failed"
    assert "409" in call["last_error"]
    assert await till.payments.run_payment_calls() == 0


async def test_a_dead_workers_call_is_taken_over(till: Till) -> None:
    """Claimed and never made: nobody touches it during the lease, somebody makes it after."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, url = await order_one(till, sale, buyer)
    await buyer.press(url, "pay")
    async with till.database.transaction() as transaction:
        assert await payment_store.claim_call(transaction, lease_ms=30_000) is not None

    assert await till.payments.run_payment_calls() == 0
    await till.change("UPDATE payment_calls SET next_at_ms = next_at_ms - 30000")
    assert await till.payments.run_payment_calls() == 1

    assert (await buyer.read(order_id))["payment"]["state"] == "captured"


async def test_an_answer_that_is_lost_is_asked_for_again(till: Till) -> None:
    """The provider did it, nobody heard of it: the repeated call meets what was done."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    till.wires.are_answers_lost = True
    answer = (await buyer.order([await till.reserve(sale, buyer.id)])).json()
    order_id = answer["order"]["id"]
    assert answer["payment"]["url"] is None
    till.wires.are_answers_lost = False
    await till.change("UPDATE payment_calls SET next_at_ms = 0")
    assert await till.payments.run_payment_calls() == 1
    await buyer.press((await buyer.read(order_id))["payment"]["url"], "pay")
    till.wires.are_answers_lost = True
    assert await till.payments.run_payment_calls() == 1
    assert (await buyer.read(order_id))["payment"]["state"] == "authorised"
    till.wires.are_answers_lost = False
    await till.change("UPDATE payment_calls SET next_at_ms = 0")
    assert await till.payments.run_payment_calls() == 1

    assert (await buyer.read(order_id))["payment"]["state"] == "captured"
    assert await till.values("SELECT count(*) FROM sandbox.payments") == [1]
    assert (await audit(till.database)).violations == []
