"""The kill switch of a coupon: what it stops, what stands, and that a quote is what is charged."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.coupons import halting, service
from tests.support.coupons import Stand
from tests.support.shop import make_user
from tests.support.till import Till, told_by

REASON = "Ten times too much off"


@pytest.fixture
async def stand(till: Till) -> Stand:
    """A shop with an open flash sale of twenty bowls at 199.00."""
    return Stand(till, *await till.sale(per_buyer=9))


async def coupon_of(stand: Stand, claim: str) -> str:
    """Return the coupon that a claim is of."""
    [coupon] = await stand.till.values("SELECT coupon_id FROM coupon_claims WHERE id = $1", claim)
    return str(coupon)


async def quote(buyer: Any, held: str, coupon: str | None = None) -> Any:
    """Return what a hold would cost, and the buyer's coupons for it."""
    body = {"reservations": [held], "coupon": coupon}
    return (await buyer.client.post("/api/quotes", json=body)).json()


def refusal_of(answer: Any) -> Any:
    """Return (code, reason) of a refusal."""
    error = answer["error"]
    return error["code"], error["detail"]["reason"]


async def test_a_claimed_coupon_is_refused_by_the_quote_and_by_the_order_until_it_goes_on(
    stand: Stand,
) -> None:
    """Without it the same hold is quoted, and charged, at the whole price."""
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    coupon = await coupon_of(stand, claim)
    held = await stand.till.reserve(stand.sale, buyer.id)
    assert (await quote(buyer, held, claim))["quote"]["total_minor"] == 16_900
    await stand.act(partial(halting.halt, coupon_id=coupon, reason=f" {REASON} "))
    assert refusal_of(await quote(buyer, held, claim)) == ("coupon_halted", REASON)
    refused = await buyer.order([held], coupon=claim)
    assert (refused.status_code, refusal_of(refused.json())) == (409, ("coupon_halted", REASON))
    assert await stand.seen(claim) == ("claimed", 0, 0)
    plain = await quote(buyer, held)
    assert [(one["id"], one["why"]) for one in plain["coupons"]] == [(claim, "halted")]
    assert plain["quote"]["total_minor"] == 19_900
    [mine] = await stand.drops.list_claims(buyer.id)
    assert (mine.state, mine.coupon.halt_reason) == ("halted", REASON)
    await stand.act(partial(halting.unhalt, coupon_id=coupon))
    assert (await buyer.order([held], coupon=claim)).json()["order"]["total_minor"] == 16_900
    assert (await audit(stand.till.database)).violations == []


async def test_an_order_that_has_it_keeps_its_price_as_a_hold_of_a_halted_sale_does(
    stand: Stand,
) -> None:
    """The open one can be paid at what its buyer was shown; the paid one is never touched."""
    buyer = await stand.till.buyer()
    paid, open_ = [
        await stand.order(buyer, await stand.claimed(buyer, per_person=1)) for _ in range(2)
    ]
    await stand.pay(buyer, paid)
    for answer in (paid, open_):
        claim = answer["order"]["parts"]["discounts"][0]["coupon"]
        coupon = await coupon_of(stand, claim)
        await stand.act(partial(halting.halt, coupon_id=coupon, reason=REASON))
    await stand.pay(buyer, open_)
    for answer in (paid, open_):
        order = await buyer.read(answer["order"]["id"])
        assert (order["state"], order["total_minor"]) == ("paid", 16_900)
        assert (await stand.till.remote(order["id"]))["amount_minor"] == 16_900
    assert (await audit(stand.till.database)).violations == []


@pytest.mark.parametrize("is_halted", [True, False])
async def test_what_came_back_from_an_order_is_halted_too_also_for_late_money(
    stand: Stand, is_halted: bool
) -> None:
    """Of a halted sale late money buys nothing either; without the halt it does."""
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    late = (await stand.order(buyer, claim))["order"]["id"]
    await stand.till.end_holds(stand.sale)
    await stand.till.settlement.expire_orders()
    if is_halted:
        coupon = await coupon_of(stand, claim)
        await stand.act(partial(halting.halt, coupon_id=coupon, reason=REASON))
    body = told_by(await stand.till.remote(late), "authorised")
    assert (await stand.till.webhook(body)).status_code == 200
    await stand.settle_calls()
    if is_halted:
        assert stand.till.news("payment.voided")[-1]["reason"] == "coupon_gone"
        assert await stand.seen(claim) == ("claimed", 0, 0)
    assert (await buyer.read(late))["state"] == ("expired" if is_halted else "paid")
    assert (await audit(stand.till.database)).violations == []


