"""Refunds by a person: in parts, with goods or without, refused, failed, asked for again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from commerce.insight.audit.service import audit
from commerce.orders.payments.model import Payment, Refund, RefundReport
from commerce.orders.payments.ports import ProviderRefusedError
from server.providers.sandbox import SandboxProvider
from tests.support.refunding import PaidOrder, broken, pay_order
from tests.support.shop import read_stock
from tests.support.till import Till

PRICE = 19_900


def code(response: httpx.Response) -> str:
    """Return the code of a refusal."""
    text: str = response.json()["error"]["code"]
    return text


async def figures(order: PaidOrder) -> tuple[int, int]:
    """Return (total, claimed) of the sale's pool."""
    stock = await read_stock(order.till.database, order.sale)
    return stock["total"], stock["claimed"]


async def buyer_qty(order: PaidOrder) -> int:
    """Return how many units count against the buyer's limit."""
    row = await order.till.row("SELECT qty FROM sale_buyers WHERE user_id = $1", order.buyer.id)
    return int(row[0])


async def test_a_whole_refund_brings_money_and_goods_back(till: Till) -> None:
    """Pending first; once the provider has done it the order, the line and the stock follow."""
    order = await pay_order(till)
    response = await order.refund(restock=True)
    assert response.status_code == 201, response.text
    asked = response.json()
    assert asked["refund"]["state"] == "pending"
    assert asked["refund"]["amount_minor"] == PRICE
    assert asked["order"]["state"] == "paid"
    assert asked["order"]["buyer"]["name"] == "Lena"
    assert await figures(order) == (20, 1), "no goods before the money"
    assert await broken(till) == {}

    assert await till.payments.run_payment_calls() == 1

    shown = await order.read()
    assert (shown["state"], shown["refunded_minor"]) == ("refunded", PRICE)
    assert shown["refunds"][0]["state"] == "done"
    assert shown["refunds"][0]["reason"] == "broken"
    assert shown["payment"]["state"] == "refunded"
    assert await till.values("SELECT state FROM reservations") == ["refunded"]
    assert await figures(order) == (20, 0)
    assert await buyer_qty(order) == 0
    [news] = till.news("order.refunded")
    assert news["order"]["state"] == "refunded"
    assert news["refund"]["amount_minor"] == PRICE
    assert (await till.remote(order.id))["state"] == "refunded"
    assert (await audit(till.database)).violations == []
    assert await broken(till) == {}
    assert await till.reserve(order.sale, order.buyer.id), "the limit counts what is kept"


async def test_without_restock_the_units_leave_the_pool(till: Till) -> None:
    """Claimed and total shrink together, by one journal row; nothing more can be sold."""
    order = await pay_order(till, quantities=(2,), quantity=2)
    await order.refund()
    await till.payments.run_payment_calls()
    assert await figures(order) == (0, 0)
    row = await till.row(
        "SELECT claimed_delta, total_delta FROM stock_journal WHERE reason = 'refunded'"
    )
    assert tuple(row) == (-2, -2)
    assert (await audit(till.database)).violations == []
    assert await broken(till) == {}


async def test_parts_add_up_to_the_whole_and_no_further(till: Till) -> None:
    """An amount alone takes no goods, a line its own, the last cent what is left of them."""
    order = await pay_order(till, quantities=(1, 2))
    one, two = order.reservations
    assert (await order.refund(amount_minor=900)).status_code == 201
    assert code(await order.refund(amount_minor=3 * PRICE - 899)) == "refund_too_large"
    await till.payments.run_payment_calls()
    shown = await order.read()
    assert (shown["state"], shown["refunded_minor"]) == ("paid", 900)
    assert (await audit(till.database)).violations == []

    response = await order.refund(lines=[{"reservation": two, "qty": 1}], restock=True)
    assert response.json()["refund"]["amount_minor"] == PRICE
    assert response.json()["refund"]["lines"] == [{"reservation": two, "qty": 1}]
    await till.payments.run_payment_calls()
    assert await figures(order) == (20, 2), "one of two units of a line is free again"
    assert await broken(till) == {}

    response = await order.refund()
    assert response.json()["refund"]["amount_minor"] == 2 * PRICE - 900
    taken = {line["reservation"]: line["qty"] for line in response.json()["refund"]["lines"]}
    assert taken == {one: 1, two: 1}
    await till.payments.run_payment_calls()
    assert (await order.read())["state"] == "refunded"
    assert await figures(order) == (18, 0), "one of three units goes back to the shelf"
    assert code(await order.refund(amount_minor=1)) == "refund_too_large"
    assert (await audit(till.database)).violations == []
    assert await broken(till) == {}
    assert len(till.news("order.refunded")) == 3


