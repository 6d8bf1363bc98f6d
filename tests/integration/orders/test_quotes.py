"""Quote and charge are one: shown, ordered, taken and given back is the same to the cent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from commerce.insight.audit.service import audit
from commerce.sales.pricing.ports import Tariffs
from commerce.sales.pricing.tariffs import FlatShipping, IncludedTax
from tests.support.coupons import Stand
from tests.support.till import Buyer, Till, open_till, told_by

SHIPPING_MINOR = 1_200
TARIFFS = Tariffs(FlatShipping(SHIPPING_MINOR, 80_000), IncludedTax(1_300))


@pytest.fixture
async def priced_till(database_url: str) -> AsyncIterator[Till]:
    """A till of a shop that charges shipping and has tax in its prices."""
    async with open_till(database_url, tariffs=TARIFFS) as till:
        yield till


async def ask(buyer: Buyer, **body: Any) -> httpx.Response:
    """Ask for a quote."""
    return await buyer.client.post("/api/quotes", json=body)


async def test_what_is_quoted_is_what_is_ordered_and_what_is_taken(priced_till: Till) -> None:
    till = priced_till
    _, sale = await till.sale(per_buyer=5)
    buyer = await till.buyer()
    held = [await till.reserve(sale, buyer.id), await till.reserve(sale, buyer.id)]
    quoted = (await ask(buyer, reservations=held)).json()["quote"]
    assert quoted["total_minor"] == 2 * 19_900 + SHIPPING_MINOR
    assert quoted["parts"] == {
        "subtotal_minor": 39_800,
        "discounts": [],
        "shipping_minor": SHIPPING_MINOR,
        "tax_minor": 4_717,
        "tax_included": True,
    }
    answer = (await buyer.order(held)).json()
    order = answer["order"]
    assert (order["total_minor"], order["parts"]) == (quoted["total_minor"], quoted["parts"])
    assert [line["price_source"] for line in order["lines"]] == ["flash", "flash"]
    await buyer.press(answer["payment"]["url"], "pay")
    await till.sender.deliver_due()
    paid = await buyer.read(order["id"])
    assert (paid["state"], paid["parts"]) == ("paid", quoted["parts"])
    assert (await till.remote(order["id"]))["amount_minor"] == quoted["total_minor"]
    assert (await audit(till.database)).violations == []


async def test_an_item_is_quoted_at_the_price_that_takes_precedence(till: Till) -> None:
    shop, sale = await till.sale()
    buyer = await till.buyer()
    [item] = await till.values("SELECT item_id::text FROM sales WHERE id = $1", sale)
    quoted = (await ask(buyer, items=[{"item": item, "qty": 2}])).json()["quote"]
    [line] = quoted["lines"]
    assert (line["price_source"], line["unit_price_minor"], line["sale"]) == ("flash", 19_900, sale)
    await till.change("UPDATE sales SET ends_at_ms = clock_ms() WHERE id = $1", sale)
    listed = (await ask(buyer, items=[{"item": item, "qty": 2}])).json()["quote"]
    assert listed["lines"][0]["price_source"] == "list"
    assert listed["total_minor"] == 2 * 32_900
    await till.change("UPDATE sales SET ends_at_ms = clock_ms() WHERE sku = $1", shop.sku)
    refused = await ask(buyer, items=[{"item": item, "qty": 2}])
    assert refused.json()["error"]["code"] == "not_found"


async def test_a_coupon_whose_budget_is_spent_is_not_quoted(till: Till) -> None:
    """An order would not get it: whoever pays by the quote would be refused again and again."""
    stand = Stand(till, *await till.sale())
    dropped = await stand.drop(await stand.coupon(budget_minor=5_000))
    first, second = await till.buyer(), await till.buyer()
    claims = [(await stand.claim(dropped.id, buyer.id)).id for buyer in (first, second)]
    held = await till.reserve(stand.sale, second.id)
    [option] = (await ask(second, reservations=[held])).json()["coupons"]
    assert option["off_minor"] == 3_000
    taken = (await stand.order(first, claims[0]))["order"]["id"]
    [option] = (await ask(second, reservations=[held])).json()["coupons"]
    assert (option["why"], option.get("off_minor")) == ("budget_spent", None)
    refused = (await ask(second, reservations=[held], coupon=claims[1])).json()["error"]
    assert (refused["code"], refused["detail"]) == ("coupon_not_usable", {"reason": "budget_spent"})
    await first.client.post(f"/api/orders/{taken}/cancel", headers={"Idempotency-Key": "c"})
    quoted = (await ask(second, reservations=[held], coupon=claims[1])).json()["quote"]
    ordered = (await second.order([held], coupon=claims[1])).json()["order"]
    assert ordered["total_minor"] == quoted["total_minor"] == 16_900


@pytest.mark.parametrize("body", [{}, {"reservations": ["x"]}, {"items": [{"item": "x"}]}])
async def test_a_quote_of_nothing_is_refused(till: Till, body: dict[str, Any]) -> None:
    assert (await ask(await till.buyer(), **body)).status_code == 400


async def test_somebody_elses_hold_is_not_quoted(till: Till) -> None:
    _, sale = await till.sale()
    held = await till.reserve(sale, (await till.buyer()).id)
    refused = await ask(await till.buyer(), reservations=[held])
    assert refused.json()["error"]["code"] == "not_found"


async def test_a_price_that_changes_after_the_hold_changes_nothing_for_its_holder(
    till: Till,
) -> None:
    _, sale = await till.sale()
    buyer = await till.buyer()
    held = await till.reserve(sale, buyer.id)
    await till.change("UPDATE sales SET price_minor = 1 WHERE id = $1", sale)
    quoted = (await ask(buyer, reservations=[held])).json()["quote"]
    order = (await buyer.order([held])).json()["order"]
    assert quoted["total_minor"] == order["total_minor"] == 19_900


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE orders SET shipping_minor = shipping_minor + 1 WHERE id = $1",
        "UPDATE order_lines SET total_minor = total_minor - 1 WHERE order_id = $1",
        "UPDATE order_lines SET qty = qty + 1 WHERE order_id = $1",
    ],
)
async def test_money_for_another_total_than_the_quote_is_let_go(till: Till, tampering: str) -> None:
    _, sale = await till.sale()
    buyer = await till.buyer()
    order = (await buyer.order([await till.reserve(sale, buyer.id)])).json()["order"]["id"]
    await till.change(tampering, order)
    body = told_by(await till.remote(order), "authorised")
    assert (await till.webhook(body)).status_code == 200
    assert till.news("payment.voided") == [{"order": order, "reason": "total_mismatch"}]
    [state] = await till.values("SELECT state FROM orders WHERE id = $1", order)
    assert state == "cancelled"


async def test_a_line_gives_back_what_was_paid_for_it_and_shipping_goes_with_the_rest(
    priced_till: Till,
) -> None:
    till = priced_till
    shop, sale = await till.sale(per_buyer=5)
    buyer = await till.buyer()
    held = [await till.reserve(sale, buyer.id, 2), await till.reserve(sale, buyer.id)]
    answer = (await buyer.order(held)).json()
    await buyer.press(answer["payment"]["url"], "pay")
    await till.sender.deliver_due()
    while await till.payments.run_payment_calls():
        pass
    host = till.sign_in(shop.host_id, name="Xiaoman", role="host")

    async def refund(key: str, **body: Any) -> int:
        response = await host.client.post(
            f"/api/orders/{answer['order']['id']}/refunds",
            json={"reason": "broken", **body},
            headers={"Idempotency-Key": key},
        )
        assert response.status_code == 201, response.text
        [made] = [
            one
            for one in response.json()["order"]["refunds"]
            if one["id"] == response.json()["refund"]["id"]
        ]
        return int(made["amount_minor"])

    assert await refund("1", lines=[{"reservation": held[0], "qty": 1}]) == 19_900
    assert await refund("2") == 2 * 19_900 + SHIPPING_MINOR
    while await till.payments.run_payment_calls():
        pass
    assert (await buyer.read(answer["order"]["id"]))["state"] == "refunded"
    assert (await audit(till.database)).violations == []
