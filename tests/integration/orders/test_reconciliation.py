"""Our tables against the sandbox's and localstripe's, with each kind of difference planted."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from commerce.orders.reconciliation import service as reconciliation
from server.sandbox import service as sandbox_service
from tests.support.refunding import PaidOrder, pay_order
from tests.support.stripe_fake import StripeSide, run_localstripe
from tests.support.till import Till, open_till

PRICE = 19_900
# Before every test; localstripe takes no time from before it was written.
SINCE_MS = 1_700_000_000_000
LONG_AGO = "UPDATE {} SET updated_at_ms = updated_at_ms - 3600000"


async def calm(till: Till) -> None:
    """Let everything be older than the grace."""
    for table in ("payments", "orders"):
        await till.change(LONG_AGO.format(table))


async def report(till: Till, order: PaidOrder, since_ms: int = SINCE_MS) -> dict[str, Any]:
    """Return the report as an operator gets it."""
    operator = await order.operator()
    response = await operator.client.get(f"/api/payments/reconciliation?since_ms={since_ms}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def kinds(till: Till, order: PaidOrder) -> list[str]:
    """Return the kinds of what differs."""
    return [one["kind"] for one in (await report(till, order))["differences"]]


async def test_a_shop_in_order_differs_in_nothing(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paid, refunded in part and whole, unpaid; over several pages of the provider's list."""
    monkeypatch.setattr(sandbox_service, "PAGE_PAYMENTS_MAX", 2)
    orders = [await pay_order(till) for _ in range(4)]
    await orders[0].refund()
    await orders[1].refund(amount_minor=900)
    await till.payments.run_payment_calls()
    shop, sale = await till.sale()
    unpaid = PaidOrder(till, shop, sale, await till.buyer())
    await unpaid.buyer.order([await till.reserve(sale, unpaid.buyer.id)])
    await calm(till)
    found = await report(till, orders[0])
    assert (found["ok"], found["compared"], found["differences"]) == (True, 5, [])
    assert found["sums"] == [
        {
            "currency": "CNY",
            "ours_in_minor": 4 * PRICE,
            "ours_out_minor": PRICE + 900,
            "theirs_in_minor": 4 * PRICE,
            "theirs_out_minor": PRICE + 900,
        }
    ]


@pytest.mark.parametrize(
    ("damage", "wanted"),
    [
        ("UPDATE payments SET provider_ref = 'sp_other'", ["missing_here", "missing_there"]),
        ("UPDATE sandbox.payments SET amount_minor = 5", ["other_amount"]),
        ("UPDATE sandbox.payments SET state = 'authorised'", ["other_state"]),
        (
            "INSERT INTO sandbox.refunds (reference, id, payment_id, amount_minor)"
            " SELECT 'by-hand', 'sr_1', id, 7 FROM sandbox.payments",
            ["other_refunds"],
        ),
        ("UPDATE payments SET refunded_minor = 7", ["other_refunds"]),
        ("UPDATE orders SET state = 'expired'", ["captured_not_paid"]),
        (
            "INSERT INTO sandbox.payments (id, page_key, reference, order_reference,"
            " amount_minor, currency, return_path, state)"
            " VALUES ('sp_9', 'k', 'nobody', 'o', 5, 'CNY', '/', 'captured')",
            ["missing_here"],
        ),
    ],
)
async def test_a_planted_difference_is_found(till: Till, damage: str, wanted: list[str]) -> None:
    """One each; before the damage there was none."""
    order = await pay_order(till)
    await calm(till)
    assert await kinds(till, order) == []
    await till.change(damage)
    assert await kinds(till, order) == wanted


