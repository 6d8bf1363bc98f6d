"""The kill switch: nothing is given out while a sale is halted, and what was promised stands."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import pytest

from commerce.goods.inventory.model import Outcome, Refused, Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.flash_sales import halting, service
from commerce.sales.flash_sales.halting import halt, unhalt
from commerce.sales.show_floor.store import select_sale_view
from server.db.database import PgDatabase, Told, open_reserve_pool
from server.jobs.sales import end_due_sales, note_sold_out, open_due_sales
from tests.support.shop import Shop, Silence, arm_flash, make_shop, read_stock
from tests.support.till import Till, order_one

REASON = "a wrong price"


async def press(inventory: InventoryService, sale: str, key: str = "k") -> Reserved | Refused:
    """Press buy once, as somebody new."""
    return await inventory.reserve(user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key=key)


async def stop(database: PgDatabase, sale: str, **how: Any) -> int:
    """Halt a sale; returns how many holds were given back."""
    async with database.transaction() as transaction:
        return (await halt(transaction, sale, REASON, **how)).released


async def resume(database: PgDatabase, sale: str) -> str:
    """Resume a sale; returns its state."""
    async with database.transaction() as transaction:
        return (await unhalt(transaction, sale)).state


async def state_of(database: PgDatabase, sale: str) -> tuple[str, str | None]:
    """Return a sale's state and reason as viewers see them."""
    async with database.reading() as connection:
        view = await select_sale_view(connection, sale)
    return view.state, view.reason


async def regular_sale(database: PgDatabase, shop: Shop) -> str:
    """Return the regular sale of the shop's SKU."""
    async with database.reading() as connection:
        return str(
            await connection.fetchval(
                "SELECT id FROM sales WHERE kind = 'regular' AND sku = $1", shop.sku
            )
        )


@pytest.mark.parametrize("kind", ["flash", "regular"])
async def test_a_halted_sale_gives_out_nothing_and_says_why(
    database: PgDatabase, inventory: InventoryService, kind: str
) -> None:
    """Of either kind; resumed, it sells on, and the other sale never noticed."""
    shop = await make_shop(database)
    flash, regular = await arm_flash(database, shop), await regular_sale(database, shop)
    sale, other = (flash, regular) if kind == "flash" else (regular, flash)
    assert isinstance(await press(inventory, sale), Reserved)
    await stop(database, sale)
    answer = await press(inventory, sale)
    assert isinstance(answer, Refused)
    assert (answer.outcome, answer.reason, answer.is_latched) == (Outcome.HALTED, REASON, False)
    assert await state_of(database, sale) == ("halted", REASON)
    assert isinstance(await press(inventory, other), Reserved)
    assert await resume(database, sale) == "open"
    assert await state_of(database, sale) == ("open", None)
    assert isinstance(await press(inventory, sale), Reserved)
    assert (await audit(database)).violations == []


