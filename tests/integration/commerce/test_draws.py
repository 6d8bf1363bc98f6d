"""Draws, promise by promise, on real PostgreSQL."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any

import orjson
import pytest

from commerce.goods.carts.service import CartService
from commerce.goods.inventory.model import Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.goods.waiting_list.service import WaitingList
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.draws.model import Receipt
from commerce.sales.draws.rules import commit_of, decide_draw, digest_entries, key_of
from commerce.sales.draws.service import Draws, hold_due_draws, tell_entrants
from commerce.sales.flash_sales.halting import halt, unhalt
from commerce.sales.flash_sales.service import finish
from commerce.sales.show_floor.store import select_sale_view
from loadtests.conformance.matching import find_mismatch
from loadtests.conformance.shapes import DRAW_LOST, DRAW_WON
from server.db.database import PgDatabase, Told
from server.room_state import RoomStates
from tests.support.drawing import arm_draw_sale, close_entries, enter_many, whole_draw
from tests.support.shop import Shop, arm_flash, make_shop, read_stock


@pytest.fixture
async def shop(database: PgDatabase) -> Shop:
    """A shop with a live show."""
    return await make_shop(database)


@pytest.fixture
def draws(database: PgDatabase, inventory: InventoryService) -> Draws:
    """The draws."""
    return Draws(database, inventory)


async def code_of(call: Any) -> str:
    """Return the code of the refusal that a call must get."""
    with pytest.raises(CommerceError) as refused:
        await call
    return refused.value.code


async def receipt_of(draws: Draws, user: str, sale: str) -> Receipt:
    """Return somebody's entry, which must be there."""
    mine = await draws.find_mine(user_id=user, sale_id=sale)
    assert mine is not None
    return mine


async def test_the_draw_is_what_the_rules_say(
    database: PgDatabase, inventory: InventoryService, draws: Draws, shop: Shop
) -> None:
    sale = await arm_draw_sale(database, shop, quantity=7, per_buyer=3)
    await enter_many(draws, sale, [1, 2, 3] * 8)
    before, _, _ = await whole_draw(database, inventory, sale)
    assert (before.seed, before.digest, before.winner_count) == (None, None, None)
    await close_entries(database, sale)
    assert await hold_due_draws(database) == 1
    page, entries, winners = await whole_draw(database, inventory, sale)
    assert page.seed is not None
    seed = bytes.fromhex(page.seed)
    assert page.commit == before.commit == commit_of(seed)
    assert page.digest == digest_entries(entries).hex()
    result = decide_draw(seed, entries, 7)
    assert sorted(winners) == sorted(result.winners)
    assert (page.units, page.entry_count, page.winner_count) == (7, 24, len(winners))
    async with database.reading() as connection:
        held = await connection.fetch(
            "SELECT e.id::text, r.qty, r.state, r.origin FROM draw_entries e"
            " JOIN reservations r ON r.id = e.reservation_id ORDER BY r.seq"
        )
        line = await connection.fetch(
            "SELECT e.id::text FROM waiting_list w JOIN draw_entries e ON e.user_id = w.user_id"
            " ORDER BY w.seq"
        )
    assert [row["id"] for row in held] == result.winners
    assert {(row["state"], row["origin"]) for row in held} == {("held", "draw")}
    assert [row["id"] for row in line] == result.losers
    assert (await audit(database)).violations == []


async def test_a_second_worker_and_a_second_round_change_nothing(
    database: PgDatabase, draws: Draws, shop: Shop
) -> None:
    sale = await arm_draw_sale(database, shop)
    await enter_many(draws, sale, [1] * 20)
    await close_entries(database, sale)
    rounds = await asyncio.gather(*(hold_due_draws(database) for _ in range(4)))
    assert sum(rounds) == 1
    assert await hold_due_draws(database) == 0
    stock = await read_stock(database, sale)
    assert stock["claimed"] == 5
    async with database.reading() as connection:
        assert await connection.fetchval("SELECT count(*) FROM reservations") == 5
        assert (
            await connection.fetchval("SELECT count(*) FROM room_events WHERE type = 'flash.drawn'")
            == 1
        )


async def test_a_draw_that_is_cut_off_leaves_nothing_and_is_done_again(
    database: PgDatabase, draws: Draws, shop: Shop
) -> None:
    sale = await arm_draw_sale(database, shop)
    await enter_many(draws, sale, [1] * 8)
    await close_entries(database, sale)

    async def die() -> None:
        async with database.transaction() as transaction:
            assert await transaction.fetchval("SELECT hold_draw($1, 5000)", sale)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        await die()
    assert (await read_stock(database, sale))["claimed"] == 0
    assert (await draws.read_page(sale, after=None)).seed is None
    assert await hold_due_draws(database) == 1


