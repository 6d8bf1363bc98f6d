"""Calls that were given up, or never could be made: asked again, answered, or closed."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from commerce.insight.audit.service import audit
from commerce.insight.show_report.service import read_console
from commerce.orders.payments.model import Payment, PaymentReport
from commerce.orders.payments.ports import (
    PaymentNotOpenedError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from server.providers.sandbox import SandboxProvider
from tests.support.refunding import PaidOrder
from tests.support.till import Till, order_one, told_by

FAIL = "UPDATE payment_calls SET state = 'failed', attempts = 300, last_error = 'no'"


async def granted(till: Till) -> tuple[PaidOrder, str]:
    """Return an order whose money is granted and not taken, and the page it was paid at."""
    shop, sale = await till.sale()
    order = PaidOrder(till, shop, sale, await till.buyer("Lena"))
    order.id, url = await order_one(till, sale, order.buyer)
    await order.buyer.press(url, "pay")
    return order, url


async def call_of(till: Till, kind: str) -> tuple[str, str | None]:
    """Return the state of the call of a kind, and its error."""
    row = await till.row("SELECT state, last_error FROM payment_calls WHERE kind = $1", kind)
    return row["state"], row["last_error"]


async def retry(by: httpx.AsyncClient, call_id: object, act: str = "retry") -> httpx.Response:
    """Ask for a call again, or do something else about it."""
    return await by.post(
        f"/api/payments/calls/{call_id}/{act}", headers={"Idempotency-Key": str(uuid.uuid4())}
    )


async def cancel(order: PaidOrder) -> None:
    """Cancel the order, as its buyer."""
    answer = await order.buyer.client.post(
        f"/api/orders/{order.id}/cancel", headers={"Idempotency-Key": "c"}
    )
    assert answer.status_code == 200


async def test_a_call_to_a_provider_without_keys_waits_for_them(till: Till) -> None:
    """However often it was tried: it is made once the provider is registered again."""
    order, _ = await granted(till)
    await till.change("UPDATE payments SET provider = 'absent'")
    await till.change("UPDATE payment_calls SET attempts = 300 WHERE kind = 'capture'")
    assert await till.payments.run_payment_calls() == 1
    state, error = await call_of(till, "capture")
    assert (state, "absent" in (error or "")) == ("pending", True)
    await till.change("UPDATE payments SET provider = 'sandbox'")
    await till.change("UPDATE payment_calls SET next_at_ms = 0")
    await till.payments.run_payment_calls()
    assert (await order.read())["payment"]["state"] == "captured"


async def test_an_operator_asks_again_for_what_failed(till: Till) -> None:
    """The list names the call; asked again it is made, and asking once more changes nothing."""
    order, _ = await granted(till)
    await till.change(FAIL + " WHERE kind = 'capture'")
    operator = (await order.operator()).client
    [listed] = (await operator.get("/api/payments/calls")).json()["calls"]
    assert (listed["kind"], listed["order"], listed["error"]) == ("capture", order.id, "no")
    [warning] = (await audit(till.database)).warnings
    assert str(warning.rows[0]["call"]) == listed["id"]
    assert (await retry(order.host.client, listed["id"])).status_code == 403
    assert (await order.host.client.get("/api/payments/calls")).status_code == 403
    assert (await retry(operator, uuid.uuid4())).status_code == 404

    answer = await retry(operator, listed["id"])

    assert (answer.status_code, answer.json()["call"]["state"]) == (200, "pending")
    assert await till.payments.run_payment_calls() == 1
    assert (await order.read())["payment"]["state"] == "captured"
    assert (await retry(operator, listed["id"])).json()["call"]["state"] == "done"
    assert (await operator.get("/api/payments/calls")).json()["calls"] == []
    assert (await audit(till.database)).warnings == []


async def shown_to_staff(till: Till, order: PaidOrder) -> tuple[dict[str, Any], bool]:
    """Return the payment as the room's list of orders has it, and what the console's feed says."""
    listed = (await order.host.client.get(f"/api/rooms/{order.shop.room.slug}/orders")).json()
    async with till.database.reading() as connection:
        console = await read_console(
            connection, order.shop.room, viewers=0, sees_money=True, sees_rows=False
        )
    return listed["orders"][0]["payment"], console["orders"][0]["is_uncollected"]


@pytest.mark.parametrize("is_gone", [False, True])
async def test_staff_see_that_the_money_of_a_paid_order_was_not_taken(
    till: Till, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    """Refused, or let go at the provider: whoever sends the goods is told; the buyer is not."""

    async def refuse(self: SandboxProvider, payment: Payment) -> PaymentReport:
        raise ProviderRefusedError("no more")

    order, _ = await granted(till)
    assert (await shown_to_staff(till, order))[1] is False, "it is on its way"
    if is_gone:
        await till.change("UPDATE sandbox.payments SET state = 'voided'")
    monkeypatch.setattr(SandboxProvider, "capture", refuse)
    await till.payments.run_payment_calls()
    payment, is_uncollected = await shown_to_staff(till, order)
    assert (payment["error"], is_uncollected) == ("no more", True)
    assert payment["state"] == ("voided" if is_gone else "authorised")
    assert "error" not in (await order.read())["payment"]


async def test_money_that_was_taken_after_all_is_no_news(till: Till) -> None:
    order, _ = await granted(till)
    await till.change(FAIL + " WHERE kind = 'capture'")
    assert (await shown_to_staff(till, order))[1] is True
    assert (await till.webhook(told_by(await till.remote(order.id), "captured"))).status_code == 200
    payment, is_uncollected = await shown_to_staff(till, order)
    assert ("error" in payment, is_uncollected) == (False, False)


async def test_an_order_changes_as_its_capture_is_given_up_and_as_that_is_over(till: Till) -> None:
    """Whoever polls for what changed, and sends by it, hears of both."""
    order, _ = await granted(till)

    async def is_told_of(statement: str) -> bool:
        await till.change("UPDATE orders SET updated_at_ms = 1")
        await till.change(statement)
        path = f"/api/rooms/{order.shop.room.slug}/orders?since_ms=2"
        return bool((await order.host.client.get(path)).json()["orders"])

    again = "UPDATE payment_calls SET attempts = attempts + 1 WHERE kind = 'capture'"
    assert not await is_told_of(again)
    assert await is_told_of(FAIL + " WHERE kind = 'capture'")
    assert not await is_told_of(again)
    assert await is_told_of("UPDATE payment_calls SET state = 'pending' WHERE kind = 'capture'")


@pytest.mark.parametrize("is_gone", [False, True])
async def test_an_order_whose_money_cannot_be_taken_is_given_up_by_an_operator(
    till: Till, is_gone: bool
) -> None:
    """Its units are free, what is granted is let go, its buyer is told; nobody looks again."""
    order, _ = await granted(till)
    operator = (await order.operator()).client
    [call_id] = await till.values("SELECT id FROM payment_calls WHERE kind = 'capture'")
    assert (await retry(operator, call_id, "give-up")).json()["error"]["code"] == "wrong_state"
    await till.change(FAIL + " WHERE kind = 'capture'")
    if is_gone:
        await till.change("UPDATE sandbox.payments SET state = 'voided'")
        await till.webhook(told_by(await till.remote(order.id), "voided"))
    assert (await retry(order.host.client, call_id, "give-up")).status_code == 403
    assert (await retry(operator, uuid.uuid4(), "give-up")).status_code == 404

    for _ in range(2):
        answer = await retry(operator, call_id, "give-up")
        assert (answer.status_code, answer.json()["call"]["state"]) == (200, "done")

    while await till.payments.run_payment_calls():
        pass
    shown = await order.read()
    assert (shown["state"], shown["payment"]["reason"]) == ("expired", "capture_failed")
    assert till.news("payment.voided") == [{"order": order.id, "reason": "capture_failed"}]
    assert (await till.remote(order.id))["state"] == "voided"
    assert (await order.units())[1:] == (0, 0)
    report = await audit(till.database)
    assert (report.violations, report.warnings) == ([], [])


async def test_an_order_whose_money_was_taken_stands(till: Till) -> None:
    order, _ = await granted(till)
    [call_id] = await till.values("SELECT id FROM payment_calls WHERE kind = 'capture'")
    await till.payments.run_payment_calls()
    answer = await retry((await order.operator()).client, call_id, "give-up")
    assert answer.json()["error"]["code"] == "wrong_state"
    assert (await order.read())["state"] == "paid"


async def test_a_refunds_call_has_its_own_way(till: Till) -> None:
    """A refund is decided anew when it is asked for again, so its call alone is not."""
    order, _ = await granted(till)
    await till.payments.run_payment_calls()
    await order.refund()
    await till.change(FAIL + " WHERE kind = 'refund'")
    operator = (await order.operator()).client
    assert (await operator.get("/api/payments/calls")).json()["calls"] == []
    [call_id] = await till.values("SELECT id FROM payment_calls WHERE kind = 'refund'")
    assert (await retry(operator, call_id)).json()["error"]["code"] == "wrong_state"


async def test_a_void_that_failed_is_owed_anew(till: Till) -> None:
    """What is decided once more is asked once more; still it counts as begun."""
    shop, sale = await till.sale()
    order = PaidOrder(till, shop, sale, await till.buyer())
    order.id, _ = await order_one(till, sale, order.buyer)
    await till.change(
        "INSERT INTO payment_calls (id, payment_id, kind, state, attempts)"
        " SELECT gen_random_uuid(), id, 'void', 'failed', 300 FROM payments"
    )
    await cancel(order)
    assert (await call_of(till, "void"))[0] == "pending"
    assert await till.values("SELECT attempts FROM payment_calls WHERE kind = 'void'") == [1]
    await till.payments.run_payment_calls()
    assert (await till.remote(order.id))["state"] == "voided"
    assert (await call_of(till, "void"))[0] == "done"


@pytest.mark.parametrize(("kind", "state"), [("capture", "captured"), ("void", "voided")])
async def test_news_that_it_is_done_ends_the_call(till: Till, kind: str, state: str) -> None:
    """By webhook, for a call that waits as for one that was given up."""
    shop, sale = await till.sale()
    order = PaidOrder(till, shop, sale, await till.buyer())
    order.id, url = await order_one(till, sale, order.buyer)
    if kind == "capture":
        await order.buyer.press(url, "pay")
    else:
        await cancel(order)
    await till.change(FAIL + " WHERE kind = $1", kind)
    report = told_by(await till.remote(order.id), state)
    assert (await till.webhook(report)).status_code == 200
    assert await call_of(till, kind) == ("done", None)
    assert (await audit(till.database)).warnings == []


async def test_money_taken_while_it_was_to_be_let_go_goes_back(till: Till) -> None:
    """Somebody captured it over there: the void is over, a refund is owed."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, _ = await order_one(till, sale, buyer)
    await till.end_holds(sale)
    await till.change("UPDATE sales SET state = 'cancelled' WHERE kind = 'flash'")
    remote = await till.remote(order_id)
    await till.webhook(told_by(remote, "authorised"))
    assert (await call_of(till, "void"))[0] == "pending"
    await till.change("UPDATE sandbox.payments SET state = 'captured'")
    await till.webhook(told_by(remote, "captured"))
    assert (await call_of(till, "void"))[0] == "done"
    while await till.payments.run_payment_calls():
        pass
    assert (await till.remote(order_id))["state"] == "refunded"
    [refund] = (await buyer.read(order_id))["refunds"]
    assert (refund["state"], refund["origin"], refund["reason"]) == (
        "done",
        "late",
        "order_expired",
    )
    assert (await audit(till.database)).violations == []