async def test_a_refunded_line_leaves_the_others_sold(till: Till) -> None:
    """The order stays paid; the line's reservation and the buyer's quantity follow."""
    order = await pay_order(till, quantities=(1, 2))
    one, two = order.reservations
    await order.refund(lines=[{"reservation": one}], restock=True)
    await till.payments.run_payment_calls()
    shown = await order.read()
    assert (shown["state"], shown["refunded_minor"]) == ("paid", PRICE)
    states = dict(
        [
            tuple(row)
            for row in [
                await till.row("SELECT id::text, state FROM reservations WHERE id = $1", id)
                for id in (one, two)
            ]
        ]
    )
    assert states == {one: "refunded", two: "sold"}
    assert await figures(order) == (20, 2)
    assert await buyer_qty(order) == 2
    assert await broken(till) == {}


async def test_who_may_give_money_back(till: Till) -> None:
    """The room's own host and an operator; nobody else, and no buyer."""
    order = await pay_order(till)
    other = await pay_order(till)
    assert code(await order.refund(by=order.buyer)) == "forbidden"
    assert code(await order.refund(by=other.host)) == "forbidden"
    assert (await order.refund(by=await order.operator(), amount_minor=1)).status_code == 201
    order.id = "0190c0de-0000-7000-8000-000000000000"
    assert code(await order.refund()) == "not_found"


async def test_a_key_is_one_refund(till: Till) -> None:
    """Repeated it answers the same as it is now; with another body it is a conflict."""
    order = await pay_order(till)
    first = await order.refund(key="k", amount_minor=100)
    await till.payments.run_payment_calls()
    again = await order.refund(key="k", amount_minor=100)
    assert again.json()["refund"]["id"] == first.json()["refund"]["id"]
    assert again.json()["refund"]["state"] == "done"
    assert code(await order.refund(key="k", amount_minor=200)) == "idempotency_conflict"
    assert await till.values("SELECT amount_minor FROM sandbox.refunds") == [100]


@pytest.mark.parametrize(
    "body",
    [
        {"reason": " "},
        {"amount_minor": 0},
        {"amount_minor": -5},
        {"lines": [{"reservation": "no id"}]},
        {"lines": [{"reservation": "0190c0de-0000-7000-8000-000000000000"}]},
        {"lines": [{"reservation": "0190c0de-0000-7000-8000-000000000000", "qty": 0}]},
        {"amount_minor": 10**30},
    ],
)
async def test_an_impossible_refund_is_refused(till: Till, body: dict[str, Any]) -> None:
    """And nothing is owed to the provider."""
    order = await pay_order(till)
    response = await order.refund(**body)
    assert response.status_code in (400, 409), response.text
    assert await till.values("SELECT 1 FROM refunds") == []


async def test_money_that_is_not_there_yet_cannot_go_back(till: Till) -> None:
    """An unpaid order has none; between granted and captured the answer is to try again."""
    shop, sale = await till.sale()
    order = PaidOrder(till, shop, sale, await till.buyer())
    answer = (await order.buyer.order([await till.reserve(sale, order.buyer.id)])).json()
    order.id = answer["order"]["id"]
    assert code(await order.refund()) == "wrong_state"
    await order.buyer.press(answer["payment"]["url"], "pay")
    response = await order.refund()
    assert code(response) == "not_captured"
    assert response.json()["error"]["retryable"]


async def test_money_that_was_let_go_stands_in_nobodys_way(till: Till) -> None:
    """Another payment paid the order; the void of the older one was given up, so it stays granted.

    A team's member has two such when the first could not be captured.
    """
    order = await pay_order(till)
    await till.change(
        "INSERT INTO payments (id, order_id, provider, provider_ref, amount_minor, currency,"
        " state, created_at_ms, authorised_at_ms, let_go_reason)"
        " SELECT gen_random_uuid(), order_id, provider, 'sp_lost', amount_minor, currency,"
        " 'authorised', created_at_ms - 9, authorised_at_ms - 9, 'capture_failed' FROM payments"
    )
    await till.change(
        "INSERT INTO payment_calls (id, payment_id, kind, state, attempts)"
        " SELECT gen_random_uuid(), id, 'void', 'failed', 300 FROM payments"
        " WHERE let_go_reason IS NOT NULL"
    )
    response = await order.refund()
    assert response.status_code == 201, response.text
    await till.payments.run_payment_calls()
    assert (await order.read())["state"] == "refunded"
    assert (await till.remote(order.id))["state"] == "refunded"
    assert await broken(till) == {}