async def test_nobody_reserves_before_the_draw_and_leftovers_sell_first_come(
    database: PgDatabase, inventory: InventoryService, draws: Draws, shop: Shop
) -> None:
    sale = await arm_draw_sale(database, shop, quantity=3)
    buyer = str(uuid.uuid4())
    press = {"user_id": buyer, "sale_id": sale, "qty": 1}
    assert await code_of(inventory.reserve(**press, key="k")) == "draw_only"
    carts, lists = CartService(inventory), WaitingList(database, inventory)
    assert await code_of(carts.reserve(user_id=buyer, items=[(sale, 1)], key="k")) == "draw_only"
    assert await code_of(lists.join(**press, key="k")) == "draw_only"
    await enter_many(draws, sale, [1])
    await close_entries(database, sale)
    assert await code_of(inventory.reserve(**press, key="k")) == "draw_only"
    await hold_due_draws(database)
    assert isinstance(await inventory.reserve(**press, key="k"), Reserved)
    assert (await read_stock(database, sale))["claimed"] == 2


async def test_without_the_gate_a_press_takes_units_of_a_draw(
    database: PgDatabase, inventory: InventoryService, shop: Shop
) -> None:
    """The negative control: nothing else keeps walk-ins out, and the audit says so."""
    sale = await arm_draw_sale(database, shop)
    inventory.draw_gate._passed[sale] = None
    answer = await inventory.reserve(user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key="k")
    assert isinstance(answer, Reserved)
    found = [broken.check for broken in (await audit(database)).violations]
    assert found == ["nobody_buys_before_the_draw"]


async def test_entering_is_idempotent_and_once_a_buyer(draws: Draws, database: PgDatabase) -> None:
    sale = await arm_draw_sale(database, await make_shop(database))
    buyer = str(uuid.uuid4())
    enter = {"user_id": buyer, "sale_id": sale}
    first = await draws.enter(**enter, qty=2, key="one")
    assert (first.state, first.qty) == ("entered", 2)
    same = await asyncio.gather(*(draws.enter(**enter, qty=2, key="one") for _ in range(5)))
    assert set(same) == {first}
    assert await code_of(draws.enter(**enter, qty=1, key="one")) == "idempotency_conflict"
    assert await code_of(draws.enter(**enter, qty=2, key="two")) == "already_entered"
    assert (await draws.read_page(sale, after=None)).entry_count == 1


async def test_an_entry_can_be_taken_back_until_the_window_closes(
    draws: Draws, database: PgDatabase, shop: Shop
) -> None:
    sale = await arm_draw_sale(database, shop)
    buyer = str(uuid.uuid4())
    enter = {"user_id": buyer, "sale_id": sale, "qty": 1}
    await draws.enter(**enter, key="one")
    for _ in range(2):
        assert (await draws.withdraw(user_id=buyer, sale_id=sale)).state == "withdrawn"
    assert (await draws.enter(**enter, key="one")).state == "withdrawn"
    again = await draws.enter(**enter, key="two")
    assert (await receipt_of(draws, buyer, sale)).id == again.id
    await close_entries(database, sale)
    assert await code_of(draws.withdraw(user_id=buyer, sale_id=sale)) == "entries_closed"
    await hold_due_draws(database)
    assert (await draws.read_page(sale, after=None)).entries == [(again.id, 1)]
    stranger = str(uuid.uuid4())
    assert await code_of(draws.withdraw(user_id=stranger, sale_id=sale)) == "not_found"
    assert await draws.find_mine(user_id=stranger, sale_id=sale) is None


async def test_refusals_name_their_reason(draws: Draws, database: PgDatabase, shop: Shop) -> None:
    async def enter(sale: str, qty: int = 1) -> str:
        return await code_of(draws.enter(user_id=str(uuid.uuid4()), sale_id=sale, qty=qty, key="k"))

    assert await enter(str(uuid.uuid4())) == "not_found"
    plain = await arm_flash(database, shop)
    assert await enter(plain) == "not_a_draw"
    async with database.transaction() as transaction:
        await finish(transaction, plain, "end")
    sale = await arm_draw_sale(database, shop, is_open=False, countdown_s=60)
    assert await enter(sale) == "not_open"
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE sales SET opens_at_ms = clock_ms(), state = 'open' WHERE id = $1", sale
        )
    assert await enter(sale, qty=3) == "limit_reached"
    async with database.transaction() as transaction:
        await halt(transaction, sale, "a wrong price")
    assert await enter(sale) == "halted"
    async with database.transaction() as transaction:
        await unhalt(transaction, sale)
    await close_entries(database, sale)
    assert await enter(sale) == "entries_closed"
    async with database.transaction() as transaction:
        await finish(transaction, sale, "cancel")
    assert await enter(sale) == "ended"