async def test_a_payment_that_was_never_opened_is_closed_here(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused at once or by the job, before or after the order's end: no void, no warning."""

    async def refuse(self: SandboxProvider, payment: Payment) -> PaymentReport:
        raise PaymentNotOpenedError("too little")

    _, sale = await till.sale()
    buyers = [await till.buyer(name) for name in ("Lena", "Lin", "Mo")]
    till.wires.is_cut, till.wires.cut_path = True, "/sandbox-pay/api"
    orders = [await order_one(till, sale, buyer) for buyer in buyers[:2]]
    for buyer, (order_id, _) in zip(buyers[:1], orders[:1], strict=True):
        await buyer.client.post(f"/api/orders/{order_id}/cancel", headers={"Idempotency-Key": "c"})
    till.wires.is_cut = False
    monkeypatch.setattr(SandboxProvider, "create", refuse)
    await order_one(till, sale, buyers[2])
    await till.change("UPDATE payment_calls SET next_at_ms = 0")
    while await till.payments.run_payment_calls():
        pass
    assert set(await till.values("SELECT state FROM payments")) == {"voided"}
    assert set(await till.values("SELECT state FROM payment_calls")) == {"done"}
    await till.end_holds(sale)
    await till.settlement.expire_orders()
    assert await till.payments.run_payment_calls() == 0
    assert (await audit(till.database)).warnings == []


@pytest.mark.parametrize("price_minor", [0, 10**15 + 1])
async def test_a_total_nobody_can_pay_is_refused_at_the_order(till: Till, price_minor: int) -> None:
    """Before anything is stored: the hold stays a hold."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    reservation = await till.reserve(sale, buyer.id)
    await till.change("UPDATE reservations SET unit_price_minor = $1", price_minor)
    answer = await buyer.order([reservation])
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "total_not_payable")
    assert answer.json()["error"]["detail"] == {"total_minor": price_minor, "currency": "CNY"}
    assert await till.values("SELECT state FROM reservations") == ["held"]
    assert await till.values("SELECT 1 FROM orders") == []


@pytest.mark.parametrize("fault", ["other provider", "other reference"])
async def test_a_report_of_another_payment_is_ignored(till: Till, fault: str) -> None:
    """Our id alone does not make it ours: the provider and its name of it have to fit."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, _ = await order_one(till, sale, buyer)
    remote = await till.remote(order_id)
    if fault == "other provider":
        await till.change("UPDATE payments SET provider = 'stripe'")
        report = told_by(remote, "captured")
    else:
        report = told_by(remote, "captured", id="sp_another")
    answer = await till.webhook(report)
    assert answer.status_code == 200
    assert (await buyer.read(order_id))["state"] == "awaiting_payment"
    assert await till.values("SELECT state FROM payments") == ["created"]


async def test_a_void_refused_because_money_was_taken_becomes_a_refund(till: Till) -> None:
    """Its webhooks are lost, nobody waits for the order: the refusal is looked into."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, _ = await order_one(till, sale, buyer)
    await buyer.client.post(f"/api/orders/{order_id}/cancel", headers={"Idempotency-Key": "c"})
    await till.change("UPDATE sandbox.payments SET state = 'captured'")
    while await till.payments.run_payment_calls():
        pass
    assert (await till.remote(order_id))["state"] == "refunded"
    assert await call_of(till, "void") == ("done", None)
    report = await audit(till.database)
    assert (report.violations, report.warnings) == ([], [])


async def test_a_refused_void_is_not_given_up_while_nobody_says_why(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider is away just when it is asked what the money is: the void comes again.

    Given up there, the money of an order that is over would stay taken until somebody looked.
    """
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, _ = await order_one(till, sale, buyer)
    await buyer.client.post(f"/api/orders/{order_id}/cancel", headers={"Idempotency-Key": "c"})
    await till.change("UPDATE sandbox.payments SET state = 'captured'")

    async def be_away(_self: SandboxProvider, _payment: Payment) -> PaymentReport:
        raise ProviderUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(SandboxProvider, "status", be_away)
        while await till.payments.run_payment_calls():
            pass
    state, error = await call_of(till, "void")
    assert (state, bool(error)) == ("pending", True)
    assert (await till.remote(order_id))["state"] == "captured"
    await till.change("UPDATE payment_calls SET next_at_ms = 0")
    while await till.payments.run_payment_calls():
        pass
    assert (await till.remote(order_id))["state"] == "refunded"
    assert await call_of(till, "void") == ("done", None)
    report = await audit(till.database)
    assert (report.violations, report.warnings) == ([], [])
