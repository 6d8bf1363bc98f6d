"""Campaign prices: quoted, held, charged and logged as set, to the millisecond."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce.goods.carts.model import Granted
from commerce.goods.carts.service import CartService
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.campaign_prices.model import CampaignPrice, CampaignPriceTerms
from commerce.sales.pricing.model import PriceGuard
from commerce.sales.pricing.store import select_lowest_of_30_days
from commerce.sales.show_floor.shop_prices import set_campaign_price, withdraw_campaign_price
from commerce.sales.show_floor.store import select_floor, select_sale_view
from tests.support.shop import Shop, arm_flash, make_shop
from tests.support.till import Buyer, Till, open_till

LIST_MINOR = 32_900
PRICE_MINOR = 25_000
HOUR_MS = 3_600_000


async def now(till: Till) -> int:
    """Return the database's clock."""
    return int((await till.values("SELECT clock_ms()"))[0])


async def freeze(till: Till, at_ms: int) -> None:
    """Let the database's clock stand at a moment."""
    await till.change(
        "CREATE OR REPLACE FUNCTION clock_ms() RETURNS bigint LANGUAGE sql STABLE"
        f" AS 'SELECT {at_ms}::bigint'"
    )


async def set_price(till: Till, shop: Shop, key: str | None = None, **more: Any) -> CampaignPrice:
    """Set a price of 250.00 for an hour, from now on."""
    wish = {"price_minor": PRICE_MINOR, "until_ms": await now(till) + HOUR_MS, **more}
    async with till.database.transaction() as transaction:
        return await set_campaign_price(
            transaction,
            shop.sku,
            CampaignPriceTerms(**wish),
            user_id=shop.host_id,
            key=key or str(uuid.uuid4()),
        )


async def withdraw(till: Till, shop: Shop, id: str) -> CampaignPrice:
    """Take a price back."""
    async with till.database.transaction() as transaction:
        return await withdraw_campaign_price(transaction, id, user_id=shop.host_id)


async def open_shop(till: Till) -> tuple[Shop, str, str]:
    """Return a shop with its regular sale and bag item."""
    shop = await make_shop(till.database, slug=f"room-{uuid.uuid4().hex[:8]}")
    row = await till.row("SELECT id::text, item_id::text FROM sales WHERE sku = $1", shop.sku)
    return shop, row[0], row[1]


async def quote(buyer: Buyer, **body: Any) -> Any:
    """Return what something costs."""
    return (await buyer.client.post("/api/quotes", json=body)).json()["quote"]


async def check_one_price(till: Till, buyer: Buyer, item: str, held: str) -> int:
    """Item, hold, order and payment cost the same; return the unit's price."""
    by_item = await quote(buyer, items=[{"item": item, "qty": 2}])
    by_hold = await quote(buyer, reservations=[held])
    answer = (await buyer.order([held])).json()
    order = answer["order"]
    remote = await till.remote(order["id"])
    assert by_item["total_minor"] == by_hold["total_minor"] == order["total_minor"]
    assert remote["amount_minor"] == order["total_minor"]
    sources = {one["lines"][0]["price_source"] for one in (by_item, by_hold, order)}
    price: int = order["lines"][0]["unit_price_minor"]
    assert sources == {"list" if price == LIST_MINOR else "campaign"}
    return price


async def test_a_price_is_quoted_held_and_charged_and_a_hold_before_it_keeps_its_own(
    till: Till,
) -> None:
    shop, sale, item = await open_shop(till)
    buyer = await till.buyer()
    early = await till.reserve(sale, buyer.id)
    made = await set_price(till, shop)
    await freeze(till, made.from_ms)
    held = await till.reserve(sale, buyer.id, 2)
    assert await check_one_price(till, buyer, item, held) == PRICE_MINOR
    order = (await buyer.order([early])).json()["order"]
    assert (order["total_minor"], order["lines"][0]["price_source"]) == (LIST_MINOR, "list")
    assert (await audit(till.database)).violations == []


@pytest.mark.parametrize(("late_ms", "price"), [(-1, PRICE_MINOR), (0, LIST_MINOR)])
async def test_the_end_of_the_window_is_exact(till: Till, late_ms: int, price: int) -> None:
    shop, sale, item = await open_shop(till)
    made = await set_price(till, shop)
    buyer = await till.buyer()
    await freeze(till, made.until_ms + late_ms)
    held = await till.reserve(sale, buyer.id, 2)
    assert await check_one_price(till, buyer, item, held) == price
    # A hold of the last moment keeps its price when it is over.
    await freeze(till, made.until_ms + 10)
    assert (await quote(buyer, reservations=[await till.reserve(sale, buyer.id)]))[
        "total_minor"
    ] == LIST_MINOR
    kept = await till.values("SELECT unit_price_minor FROM reservations WHERE id = $1", held)
    assert kept == [price]


