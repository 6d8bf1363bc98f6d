"""A refund that fails and is asked for again: news of the first attempt is old by then."""

from __future__ import annotations

from typing import Any

import pytest

from commerce.orders.payments.model import Payment, Refund, RefundReport
from commerce.orders.payments.ports import ProviderRefusedError
from server.providers.sandbox import SandboxProvider
from tests.support.refunding import PaidOrder, broken, pay_order
from tests.support.stripe_fake import StripeSide, event_of
from tests.support.stripe_shop import pay, place, tell
from tests.support.till import Till

PRICE = 19_900


def about(payment_id: str, refund_id: str, **more: Any) -> dict[str, Any]:
    """Return a refund as Stripe would send it."""
    return {
        "object": "refund",
        "amount": PRICE,
        "currency": "cny",
        "metadata": {"hubbub_payment": payment_id, "hubbub_refund": refund_id},
        **more,
    }


async def paid(till: Till, side: StripeSide) -> tuple[PaidOrder, str]:
    """Return an order whose money is taken, and its payment's id."""
    order, intent_id = await place(till)
    await pay(till, side, intent_id)
    await till.payments.run_payment_calls()
    return order, (await order.read())["payment"]["id"]


async def test_a_failure_told_again_does_not_end_the_next_attempt(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """Each attempt's failure counts once, however late and often it is told."""
    order, payment_id = await paid(stripe_till, stripe_side)
    refund_id = (await order.refund()).json()["refund"]["id"]
    for ref in ("re_1", "re_2"):
        failed = about(payment_id, refund_id, id=ref, status="failed")
        await tell(stripe_till, event_of(failed, "refund.failed"))
        assert await stripe_till.values("SELECT state FROM refunds") == ["failed"], ref
        await order.retry(refund_id)
        for old in ("re_1", ref):
            again = about(payment_id, refund_id, id=old, status="failed")
            await tell(stripe_till, event_of(again, "refund.updated"))
            assert await stripe_till.values("SELECT state FROM refunds") == ["pending"], old
    assert (await order.refund()).json()["error"]["code"] == "refund_too_large"
    await stripe_till.payments.run_payment_calls()
    assert (await order.read())["state"] == "refunded"
    assert await broken(stripe_till) == {}


async def test_a_pending_attempt_that_fails_is_no_old_news(
    stripe_till: Till, stripe_side: StripeSide
) -> None:
    """The attempt under way may fail; another one of which we know may not end it."""
    order, payment_id = await paid(stripe_till, stripe_side)
    refund_id = (await order.refund()).json()["refund"]["id"]
    pending = about(payment_id, refund_id, id="re_5", status="pending")
    await tell(stripe_till, event_of(pending, "refund.created"))
    for ref, state in (("re_4", "pending"), ("re_5", "failed")):
        failed = about(payment_id, refund_id, id=ref, status="failed")
        await tell(stripe_till, event_of(failed, "refund.failed"))
        assert await stripe_till.values("SELECT state FROM refunds") == [state]


async def test_goods_come_back_when_a_failed_refund_went_after_all(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its units were refunded once more meanwhile: the line is taken back once, and whole."""
    order = await pay_order(till, quantities=(2,))
    line = order.reservations[0]

    async def refuse(self: SandboxProvider, payment: Payment, refund: Refund) -> RefundReport:
        raise ProviderRefusedError("no")

    with monkeypatch.context() as patch:
        patch.setattr(SandboxProvider, "refund", refuse)
        wish = {"lines": [{"reservation": line, "qty": 1}], "amount_minor": 5, "restock": True}
        first = (await order.refund(**wish)).json()["refund"]["id"]
        await till.payments.run_payment_calls()
    await order.refund(lines=[{"reservation": line}], amount_minor=7, restock=True)
    payment = await till.payments.find((await order.read())["payment"]["id"])
    report = RefundReport(payment.id, first, "sr_x", "done", 5, "CNY")
    async with till.database.transaction() as transaction:
        await till.payments._reports.apply_refund(transaction, report, provider="sandbox")
    await till.payments.run_payment_calls()

    assert await till.values("SELECT state FROM reservations") == ["refunded"]
    row = await till.row("SELECT total, claimed FROM stock WHERE claimed = 0 AND total = 20")
    assert row is not None
