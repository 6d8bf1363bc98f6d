"""What guests can cost: unpaid orders are limited, and captures come before their voids."""

from __future__ import annotations

import pytest

from commerce.orders.checkout import rules
from tests.support.till import Till, order_one


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three be too many."""
    monkeypatch.setattr(rules, "UNPAID_ORDERS_MAX", 3)  # The service asks the rule.


async def test_unpaid_orders_are_limited_also_cancelled_ones(till: Till) -> None:
    """The next is refused with the time to wait; its hold stays; a known key is answered."""
    _, sale = await till.sale(per_buyer=10)
    buyer = await till.buyer()
    reservation = await till.reserve(sale, buyer.id)
    first = (await buyer.order([reservation], key="first")).json()
    rest = [(await order_one(till, sale, buyer))[0] for _ in range(2)]
    await buyer.client.post(f"/api/orders/{rest[0]}/cancel", headers={"Idempotency-Key": "c"})

    held = await till.reserve(sale, buyer.id)
    refused = await buyer.order([held], key="late")

    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (429, "too_many_unpaid")
    assert error["detail"] == {"unpaid": 3, "max": 3}
    assert 0 < error["retry_ms"] <= rules.UNPAID_WINDOW_MS
    assert int(refused.headers["retry-after"]) > 0
    assert await till.values("SELECT state FROM reservations WHERE id = $1", held) == ["held"]
    again = await buyer.order([reservation], key="first")
    assert again.json()["order"]["id"] == first["order"]["id"]

    other = await till.buyer("Lin")
    assert (await other.order([await till.reserve(sale, other.id)])).status_code == 201
    await buyer.press(first["payment"]["url"], "pay")
    assert (await buyer.order([held], key="late")).status_code == 201


async def test_old_unpaid_orders_do_not_count(till: Till) -> None:
    """They are counted for as long as a hold can be kept."""
    _, sale = await till.sale(per_buyer=10)
    buyer = await till.buyer()
    for _ in range(3):
        await order_one(till, sale, buyer)
    await till.change(
        "UPDATE orders SET created_at_ms = created_at_ms - $1", rules.UNPAID_WINDOW_MS
    )
    assert (await buyer.order([await till.reserve(sale, buyer.id)])).status_code == 201


async def test_a_capture_comes_before_older_voids(till: Till) -> None:
    """However many guests give orders up: money of a paid order is taken first."""
    _, sale = await till.sale(per_buyer=10)
    guest, lena = await till.buyer("Guest"), await till.buyer("Lena")
    for _ in range(3):
        order_id, _ = await order_one(till, sale, guest)
        await guest.client.post(f"/api/orders/{order_id}/cancel", headers={"Idempotency-Key": "c"})
    _, url = await order_one(till, sale, lena)
    await lena.press(url, "pay")
    before = len(till.wires.requests)
    await till.payments.run_payment_calls()
    acts = [one.url.path.rsplit("/", 1)[1] for one in till.wires.requests[before:]]
    assert next(act for act in acts if act in ("capture", "void")) == "capture"
