"""Old state and event make the state that is fetched anew, for every type of the sale lane."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from commerce.community.moderation.model import ChatModes
from commerce.community.moderation.service import delete_line, mute, set_modes, unmute
from commerce.kernel.ports import SystemLine
from commerce.sales.coupons import halting
from commerce.sales.coupons import service as coupons
from commerce.sales.coupons.model import CouponTerms, DropTerms
from commerce.sales.coupons.service import arm_drop, make_coupon
from commerce.sales.draws.rules import commit_of
from commerce.sales.draws.service import hold_due_draws
from commerce.sales.flash_sales.halting import halt, unhalt
from commerce.sales.flash_sales.model import FlashSaleTerms
from commerce.sales.flash_sales.service import arm, finish, note_sold_out, open_one
from commerce.sales.group_buys.campaigns import finish_campaign, open_campaign
from commerce.sales.group_buys.model import CampaignTerms
from commerce.sales.show_floor.store import select_sale_view
from commerce.sales.unlocks import service as unlocks
from commerce.sales.unlocks.model import UnlockTerms
from commerce.shows.bag.service import pin, unpin
from realtime.protocol.messages import ChatLine
from server.db.database import PgDatabase, PgTransaction, open_pool
from server.room_state import RoomStates
from server.wiring.sources import FreshIds, SystemClock
from tests.support.drawing import close_entries
from tests.support.room_model import EVENTS, State, apply_event
from tests.support.shop import Shop, make_shop, make_user

CASES = sorted((Path(__file__).parents[2] / "events").glob("*.json"))
Act = Callable[[PgTransaction], Awaitable[object]]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_shared_cases_hold_in_python_too(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    type, payload, *_ = case["event"]
    assert apply_event(case["before"], type, payload) == case["after"]


def test_there_is_a_shared_case_for_every_type() -> None:
    assert {path.stem for path in CASES} == set(EVENTS)


class World:
    """A shop whose room is watched by a client that only applies events."""

    def __init__(self, database: PgDatabase, shop: Shop) -> None:
        self.database = database
        self.shop = shop
        self.states = RoomStates(database)
        self.seen: State = {}
        self.offset = 0
        self.types: set[str] = set()

    async def look(self) -> State:
        """Fetch the state anew."""
        return (await self.states.state_of(self.shop.room.slug))[1]

    async def act(self, act: Act) -> None:
        """Let something happen, apply its events, and compare with the state fetched anew."""
        async with self.database.transaction() as transaction:
            await act(transaction)
        for entry in await self.states.read_log(self.shop.room.id, self.offset, 100):
            assert entry.offset == self.offset + 1
            self.offset = entry.offset
            self.types.add(entry.type)
            self.seen = apply_event(self.seen, entry.type, json.loads(entry.payload))
        fresh = await self.look()
        figures = {sale["id"]: sale["stock"] for sale in fresh["sales"]}  # Lane K brings these.
        for sale in self.seen["sales"]:
            sale["stock"] = figures.get(sale["id"])
        left = {drop["id"]: drop["left"] for drop in fresh["drops"]}
        for drop in self.seen["drops"]:
            drop["left"] = left.get(drop["id"])
        assert self.seen == fresh


async def test_every_act_is_told_so_that_nobody_needs_to_ask_again(database_url: str) -> None:
    database = PgDatabase(await open_pool(database_url))
    shop = await make_shop(database, is_live=False)
    world = World(database, shop)
    room, ids, now_ms = shop.room, FreshIds(), SystemClock().now_ms()
    world.seen = await world.look()
    world.offset = (await world.states.find(room.slug)).offset  # type: ignore[union-attr]
    line = ChatLine(ids.new(), await make_user(database), "Lin", "hello", (), now_ms)
    await world.states.save(room.id, [line])
    world.seen["chat"] = (await world.look())["chat"]

    await world.act(lambda tx: shop.floor.start(tx, room, now_ms))
    item = world.seen["bag"][0]["item"]
    await world.act(lambda tx: pin(tx, ids, room, item))
    await world.act(lambda tx: shop.floor.announce(tx, room, "Welcome"))
    sale_id = ""

    async def arm_one(transaction: PgTransaction) -> None:
        nonlocal sale_id
        terms = FlashSaleTerms(shop.sku, 100, 2, 1, 0, 60)
        sale_id, _ = await arm(transaction, ids, room, terms, key="k")
        view = await select_sale_view(transaction, sale_id)
        transaction.announce(room.id, "flash.armed", {"sale": msgspec.to_builtins(view)})

    await world.act(arm_one)
    await world.act(lambda tx: open_one(tx, sale_id))
    await sell(database, sale_id, "sold")
    await world.act(lambda tx: note_sold_out(tx, sale_id))
    await sell(database, sale_id, "held")
    await world.act(lambda tx: note_sold_out(tx, sale_id))
    regular = world.seen["bag"][0]["sale"]
    for halted in (sale_id, regular):
        await world.act(partial(halt, sale_id=halted, reason="one zero too few"))
        await world.act(partial(halt, sale_id=halted, reason="a wrong price"))
    await world.act(partial(unhalt, sale_id=sale_id))
    await world.act(partial(unhalt, sale_id=regular))
    await world.act(partial(halt, sale_id=sale_id, reason="a wrong price"))
    await world.act(lambda tx: finish(tx, sale_id, "cancel", "a wrong price"))
    async with database.transaction() as transaction:  # As if a second had passed: staff are paced.
        await transaction.execute("UPDATE room_events SET at_ms = at_ms - 1000")
    await world.act(lambda tx: delete_line(tx, room, line.id, room.host_id))
    await world.act(lambda tx: mute(tx, room, line.user, minutes=1, by=(room.host_id, None)))
    for modes in (ChatModes(10, True, False), ChatModes(links_off=True), ChatModes()):
        await world.act(partial(set_modes, room=room, modes=modes, by=room.host_id))
    await world.act(lambda tx: unmute(tx, room, line.user))
    await world.act(lambda tx: unpin(tx, room))
    await world.act(lambda tx: shop.floor.remove_from_bag(tx, room, item))
    await world.act(lambda tx: shop.floor.schedule(tx, room, title="Next", starts_at_ms=now_ms))
    await world.act(lambda tx: shop.floor.end(tx, room))
    await draw_one(world)
    await group_one(world)
    await let_prices_fall(world)
    await drop_coupons(world)
    assert world.types == set(EVENTS)
    await database.close()


async def drop_coupons(world: World) -> None:
    """Let coupons be dropped, opened, halted, closed; then let the show end with a drop in it."""
    room = world.shop.room

    async def arm_one(transaction: PgTransaction, key: str) -> str:
        terms = CouponTerms(title="30 off", amount_minor=3_000, quantity=10)
        coupon = await make_coupon(transaction, room, terms, key=key, currency="CNY")
        drop = DropTerms(coupon=coupon, quantity=5, countdown_s=0, duration_s=60)
        drops.append((await arm_drop(transaction, room, drop, key=key)).id)
        return coupon

    drops: list[str] = []
    await world.act(partial(arm_one, key="first"))
    coupon = world.seen["drops"][0]["coupon"]["id"]
    await world.act(partial(coupons.open_one, drop_id=drops[0]))
    for reason in ("one zero too many", "ten times too much off"):
        await world.act(partial(halting.halt, coupon_id=coupon, reason=reason))
    await world.act(partial(halting.unhalt, coupon_id=coupon))
    await world.act(partial(halting.halt, coupon_id=coupon, reason="a wrong amount"))
    await world.act(partial(coupons.close, drop_id=drops[0], event="end"))
    await world.act(partial(arm_one, key="second"))
    await world.act(lambda tx: world.shop.floor.end(tx, room))


async def draw_one(world: World) -> None:
    """Let a sale be drawn in a show of its own."""
    shop, sale_id = world.shop, ""

    async def arm_one(transaction: PgTransaction) -> None:
        nonlocal sale_id
        terms = FlashSaleTerms(shop.sku, 100, 2, 1, 0, 60, fairness="draw")
        sale_id, _ = await arm(transaction, FreshIds(), shop.room, terms, key="draw")
        view = await select_sale_view(transaction, sale_id)
        transaction.announce(shop.room.id, "flash.armed", {"sale": msgspec.to_builtins(view)})

    async def draw(_: PgTransaction) -> None:
        await close_entries(world.database, sale_id)  # By hand: this no event tells.
        world.seen["sales"][-1]["draw"] = (await world.look())["sales"][-1]["draw"]
        assert await hold_due_draws(world.database) == 1

    await world.act(lambda tx: shop.floor.start(tx, shop.room, SystemClock().now_ms()))
    await world.act(lambda tx: shop.floor.add_to_bag(tx, shop.room, shop.sku))
    await world.act(arm_one)
    await world.act(lambda tx: open_one(tx, sale_id))
    await world.act(draw)
    drawn = world.seen["sales"][-1]["draw"]
    assert commit_of(bytes.fromhex(drawn["seed"])) == drawn["commit"]


async def group_one(world: World) -> None:
    """Open and close a group buy in the show that is on."""
    shop, sale_id = world.shop, ""

    async def open_one_group(transaction: PgTransaction) -> None:
        nonlocal sale_id
        await transaction.execute("UPDATE room_events SET at_ms = at_ms - 1000")
        terms = CampaignTerms(sku=shop.sku, price_minor=100, need=2, quantity=4)
        sale_id, _ = await open_campaign(transaction, FreshIds(), shop.room, terms, key="group")
        view = await select_sale_view(transaction, sale_id)
        transaction.announce(shop.room.id, "group_buy.opened", {"sale": msgspec.to_builtins(view)})

    await world.act(open_one_group)
    await world.act(lambda tx: finish_campaign(tx, sale_id, "end"))
    assert world.seen["sales"][-1]["state"] == "ended"


async def let_prices_fall(world: World) -> None:
    """Let one threshold be reached and one be missed in the show that is on."""
    shop = world.shop

    async def arm_one(transaction: PgTransaction, key: str) -> str:
        terms = FlashSaleTerms(shop.sku, 100, 2, 1, 0, 60, unlock=UnlockTerms(2, 60))
        sale_id, _ = await arm(transaction, FreshIds(), shop.room, terms, key=key)
        view = await select_sale_view(transaction, sale_id)
        transaction.announce(shop.room.id, "flash.armed", {"sale": msgspec.to_builtins(view)})
        sales.append(sale_id)
        return sale_id

    async def fall(transaction: PgTransaction) -> None:
        unlock, _ = await unlocks.lock(transaction, sales[0])
        await unlocks.let_fall(transaction, unlock, 2, [])

    async def miss(_: PgTransaction) -> None:
        assert await unlocks.note_missed(world.database) == 1

    sales: list[str] = []
    drawn = next(sale["id"] for sale in world.seen["sales"] if sale.get("draw"))
    await world.act(partial(finish, sale_id=drawn, event="end"))
    for key, decide in (("reached", fall), ("missed", None)):
        await world.act(partial(arm_one, key=key))
        await world.act(partial(open_one, sale_id=sales[-1]))
        if decide is not None:
            await world.act(decide)
        await world.act(partial(finish, sale_id=sales[-1], event="end"))
    await world.act(miss)
    assert world.seen["sales"][-1]["unlock"]["state"] == "missed"


async def sell(database: PgDatabase, sale_id: str, state: str) -> None:
    """Put two units of a sale into a state, as two buyers would."""
    async with database.transaction() as transaction:
        known = await transaction.fetchval(
            "UPDATE reservations SET state = $2 WHERE sale_id = $1 RETURNING id", sale_id, state
        )
        if known is None:
            await transaction.execute(
                "SELECT 1 FROM sales s, LATERAL reserve_batch(s.pool_id,"
                " ARRAY[gen_random_uuid(), gen_random_uuid()], ARRAY[s.id, s.id],"
                " ARRAY[gen_random_uuid(), gen_random_uuid()], ARRAY[1, 1]) WHERE s.id = $1",
                sale_id,
            )
            await transaction.execute(
                "UPDATE reservations SET state = $2 WHERE sale_id = $1", sale_id, state
            )


async def test_a_line_of_the_house_is_stored_with_its_transaction(database_url: str) -> None:
    database = PgDatabase(await open_pool(database_url))
    shop = await make_shop(database)
    line = SystemLine(FreshIds().new(), "l***a", "3 Tea bowl", "order", 5)
    async with database.transaction() as transaction:
        transaction.say(shop.room.id, line)
    _, state = await RoomStates(database).state_of(shop.room.slug)
    assert state["chat"] == [[line.id, "", "l***a", "3 Tea bowl", ("order",), 5]]
    await database.close()