async def test_late_money_of_an_order_that_has_not_ended_keeps_its_coupon(stand: Stand) -> None:
    """It has held it all the time: its hold is over, its order is not."""
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    late = (await stand.order(buyer, claim))["order"]["id"]
    coupon = await coupon_of(stand, claim)
    await stand.act(partial(halting.halt, coupon_id=coupon, reason=REASON))
    await stand.till.end_holds(stand.sale)
    body = told_by(await stand.till.remote(late), "authorised")
    assert (await stand.till.webhook(body)).status_code == 200
    assert (await buyer.read(late))["state"] == "paid"
    assert await stand.seen(claim) == ("used", 3_000, 3_000)
    assert (await audit(stand.till.database)).violations == []


async def test_nobody_claims_one_and_no_drop_is_armed_until_it_goes_on(stand: Stand) -> None:
    """The drop's window runs on; whoever has a claim of it meets their own."""
    coupon = await stand.coupon()
    dropped = await stand.drop(coupon)
    first, other = [await make_user(stand.till.database) for _ in range(2)]
    mine = await stand.claim(dropped.id, first)
    await stand.act(partial(halting.halt, coupon_id=coupon, reason=REASON))
    with pytest.raises(CommerceError) as caught:
        await stand.claim(dropped.id, other)
    assert (caught.value.code, caught.value.detail) == ("coupon_halted", {"reason": REASON})
    assert (await stand.claim(dropped.id, first)).id == mine.id
    await stand.act(partial(halting.unhalt, coupon_id=coupon))
    assert (await stand.claim(dropped.id, other)).state == "claimed"
    await stand.act(partial(halting.halt, coupon_id=coupon, reason=REASON))
    await stand.act(partial(service.close, drop_id=dropped.id, event="end"))
    with pytest.raises(CommerceError, match="ended"):
        await stand.claim(dropped.id, await make_user(stand.till.database))
    with pytest.raises(CommerceError, match="coupon_halted"):
        await stand.drop(coupon)
    # Not even a unit of it was taken for the drop that was refused.
    assert await stand.till.values("SELECT granted FROM coupons WHERE id = $1", coupon) == [2]


async def test_a_halt_is_told_once_and_another_reason_again(stand: Stand) -> None:
    coupon = await stand.coupon()
    for reason in (REASON, REASON, "Meant for one item alone"):
        await stand.act(partial(halting.halt, coupon_id=coupon, reason=reason))
    for _ in range(2):
        await stand.act(partial(halting.unhalt, coupon_id=coupon))
    told = await stand.till.values(
        "SELECT type || coalesce(' ' || (payload::jsonb ->> 'reason'), '')"
        " FROM room_events WHERE type LIKE 'coupon.%halted' ORDER BY log_offset"
    )
    assert told == [
        f"coupon.halted {REASON}",
        "coupon.halted Meant for one item alone",
        "coupon.unhalted",
    ]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 121])
async def test_a_halt_says_why_in_a_few_words(stand: Stand, reason: str) -> None:
    coupon = await stand.coupon()
    with pytest.raises(CommerceError) as caught:
        await stand.act(partial(halting.halt, coupon_id=coupon, reason=reason))
    assert caught.value.detail == {"field": "reason"}


async def test_a_coupon_of_the_shop_is_halted_in_every_room(till: Till) -> None:
    """Whatever it is good for: a room, every room, or one article in every room."""
    here, there = [Stand(till, *await till.sale(per_buyer=9)) for _ in range(2)]
    buyer = await till.buyer()
    for terms in ({"scope": "shop"}, {"scope": "shop", "skus": (there.shop.sku,)}):
        claim = await here.claimed(buyer, **terms)
        coupon = await coupon_of(here, claim)
        await here.act(partial(halting.halt, coupon_id=coupon, reason=REASON))
        assert refusal_of(await there.order(buyer, claim)) == ("coupon_halted", REASON)
        await here.act(partial(halting.unhalt, coupon_id=coupon))
        assert (await there.order(buyer, claim))["order"]["total_minor"] == 16_900