@pytest.fixture
def world(database_url: str) -> Iterator[tuple[asyncio.Runner, Till]]:
    """A till for all examples, and the loop that it lives in."""
    with asyncio.Runner() as runner:
        opened = open_till(database_url)
        yield runner, runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    price_minor=st.integers(1, LIST_MINOR - 1),
    starts_ms=st.integers(1, 3),
    lasts_ms=st.integers(1, 3),
    pressed_ms=st.integers(0, 7),
)
def test_whenever_one_presses_the_quote_is_the_charge(
    world: tuple[asyncio.Runner, Till], **drawn: int
) -> None:
    runner, till = world
    runner.run(press_at(till, **drawn))


async def press_at(
    till: Till, *, price_minor: int, starts_ms: int, lasts_ms: int, pressed_ms: int
) -> None:
    """Press some milliseconds after a price was set that begins and ends about then."""
    shop, sale, item = await open_shop(till)
    at_ms = await now(till) + 10
    await freeze(till, at_ms)
    begin, end = at_ms + starts_ms, at_ms + starts_ms + lasts_ms
    await set_price(till, shop, price_minor=price_minor, from_ms=begin, until_ms=end)
    await freeze(till, at_ms + pressed_ms)
    buyer = await till.buyer()
    held = await till.reserve(sale, buyer.id, 2)
    is_in = begin <= at_ms + pressed_ms < end
    price = await check_one_price(till, buyer, item, held)
    assert price == (price_minor if is_in else LIST_MINOR)


async def test_a_flash_sale_goes_before_it_and_carts_have_it(till: Till) -> None:
    shop, sale, item = await open_shop(till)
    made = await set_price(till, shop)
    await freeze(till, made.from_ms + 1)
    buyer = await till.buyer()
    cart = await CartService(till.inventory).reserve(
        user_id=buyer.id, items=[(sale, 2)], key="cart"
    )
    assert isinstance(cart, Granted)
    assert [one.reservation.unit_price_minor for one in cart.reservations] == [PRICE_MINOR]
    flash = await arm_flash(till.database, shop)
    [line] = (await quote(buyer, items=[{"item": item, "qty": 1}]))["lines"]
    assert (line["price_source"], line["sale"]) == ("flash", flash)


async def test_the_room_and_the_log_are_told_of_a_price_and_of_its_end(till: Till) -> None:
    shop, _, _ = await open_shop(till)
    made = await set_price(till, shop)
    async with till.database.reading() as connection:
        [shown] = (await select_floor(connection, shop.room)).sales
        lowest = await select_lowest_of_30_days(connection, shop.sku, made.until_ms)
    assert shown.price_minor == LIST_MINOR
    assert shown.campaign_price is not None
    assert (shown.campaign_price.id, shown.campaign_price.price_minor) == (made.id, PRICE_MINOR)
    assert lowest is not None
    assert lowest.price_minor == PRICE_MINOR
    ended = await withdraw(till, shop, made.id)
    assert ended.is_withdrawn
    assert made.from_ms <= ended.until_ms < made.until_ms
    assert await withdraw(till, shop, made.id) == ended
    events = await till.values(
        "SELECT payload::json #>> '{sales,0,campaign_price,price_minor}' FROM room_events"
        " WHERE room_id = $1 AND type = 'bag.changed' ORDER BY log_offset DESC LIMIT 2",
        shop.room.id,
    )
    assert events == [None, str(PRICE_MINOR)]
    logged = await till.values(
        "SELECT price_minor FROM price_log WHERE campaign_price_id = $1 ORDER BY id", made.id
    )
    assert logged == [PRICE_MINOR, None]