@pytest.mark.parametrize(
    ("ours_ms", "theirs_ms", "found"),
    [
        (-60_000, 60_000, 1),  # Begun here before the border, and there after it.
        (60_000, -60_000, 1),  # The other way round: their clock is behind.
        (0, 0, 1),
        (-60_000, -60_000, 1),  # Within the margin their list begins earlier than was asked.
        (-7_200_000, -7_200_000, 0),  # Older on both sides: said, not compared.
    ],
)
async def test_a_payment_at_the_border_of_the_window_is_compared(
    till: Till, ours_ms: int, theirs_ms: int, found: int
) -> None:
    """What the window leaves out is counted; nothing at its border falls between the sides."""
    order = await pay_order(till)
    await calm(till)
    [begun_ms] = await till.values("SELECT created_at_ms FROM payments")
    border_ms = begun_ms + 10_000_000
    for table, at_ms in (("payments", ours_ms), ("sandbox.payments", theirs_ms)):
        await till.change(f"UPDATE {table} SET created_at_ms = {border_ms + at_ms}")
    await till.change("UPDATE sandbox.payments SET amount_minor = 5")

    told = await report(till, order, border_ms)

    assert (told["compared"], told["older"]) == (found, 1 - found)
    assert [one["kind"] for one in told["differences"]] == ["other_amount"] * found
    assert told["counts"] == ({"other_amount": 1} if found else {})
    assert (told["since_ms"], told["truncated"]) == (border_ms, False)


async def test_who_asks_must_be_an_operator_and_the_provider_there(till: Till) -> None:
    """403 for a host; 503 while the provider is away, 502 when it refuses."""
    order = await pay_order(till)
    path = "/api/payments/reconciliation"
    assert (await order.host.client.get(path)).status_code == 403
    operator = (await order.operator()).client
    till.wires.is_cut, till.wires.cut_path = True, "/sandbox-pay"
    away = await operator.get(path)
    assert (away.status_code, away.json()["error"]["code"]) == (503, "provider_unavailable")
    till.wires.is_cut = False
    till.provider._api_key = "wrong"
    refused = await operator.get(path)
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "provider_refused")
    assert (await operator.get(f"{path}?since_ms=x")).status_code == 400


async def test_our_side_is_bounded_as_theirs(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """More payments of ours than a report may have: refused, not read."""
    order = await pay_order(till)
    await pay_order(till)
    await till.change("DELETE FROM sandbox.webhooks")
    await till.change("DELETE FROM sandbox.payments")
    monkeypatch.setattr(reconciliation, "PAYMENTS_MAX", 1)
    operator = (await order.operator()).client
    answer = await operator.get(f"/api/payments/reconciliation?since_ms={SINCE_MS}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


async def test_stripe_is_reconciled_by_its_charges(database_url: str) -> None:
    """Agreement; then money given back in the dashboard, and a payment that we have lost."""
    with run_localstripe() as base:
        side = StripeSide(base)
        async with open_till(database_url, {"stripe": side.provider}) as till:
            orders = []
            for _ in range(3):
                shop, sale = await till.sale()
                order = PaidOrder(till, shop, sale, await till.buyer())
                answer = await order.buyer.order([await till.reserve(sale, order.buyer.id)])
                order.id = answer.json()["order"]["id"]
                orders.append(order)
            refs = await till.values("SELECT provider_ref FROM payments ORDER BY id")
            for intent_id in refs[:2]:
                await side.enter_card(intent_id)
            await till.payments.poll_silent_payments(silent_ms=0)
            await till.payments.run_payment_calls()
            await orders[0].refund(amount_minor=900)
            await till.payments.run_payment_calls()
            await calm(till)
            found = await report(till, orders[0])
            assert found["differences"] == []
            assert found["sums"][0]["theirs_in_minor"] == 2 * PRICE
            assert found["sums"][0]["theirs_out_minor"] == 900

            await side.post("/v1/refunds", {"payment_intent": refs[1], "amount": "5"})
            foreign = {"amount": "300", "currency": "cny", "capture_method": "manual"}
            lost = await side.post(
                "/v1/payment_intents", {**foreign, "metadata[hubbub_payment]": "lost"}
            )
            other = await side.post("/v1/payment_intents", foreign)
            for intent in (lost, other):
                await side.enter_card(intent.json()["id"])
            found = await report(till, orders[0])
            assert [one["kind"] for one in found["differences"]] == [
                "missing_here",
                "other_refunds",
            ]
            assert found["differences"][0]["payment"] == "lost"
        await side.close()


def test_the_stripe_fake_is_a_child_process() -> None:
    """Its library is not loaded into the shop's process."""
    assert "localstripe" not in sys.modules
