"""Where a coupon is good: in its room, in every room of the shop, for one article in every room."""

from __future__ import annotations

from typing import Any

import pytest

from commerce.insight.audit.service import audit
from commerce.sales.coupons.store import select_figures
from tests.support.coupons import Stand
from tests.support.till import Till


@pytest.fixture
async def rooms(till: Till) -> tuple[Stand, Stand]:
    """Two rooms of one shop, each with a flash sale of its own goods at 199.00."""
    return Stand(till, *await till.sale(per_buyer=9)), Stand(till, *await till.sale(per_buyer=9))


async def preview(stand: Stand, buyer: Any, coupon: str | None = None) -> Any:
    """Return what an order of one unit would cost, and the buyer's coupons for it."""
    held = await stand.till.reserve(stand.sale, buyer.id)
    body = {"reservations": [held]} | ({"coupon": coupon} if coupon else {})
    return (await buyer.client.post("/api/quotes", json=body)).json()


async def test_a_coupon_of_the_shop_is_claimed_in_one_room_and_used_in_another(
    rooms: tuple[Stand, Stand],
) -> None:
    """The preview says what the order charges, and all of its life is that of any coupon."""
    here, there = rooms
    buyer = await here.till.buyer()
    claim = await here.claimed(buyer, scope="shop")
    [option] = (await preview(there, buyer))["coupons"]
    assert (option["id"], option["off_minor"]) == (claim, 3_000)
    quoted = await preview(there, buyer, claim)
    assert quoted["quote"]["total_minor"] == 16_900
    answer = await there.order(buyer, claim)
    assert answer["order"]["total_minor"] == 16_900
    assert await here.seen(claim) == ("locked", 3_000, 3_000)
    await there.pay(buyer, answer)
    assert await here.seen(claim) == ("used", 3_000, 3_000)
    await there.refund(answer)
    assert await here.seen(claim) == ("claimed", 0, 0)
    assert (await audit(here.till.database)).violations == []


async def test_a_coupon_of_the_room_stays_there(rooms: tuple[Stand, Stand]) -> None:
    here, there = rooms
    buyer = await here.till.buyer()
    claim = await here.claimed(buyer)
    [option] = (await preview(there, buyer))["coupons"]
    assert option["why"] == "other_room"
    answer = await there.order(buyer, claim)
    assert answer["error"]["detail"]["reason"] == "other_room"
    assert (await here.order(buyer, claim))["order"]["total_minor"] == 16_900


async def test_an_article_has_its_coupon_in_every_room_and_other_goods_have_none(
    rooms: tuple[Stand, Stand],
) -> None:
    here, there = rooms
    buyer = await here.till.buyer()
    claim = await here.claimed(buyer, scope="shop", skus=(there.shop.sku,))
    [option] = (await preview(here, buyer))["coupons"]
    assert option["why"] == "out_of_scope"
    refused = await here.order(buyer, claim)
    assert refused["error"]["detail"]["reason"] == "out_of_scope"
    assert (await there.order(buyer, claim))["order"]["total_minor"] == 16_900


async def test_the_stacking_matrix_holds_in_every_room(rooms: tuple[Stand, Stand]) -> None:
    """A coupon that does not go with flash prices does so nowhere."""
    here, there = rooms
    buyer = await here.till.buyer()
    claim = await here.claimed(buyer, scope="shop", sources=("list", "campaign"))
    for stand in (here, there):
        refused = await stand.order(buyer, claim)
        assert refused["error"]["detail"]["reason"] == "price_source"


async def test_the_budget_is_one_for_all_rooms(rooms: tuple[Stand, Stand]) -> None:
    here, there = rooms
    buyers = [await here.till.buyer(name) for name in ("Lena", "Bo")]
    coupon = await here.coupon(scope="shop", budget_minor=5_000)
    dropped = await here.drop(coupon)
    claims = [(await here.claim(dropped.id, buyer.id)).id for buyer in buyers]
    assert "order" in await here.order(buyers[0], claims[0])
    refused = await there.order(buyers[1], claims[1])
    assert refused["error"]["detail"]["reason"] == "budget_spent"
    async with here.till.database.reading() as connection:
        figures = await select_figures(connection, coupon)
    assert (figures.coupon.scope, figures.coupon.room) == ("shop", here.shop.room.slug)
    assert (figures.locked, figures.spent_minor) == (1, 3_000)


@pytest.mark.parametrize("percent", [0, 10])
async def test_a_coupon_of_another_currency_takes_nothing_off(
    rooms: tuple[Stand, Stand], percent: int
) -> None:
    """The shop's currency is a setting: coupons that were made before it changed are still out."""
    stand, _ = rooms
    buyer = await stand.till.buyer()
    terms = {"percent": percent, "amount_minor": 0} if percent else {}
    claim = await stand.claimed(buyer, **terms)
    await stand.till.change("UPDATE coupons SET currency = 'XTS'")
    held = await stand.till.reserve(stand.sale, buyer.id)
    asked = await buyer.client.post("/api/quotes", json={"reservations": [held]})
    [option] = asked.json()["coupons"]
    assert (option["why"], option.get("off_minor", 0)) == ("other_currency", 0)
    wish = {"reservations": [held], "coupon": claim}
    for answer in (
        await buyer.client.post("/api/quotes", json=wish),
        await buyer.order([held], coupon=claim),
    ):
        assert answer.json()["error"]["detail"]["reason"] == "other_currency"
    assert await stand.seen(claim) == ("claimed", 0, 0)