async def test_a_flash_sale_to_come_is_compared_with_a_price_that_begins_before_it(
    till: Till,
) -> None:
    """What its countdown shows is the lowest price of the days before it opens, and is told."""
    shop, _, _ = await open_shop(till)
    terms = {"countdown_s": 600, "is_open": False, "quantity": 2}
    compared = await arm_flash(till.database, shop, show_reference=True, **terms)

    async def reference() -> int | None:
        async with till.database.reading() as connection:
            view = await select_sale_view(connection, compared)
        return view.reference_minor

    assert await reference() == LIST_MINOR
    later = await set_price(till, shop, from_ms=await now(till) + 900_000)
    assert await reference() == LIST_MINOR, "it begins after the sale has opened"
    await withdraw(till, shop, later.id)
    sooner = await set_price(till, shop, from_ms=await now(till) + 300_000)
    assert await reference() == PRICE_MINOR
    [told] = await till.values(
        "SELECT payload FROM room_events WHERE room_id = $1 AND type = 'bag.changed'"
        " ORDER BY log_offset DESC LIMIT 1",
        shop.room.id,
    )
    shown = {sale["id"]: sale.get("reference_minor") for sale in json.loads(told)["sales"]}
    assert shown[compared] == PRICE_MINOR
    await withdraw(till, shop, sooner.id)
    assert await reference() == LIST_MINOR, "it never began"


async def test_a_flash_sale_that_runs_or_shows_no_reference_stays_as_it_is(till: Till) -> None:
    """What the room has read at the opening stands; nobody who did not ask gets one."""
    shop, _, _ = await open_shop(till)
    running = await arm_flash(till.database, shop, show_reference=True)
    await set_price(till, shop)
    plain_shop, _, _ = await open_shop(till)
    plain = await arm_flash(till.database, plain_shop, countdown_s=600, is_open=False)
    await set_price(till, plain_shop)
    async with till.database.reading() as connection:
        views = [await select_sale_view(connection, sale) for sale in (running, plain)]
    assert [view.reference_minor for view in views] == [LIST_MINOR, None]


async def test_a_price_that_never_began_was_never_offered(till: Till) -> None:
    shop, _, _ = await open_shop(till)
    at_ms = await now(till)
    made = await set_price(till, shop, from_ms=at_ms + HOUR_MS, until_ms=at_ms + 2 * HOUR_MS)
    await withdraw(till, shop, made.id)
    async with till.database.reading() as connection:
        lowest = await select_lowest_of_30_days(connection, shop.sku, at_ms + 3 * HOUR_MS)
    assert lowest is not None
    assert lowest.price_minor == LIST_MINOR


async def test_a_sku_has_one_price_and_a_key_is_one_price(till: Till) -> None:
    shop, _, _ = await open_shop(till)
    until_ms = await now(till) + HOUR_MS
    made = await set_price(till, shop, key="k", until_ms=until_ms)
    assert await set_price(till, shop, key="k", until_ms=until_ms) == made
    with pytest.raises(CommerceError, match="idempotency_conflict"):
        await set_price(till, shop, key="k", until_ms=until_ms + 1)
    with pytest.raises(CommerceError, match="campaign_price_exists"):
        await set_price(till, shop)
    await withdraw(till, shop, made.id)
    again = await set_price(till, shop)
    assert again.id != made.id


async def test_a_price_far_down_is_typed_twice(till: Till) -> None:
    shop, _, _ = await open_shop(till)
    guard = PriceGuard(floor_minor=20_000)
    with pytest.raises(CommerceError, match="price_needs_confirmation"):
        await set_price(till, shop, price_minor=2_500, guard=guard)
    made = await set_price(till, shop, price_minor=2_500, guard=guard, confirm_price_minor=2_500)
    assert made.price_minor == 2_500


async def test_a_withdrawal_waits_for_the_pool_and_later_holds_cost_the_list_price(
    till: Till,
) -> None:
    """Presses and the withdrawal race; the audit knows what each hold had to cost."""
    shop, sale, _ = await open_shop(till)
    made = await set_price(till, shop)
    buyers = [await till.buyer() for _ in range(12)]

    async def press(buyer: Buyer, turns: int) -> None:
        for _ in range(turns):
            await till.reserve(sale, buyer.id)

    async with asyncio.TaskGroup() as group:
        for buyer in buyers[:6]:
            group.create_task(press(buyer, 5))
        group.create_task(withdraw(till, shop, made.id))
        for buyer in buyers[6:]:
            group.create_task(press(buyer, 5))
    after = await till.reserve(sale, buyers[0].id)
    prices = await till.values("SELECT unit_price_minor FROM reservations WHERE id = $1", after)
    assert prices == [LIST_MINOR]
    assert (await audit(till.database)).violations == []
    # The control: the audit tells a hold that costs what did not hold when it was decided.
    await till.change(
        "UPDATE reservations SET unit_price_minor = $2 WHERE id = $1", after, PRICE_MINOR
    )
    assert [one.check for one in (await audit(till.database)).violations] == [
        "hold_costs_what_was_offered"
    ]
