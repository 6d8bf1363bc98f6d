"""The evidence of an order names the price that was charged, and adds up to the money."""

from __future__ import annotations

from typing import Any

from commerce.insight.evidence.service import export_evidence
from commerce.sales.coupons.halting import halt, unhalt
from commerce.sales.pricing.ports import Tariffs
from commerce.sales.pricing.tariffs import FlatShipping, IncludedTax
from tests.integration.orders.test_campaign_prices import (
    HOUR_MS,
    LIST_MINOR,
    PRICE_MINOR,
    freeze,
    now,
    open_shop,
    set_price,
    withdraw,
)
from tests.support.coupons import Stand
from tests.support.till import Buyer, open_till

TARIFFS = Tariffs(FlatShipping(800), IncludedTax(1300))


async def evidence(stand: Stand, buyer: Buyer, coupon: str | None, qty: int) -> dict[str, Any]:
    """Order, pay, and return the bundle."""
    answer = await stand.order(buyer, coupon, qty)
    await stand.pay(buyer, answer)
    return await export_evidence(stand.till.database, answer["order"]["id"])


def offers(bundle: dict[str, Any]) -> list[tuple[str, int]]:
    """Return (kind, price) of what the log says was offered at the press."""
    return [(one["kind"], one["price_minor"]) for one in bundle["lines"][0]["price"]["log"]]


async def test_it_adds_up_to_what_was_charged(database_url: str) -> None:
    async with open_till(database_url, tariffs=TARIFFS) as till:
        shop, sale, _ = await open_shop(till)
        stand, lena = Stand(till, shop, sale), await till.buyer("Lena")
        await set_price(till, shop)
        bundle = await evidence(stand, lena, await stand.claimed(lena), 2)
    order, [line] = bundle["order"], bundle["lines"]
    parts, price = order["parts"], line["price"]
    assert parts["discounts"] == [{"source": "coupon", "amount_minor": 3_000, "title": "30 off"}]
    assert (price["unit_price_minor"], price["source"]) == (PRICE_MINOR, "campaign")
    assert price["total_minor"] == 2 * PRICE_MINOR - price["discount_minor"] == 47_000
    assert (parts["subtotal_minor"], parts["shipping_minor"]) == (2 * PRICE_MINOR, 800)
    assert parts["tax_included"]
    assert parts["tax_minor"] > price["tax_minor"] > 0
    assert order["total_minor"] == 47_800 == bundle["money"]["payments"][0]["amount_minor"]


async def test_it_tells_that_the_coupon_of_the_order_was_stopped_later(database_url: str) -> None:
    """The order keeps what it was placed at; the two times say why."""
    async with open_till(database_url) as till:
        shop, sale, _ = await open_shop(till)
        stand, lena = Stand(till, shop, sale), await till.buyer("Lena")
        coupon = await stand.coupon()
        claim = (await stand.claim((await stand.drop(coupon)).id, lena.id)).id
        before = await evidence(stand, lena, claim, 1)
        await stand.act(lambda transaction: halt(transaction, coupon, "A zero too many"))
        halted = await export_evidence(till.database, before["order"]["id"])
        await stand.act(lambda transaction: unhalt(transaction, coupon))
        resumed = await export_evidence(till.database, before["order"]["id"])
        plain = await evidence(stand, lena, None, 1)
    good = {"id": coupon, "title": "30 off", "halt": None}
    assert before["order"]["coupon"] == resumed["order"]["coupon"] == good
    stopped = halted["order"]["coupon"]["halt"]
    assert stopped["reason"] == "A zero too many"
    assert stopped["at_ms"] >= halted["order"]["created_at_ms"]
    assert halted["order"]["parts"] == before["order"]["parts"]
    assert plain["order"]["coupon"] is None


async def test_the_log_has_the_campaign_price_of_the_moment_alone(database_url: str) -> None:
    async with open_till(database_url) as till:
        shop, sale, _ = await open_shop(till)
        stand, lena = Stand(till, shop, sale), await till.buyer("Lena")
        regular = ("regular", LIST_MINOR)
        before = await evidence(stand, lena, None, 1)
        campaign = await set_price(till, shop)
        within = await evidence(stand, lena, None, 1)
        await withdraw(till, shop, campaign.id)
        assert offers(within) == offers(await export_evidence(till.database, within["order"]["id"]))
        after = await evidence(stand, lena, None, 1)
        start_ms = await now(till) + HOUR_MS
        await set_price(till, shop, price_minor=20_000, from_ms=start_ms, until_ms=start_ms + 5)
        to_come = await evidence(stand, lena, None, 1)
        await freeze(till, start_ms + 5)
        over = await evidence(stand, await till.buyer("Mo"), None, 1)
    assert offers(within) == [regular, ("campaign", PRICE_MINOR)]
    assert within["lines"][0]["price"]["log"][1]["campaign_price"] == campaign.id
    assert offers(before) == offers(after) == offers(to_come) == offers(over) == [regular]