async def test_a_retry_of_a_press_before_the_halt_meets_its_own_row(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """A committed press is honoured, whatever came after it."""
    sale, user = await arm_flash(database, await make_shop(database)), str(uuid.uuid4())
    first = await inventory.reserve(user_id=user, sale_id=sale, qty=1, key="k")
    await stop(database, sale)
    again = await inventory.reserve(user_id=user, sale_id=sale, qty=1, key="k")
    assert isinstance(first, Reserved)
    assert isinstance(again, Reserved)
    assert (again.reservation.id, again.reservation.state) == (first.reservation.id, "held")


async def test_a_latch_elsewhere_never_gives_and_is_over_in_a_quarter_second(
    database: PgDatabase, database_url: str, inventory: InventoryService
) -> None:
    """Another process that remembers "all held" may say so for 250 ms more, and then `halted`."""
    now_ms = 0
    connections = await open_reserve_pool(database_url)
    other = InventoryService(connections, database, Silence(), lambda: now_ms)
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    assert isinstance(await press(inventory, sale), Reserved)
    before = await press(other, sale)
    await stop(database, sale, release_holds=True)
    at_once = await press(other, sale)
    now_ms = 251
    later = await press(other, sale)
    now_ms += 1
    await connections.close()
    told = [(a.outcome, a.is_latched) for a in (before, at_once, later) if isinstance(a, Refused)]
    assert told == [
        (Outcome.HELD_OUT, False),
        (Outcome.HELD_OUT, True),
        (Outcome.HALTED, False),
    ]
    assert (await read_stock(database, sale))["claimed"] == 0


async def test_a_halted_sale_is_never_latched(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """With no unit free either, the database says each time that it is halted."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    assert isinstance(await press(inventory, sale), Reserved)
    await stop(database, sale)
    inventory.forget_latches([str((await read_stock(database, sale))["pool_id"])])
    answers = [await press(inventory, sale) for _ in range(3)]
    assert [(a.outcome, a.is_latched) for a in answers if isinstance(a, Refused)] == [
        (Outcome.HALTED, False)
    ] * 3


async def test_holds_stay_payable_and_paid_orders_stand(till: Till) -> None:
    """Stopped, the sale takes nothing back: a hold is ordered and paid as ever."""
    _, sale = await till.sale(quantity=3)
    paid, holder = await till.buyer("Paid"), await till.buyer("Holder")
    order, url = await order_one(till, sale, paid)
    await paid.press(url, "pay")
    held = await till.reserve(sale, holder.id)
    await stop(till.database, sale)
    answer = await holder.order([held])
    assert answer.status_code == 201, answer.text
    await holder.press(answer.json()["payment"]["url"], "pay")
    assert (await paid.read(order))["state"] == "paid"
    assert (await holder.read(answer.json()["order"]["id"]))["state"] == "paid"
    assert (await audit(till.database)).violations == []


async def test_released_holds_are_free_at_once_and_told_why(till: Till) -> None:
    """What is being paid stays; the two that were only held end, and their buyers hear it."""
    shop, sale = await till.sale(quantity=4)
    paying = await till.buyer("Paying")
    await order_one(till, sale, paying)
    holders = [await till.buyer(name) for name in ("One", "Two")]
    held = [await till.reserve(sale, holder.id) for holder in holders]
    regular = await regular_sale(till.database, shop)
    elsewhere = await till.reserve(regular, holders[0].id)
    assert await stop(till.database, sale, release_holds=True) == 2
    ended = sorted(till.news("reservation.expired"), key=lambda one: held.index(one["reservation"]))
    assert ended == [{"reservation": id, "sale": sale, "reason": REASON} for id in held]
    states = await till.values(
        "SELECT state FROM reservations WHERE sale_id = $1 ORDER BY state", sale
    )
    assert states == ["paying", "released", "released"]
    assert await till.values("SELECT state FROM reservations WHERE id = $1", elsewhere) == ["held"]
    assert (await read_stock(till.database, sale))["claimed"] == 1
    assert await stop(till.database, sale, release_holds=True) == 0
    assert (await audit(till.database)).violations == []


async def test_a_halt_frees_at_most_so_many_and_goes_on_when_repeated(
    database: PgDatabase, inventory: InventoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction keeps the other sales of a pool waiting for long."""
    monkeypatch.setattr(halting, "RELEASED_MAX", 2)
    sale = await arm_flash(database, await make_shop(database))
    for _ in range(3):
        await press(inventory, sale)
    counts = [await stop(database, sale, release_holds=True) for _ in range(3)]
    assert counts == [2, 1, 0]


async def test_the_room_is_told_once_a_halt_and_again_of_another_reason(
    database: PgDatabase,
) -> None:
    """Repeating a halt or a resume tells nothing twice."""
    told: list[Told] = []

    async def keep(one: Told) -> None:
        told.append(one)

    sale = await arm_flash(database, await make_shop(database))
    database.publish = keep
    for reason in (REASON, REASON, "the second photo is of another bowl"):
        async with database.transaction() as transaction:
            await halt(transaction, sale, reason)
    await resume(database, sale)
    await resume(database, sale)
    events = [(e.type, orjson.loads(e.payload)) for one in told for e in one.events]
    assert events == [
        ("flash.halted", {"sale": sale, "reason": REASON}),
        ("flash.halted", {"sale": sale, "reason": "the second photo is of another bowl"}),
        ("flash.unhalted", {"sale": sale, "state": "open"}),
    ]


async def test_the_window_of_a_halted_sale_runs_on(database: PgDatabase) -> None:
    """It does not open by itself, comes back open once its moment has passed, and ends on time."""
    shop = await make_shop(database)
    sale = await arm_flash(database, shop, is_open=False, countdown_s=600)
    await stop(database, sale)
    assert await resume(database, sale) == "armed"
    await stop(database, sale)
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE sales SET opens_at_ms = 1 WHERE id = $1", sale)
    await open_due_sales(database)
    assert await state_of(database, sale) == ("halted", REASON)
    assert await resume(database, sale) == "open"
    await stop(database, sale)
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE sales SET ends_at_ms = 2 WHERE id = $1", sale)
    await end_due_sales(database)
    assert await state_of(database, sale) == ("ended", None)
    with pytest.raises(CommerceError, match="wrong_state"):
        await resume(database, sale)
    with pytest.raises(CommerceError, match="wrong_state"):
        await stop(database, sale)
    async with database.reading() as connection:
        back = await connection.fetchval(
            "SELECT total FROM stock WHERE sku = $1 AND sale_id IS NULL", shop.sku
        )
    assert back == 1000


async def test_a_sale_sold_out_while_halted_is_told_so_once_it_goes_on(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """Paying a hold during the halt may sell the last unit: the job tells it after the resume."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    await press(inventory, sale)
    await stop(database, sale)
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE reservations SET state = 'sold' WHERE sale_id = $1", sale)
    await note_sold_out(database)
    assert await state_of(database, sale) == ("halted", REASON)
    assert await resume(database, sale) == "open"
    await note_sold_out(database)
    assert await state_of(database, sale) == ("sold_out", None)
    await stop(database, sale)
    assert await resume(database, sale) == "sold_out"


@pytest.mark.parametrize("event", ["end", "cancel"])
async def test_a_halted_sale_is_closed_or_cancelled_as_any_other(
    database: PgDatabase, inventory: InventoryService, event: str
) -> None:
    """Unclaimed units go back; no second sale of the SKU can be armed before."""
    shop = await make_shop(database)
    sale = await arm_flash(database, shop, quantity=20)
    await press(inventory, sale)
    await stop(database, sale)
    with pytest.raises(CommerceError, match="already_on_flash"):
        await arm_flash(database, shop)
    async with database.transaction() as transaction:
        await service.finish(transaction, sale, event)
    assert (await read_stock(database, sale))["total"] == 1
    assert isinstance(await press(inventory, sale), Refused)
    assert (await audit(database)).violations == []


async def test_ending_the_show_ends_what_is_halted(database: PgDatabase) -> None:
    """Both kinds."""
    shop = await make_shop(database)
    sales = [await arm_flash(database, shop), await regular_sale(database, shop)]
    for sale in sales:
        await stop(database, sale)
    async with database.transaction() as transaction:
        await shop.floor.end(transaction, shop.room)
    assert [(await state_of(database, sale))[0] for sale in sales] == ["ended", "ended"]


async def test_a_regular_sale_halted_before_the_show_stays_so_when_it_starts(
    database: PgDatabase,
) -> None:
    """Resumed then, it is open: its window began with the show."""
    shop = await make_shop(database, is_live=False)
    sale = await regular_sale(database, shop)
    await stop(database, sale)
    async with database.transaction() as transaction:
        await shop.floor.start(transaction, shop.room, 1)
    assert await state_of(database, sale) == ("halted", REASON)
    assert await resume(database, sale) == "open"