async def test_a_halted_or_ended_sale_is_not_drawn(
    draws: Draws, database: PgDatabase, shop: Shop
) -> None:
    sale = await arm_draw_sale(database, shop)
    [(buyer, _)] = await enter_many(draws, sale, [1])
    await close_entries(database, sale)
    async with database.transaction() as transaction:
        await halt(transaction, sale, "a wrong price")
        assert not await transaction.fetchval("SELECT hold_draw($1, 5000)", sale)
        await finish(transaction, sale, "cancel")
    assert await hold_due_draws(database) == 0
    mine = await receipt_of(draws, buyer, sale)
    assert (mine.state, mine.rank, mine.of) == ("void", None, None)


async def test_everybody_is_told_once_and_the_receipt_says_the_same(
    draws: Draws, database: PgDatabase, shop: Shop
) -> None:
    told: dict[str, tuple[str, dict[str, Any]]] = {}

    async def hear(news: Told) -> None:
        for _, user, type, payload in news.direct:
            assert user not in told
            told[user] = (type, orjson.loads(payload))

    database.publish = hear
    sale = await arm_draw_sale(database, shop, quantity=2)
    people = await enter_many(draws, sale, [1] * 6)
    await close_entries(database, sale)
    await hold_due_draws(database)
    counts = await asyncio.gather(tell_entrants(database), tell_entrants(database))
    assert sum(counts) == 6
    assert await tell_entrants(database) == 0
    page = await draws.read_page(sale, after=None)
    assert page.seed is not None
    assert page.digest is not None
    for user, entry in people:
        mine = await receipt_of(draws, user, sale)
        type, payload = told[user]
        assert (payload["rank"], payload["of"], payload["entry"]) == (mine.rank, 6, entry.id)
        assert (
            mine.key == key_of(bytes.fromhex(page.seed), bytes.fromhex(page.digest), entry.id).hex()
        )
        if mine.state == "won":
            assert type == "draw.won"
            assert find_mismatch(payload, DRAW_WON) is None
            assert payload["reservation"]["id"] == mine.reservation_id
        else:
            assert (mine.state, type) == ("lost", "draw.lost")
            assert find_mismatch(payload, DRAW_LOST) is None
            assert payload["waiting"] == mine.waiting == (mine.rank or 0) - 2
    assert (await audit(database)).violations == []


async def test_a_freed_unit_goes_to_the_next_rank(
    draws: Draws, database: PgDatabase, inventory: InventoryService, shop: Shop
) -> None:
    sale = await arm_draw_sale(database, shop, quantity=1)
    people = await enter_many(draws, sale, [1] * 4)
    await close_entries(database, sale)
    await hold_due_draws(database)
    by_rank = {}
    for user, _ in people:
        mine = await receipt_of(draws, user, sale)
        by_rank[mine.rank] = (user, mine)
    winner, first = by_rank[1]
    assert first.reservation_id is not None
    await inventory.release(user_id=winner, reservation_id=first.reservation_id)
    async with database.reading() as connection:
        offered = await connection.fetchval(
            "SELECT user_id::text FROM waiting_list WHERE state = 'offered'"
        )
    assert offered == by_rank[2][0]
    assert (await receipt_of(draws, winner, sale)).state == "won"


async def test_no_answer_of_ours_has_the_seed_before_the_draw(
    draws: Draws, database: PgDatabase, shop: Shop
) -> None:
    sale = await arm_draw_sale(database, shop)
    await enter_many(draws, sale, [1])
    async with database.reading() as connection:
        seed = await connection.fetchval("SELECT encode(seed, 'hex') FROM draws")
        view = await select_sale_view(connection, sale)
        events = await connection.fetch("SELECT payload FROM room_events")
    _, state = await RoomStates(database).state_of(shop.room.slug)
    shown = [view, state, await draws.read_page(sale, after=None), [dict(row) for row in events]]
    assert re.fullmatch("[0-9a-f]{64}", seed)
    assert seed not in repr(shown)
    assert view.draw is not None
    assert view.draw.commit == commit_of(bytes.fromhex(seed))
    assert (view.fairness, view.draw.entries, view.draw.seed) == ("draw", 1, None)


async def test_a_draw_without_entries_leaves_everything_to_the_public(
    database: PgDatabase, inventory: InventoryService, draws: Draws, shop: Shop
) -> None:
    sale = await arm_draw_sale(database, shop)
    await close_entries(database, sale)
    assert await hold_due_draws(database) == 1
    page = await draws.read_page(sale, after=None)
    assert (page.entry_count, page.winner_count, page.units) == (0, 0, 5)
    answer = await inventory.reserve(user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key="k")
    assert isinstance(answer, Reserved)
    assert await tell_entrants(database) == 0