async def test_a_refund_the_provider_refuses_is_seen_and_asked_for_again(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed: the buyer is told, staff see why, its money is free; again: it is done once."""
    order = await pay_order(till)

    async def refuse(self: SandboxProvider, payment: Payment, refund: Refund) -> RefundReport:
        raise ProviderRefusedError("the account is empty")

    with monkeypatch.context() as patch:
        patch.setattr(SandboxProvider, "refund", refuse)
        refund_id = (await order.refund(restock=True)).json()["refund"]["id"]
        await till.payments.run_payment_calls()
    [failed] = (await order.read())["refunds"]
    assert (failed["state"], failed.get("error")) == ("failed", None)
    assert len(till.news("order.refund_failed")) == 1
    listed = await order.host.client.get(f"/api/rooms/{order.shop.room.slug}/orders")
    assert listed.json()["orders"][0]["refunds"][0]["error"] == "the account is empty"
    assert await till.payments.run_payment_calls() == 0, "only a person asks again"
    assert await broken(till) == {}

    again = await order.retry(refund_id)
    assert again.json()["refund"]["state"] == "pending"
    assert (await order.retry(refund_id)).status_code == 200
    assert await till.payments.run_payment_calls() == 1
    assert (await order.read())["state"] == "refunded"
    assert await till.values("SELECT amount_minor FROM sandbox.refunds") == [PRICE]
    assert (await order.retry(refund_id)).json()["refund"]["state"] == "done"
    assert await broken(till) == {}


async def test_a_failed_refund_whose_money_went_another_way_is_refused(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its retry is decided anew."""
    order = await pay_order(till)

    async def refuse(self: SandboxProvider, payment: Payment, refund: Refund) -> RefundReport:
        raise ProviderRefusedError("no")

    with monkeypatch.context() as patch:
        patch.setattr(SandboxProvider, "refund", refuse)
        refund_id = (await order.refund(amount_minor=PRICE - 1)).json()["refund"]["id"]
        await till.payments.run_payment_calls()
    await order.refund(amount_minor=2)
    assert code(await order.retry(refund_id)) == "refund_too_large"
    assert code(await order.retry("0190c0de-0000-7000-8000-000000000000")) == "not_found"


async def test_an_absent_provider_makes_a_refund_late_not_lost(till: Till) -> None:
    """Its answer is lost, it is asked again under the same reference: one refund there."""
    order = await pay_order(till)
    await order.refund()
    till.wires.are_answers_lost = True
    assert await till.payments.run_payment_calls() == 1
    assert (await order.read())["refunds"][0]["state"] == "pending"
    till.wires.are_answers_lost = False
    await till.change("UPDATE payment_calls SET next_at_ms = 0 WHERE state = 'pending'")
    assert await till.payments.run_payment_calls() == 1
    assert (await order.read())["state"] == "refunded"
    assert await till.values("SELECT count(*) FROM sandbox.refunds") == [1]


async def test_the_webhook_may_come_before_the_answer_and_after_it(till: Till) -> None:
    """Either notes the refund; both together note it once."""
    order = await pay_order(till)
    await order.refund()
    till.wires.are_answers_lost = True
    await till.payments.run_payment_calls()
    till.wires.are_answers_lost = False
    await till.change("UPDATE sandbox.webhooks SET next_at_ms = 0")
    await till.sender.deliver_due()
    assert (await order.read())["state"] == "refunded"
    assert await till.values("SELECT state FROM payment_calls WHERE kind = 'refund'") == ["done"]
    await till.change(
        "UPDATE payment_calls SET state = 'pending', next_at_ms = 0 WHERE kind = 'refund'"
    )
    await till.payments.run_payment_calls()
    assert (await order.read())["refunded_minor"] == PRICE
    assert len(till.news("order.refunded")) == 1
    # The call was done, and pending again by our hand alone.
    await till.change("UPDATE payment_calls SET state = 'done' WHERE kind = 'refund'")
    assert (await audit(till.database)).violations == []


async def test_a_refund_of_other_money_changes_nothing(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider says less went back than was asked: a person has to look."""
    order = await pay_order(till)
    own = SandboxProvider.refund

    async def less(self: SandboxProvider, payment: Payment, refund: Refund) -> RefundReport:
        report = await own(self, payment, refund)
        return RefundReport(
            report.payment_id, report.refund_id, report.provider_ref, "done", 1, report.currency
        )

    monkeypatch.setattr(SandboxProvider, "refund", less)
    await order.refund()
    await till.payments.run_payment_calls()
    [refund] = (await order.read())["refunds"]
    assert refund["state"] == "failed"
    assert "amount_mismatch" in (await till.values("SELECT error FROM refunds"))[0]


async def test_a_bank_that_takes_its_time_is_asked_again(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pending at the provider: nothing is back, the call waits an hour and asks."""
    order = await pay_order(till)
    own = SandboxProvider.refund

    async def slow(self: SandboxProvider, payment: Payment, refund: Refund) -> RefundReport:
        return RefundReport(payment.id, refund.id, "sr_1", "pending", refund.amount_minor, "CNY")

    monkeypatch.setattr(SandboxProvider, "refund", slow)
    await order.refund()
    await till.payments.run_payment_calls()
    assert (await order.read())["refunds"][0]["state"] == "pending"
    [pause] = await till.values(
        "SELECT next_at_ms - clock_ms() FROM payment_calls WHERE kind = 'refund'"
    )
    assert pause > 3_000_000
    monkeypatch.setattr(SandboxProvider, "refund", own)
    await till.change("UPDATE payment_calls SET next_at_ms = 0 WHERE kind = 'refund'")
    await till.payments.run_payment_calls()
    assert (await order.read())["state"] == "refunded"
