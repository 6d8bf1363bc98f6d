"""The crowd of an opening: most of it costs no task, no statement and no look-up."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from commerce.goods.inventory import store
from commerce.goods.inventory.model import (
    Answer,
    BatchResult,
    Outcome,
    PooledSale,
    Refused,
    Request,
    Reserved,
)
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import reserve_batch
from commerce.goods.press_rules.model import Press, PressRules
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from server.db.database import PgDatabase, open_reserve_pool
from tests.support.pressing import outcomes, press
from tests.support.shop import arm_flash, make_shop, read_stock


@pytest.fixture
def process_clock() -> Callable[[], int]:
    """A clock that stands: no memory grows old here, however slow the machine is."""
    return lambda: 1_000


async def test_only_a_latched_press_is_refused_at_once(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """Whoever may own a unit, and whoever the database must decide about, is not refused so."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    owner, late = str(uuid.uuid4()), str(uuid.uuid4())

    def at_once(user: str, sale_id: str = sale) -> Refused | None:
        return inventory.refuse_at_once(user_id=user, sale_id=sale_id, key="k")

    assert at_once(late) is None
    await press(inventory, sale, user=owner)
    await press(inventory, sale, user=late)
    refused = at_once(late)
    assert refused is not None
    assert (refused.outcome, refused.is_latched) == (Outcome.HELD_OUT, True)
    assert at_once(owner) is None
    assert at_once(late, sale.upper()) is None
    assert at_once(late, "nonsense") is None


async def test_whoever_waits_behind_a_decided_batch_costs_no_other(
    database: PgDatabase, inventory: InventoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a crowd of 2,000 the first batch takes all there is; its latch answers the queue."""
    sale = await arm_flash(database, await make_shop(database), quantity=5)
    await press(inventory, sale)  # The sale is known from here on.
    batches: list[int] = []

    async def count(connection: Any, pool_id: str, requests: list[Request]) -> BatchResult:
        batches.append(len(requests))
        return await reserve_batch(connection, pool_id, requests)

    monkeypatch.setattr(store, "reserve_batch", count)
    owner = str(uuid.uuid4())
    crowd = [press(inventory, sale) for _ in range(2_000)]
    first, *answers, again = await asyncio.gather(
        press(inventory, sale, user=owner), *crowd, press(inventory, sale, user=owner)
    )
    assert first == again
    names = outcomes([first, *answers])
    assert names.count("reserved") == 4
    assert names.count("held_out") == 1_997
    assert len(batches) <= 2, batches
    assert (await audit(database)).violations == []


async def test_a_press_is_taken_on_without_a_task_when_nothing_else_is_to_be_asked(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """It is answered as an awaited one is: with a reservation, a refusal or an error."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    told: asyncio.Queue[Answer | CommerceError] = asyncio.Queue()

    def take(user: str, *, sale_id: str = sale, qty: int = 1, key: str = "k") -> bool:
        return inventory.take(
            user_id=user, sale_id=sale_id, qty=qty, key=key, on_answer=told.put_nowait
        )

    owner, late = str(uuid.uuid4()), str(uuid.uuid4())
    assert not take(owner)  # Where its stock lies is not known yet.
    assert not take(owner, sale_id="nonsense")
    await inventory.find_sale(sale)
    assert take(owner)
    won = await told.get()
    assert isinstance(won, Reserved)
    inventory.forget_latches([str((await read_stock(database, sale))["pool_id"])])
    assert take(late)
    refused = await told.get()
    assert isinstance(refused, Refused)
    assert refused.outcome is Outcome.HELD_OUT
    assert not refused.is_latched
    assert take(late)
    assert told.get_nowait() == msgspec.structs.replace(refused, is_latched=True)
    assert take(owner)
    again = await told.get()
    assert isinstance(again, Reserved)
    assert again.reservation.id == won.reservation.id
    assert take(owner, qty=2)
    conflict = await told.get()
    assert isinstance(conflict, CommerceError)
    assert conflict.code == "idempotency_conflict"


async def test_the_sale_that_is_pressed_is_the_last_to_be_forgotten(
    database: PgDatabase, inventory: InventoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other sales push out the idle ones from memory, never the one under way."""
    monkeypatch.setattr("commerce.goods.inventory.known_sales.KNOWN_SALES_MAX", 2)
    shops = [await make_shop(database, slug=slug) for slug in ("hot", "one", "two", "three")]
    hot, *others = [await arm_flash(database, shop) for shop in shops]
    for other in others:
        assert isinstance(await press(inventory, hot), Reserved)
        assert isinstance(await press(inventory, other), Reserved)
    assert list(inventory._sales._sales) == [hot, others[-1]]


async def test_a_sale_is_looked_up_once_for_all_who_press_first(
    database: PgDatabase, inventory: InventoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sale opens for everybody at once; whoever leaves meanwhile takes no answer along."""
    sale = await arm_flash(database, await make_shop(database), quantity=50)
    asked: list[str] = []
    select = store.select_pooled_sale

    async def count(connection: Any, sale_id: str) -> PooledSale | None:
        asked.append(sale_id)
        return await select(connection, sale_id)

    monkeypatch.setattr(store, "select_pooled_sale", count)
    impatient = asyncio.create_task(press(inventory, sale))
    others = [asyncio.create_task(press(inventory, sale)) for _ in range(20)]
    nowhere = [asyncio.create_task(press(inventory, str(uuid.uuid4()))) for _ in range(2)]
    while not asked:
        await asyncio.sleep(0)
    impatient.cancel()
    assert outcomes(await asyncio.gather(*others)) == ["reserved"] * 20
    for lost in await asyncio.gather(*nowhere, return_exceptions=True):
        assert isinstance(lost, CommerceError)
        assert lost.code == "not_found"
    assert asked.count(sale) == 1
    assert impatient.cancelled()


async def test_a_winner_hears_before_the_losers_can_be_told(
    database: PgDatabase, inventory: InventoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the losers are told takes questions of its own; a unit given back meanwhile is free."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    await inventory.find_sale(sale)
    asked, answered = asyncio.Event(), asyncio.Event()
    select = store.select_owned

    async def late(connection: Any, pool_id: str, at_most: int) -> Any:
        asked.set()
        await answered.wait()
        return await select(connection, pool_id, at_most)

    monkeypatch.setattr(store, "select_owned", late)
    owner = str(uuid.uuid4())
    winner = asyncio.create_task(press(inventory, sale, user=owner))
    loser = asyncio.create_task(press(inventory, sale))
    await asked.wait()
    won = await winner
    assert isinstance(won, Reserved)
    assert not loser.done()
    await inventory.release(user_id=owner, reservation_id=won.reservation.id)
    answered.set()
    [told] = outcomes([await loser])
    assert told == "held_out", "that was so when it was decided"
    assert isinstance(await press(inventory, sale), Reserved), "no latch from before the release"


async def test_a_connection_knows_what_a_rush_asks_before_it(
    database: PgDatabase, database_url: str
) -> None:
    """The first press waits for no planning, and what was tried out left nothing behind."""
    pool = await open_reserve_pool(database_url, store.warm_up)
    for _ in range(2):
        async with pool.acquire() as connection:
            rows = await connection.fetch("SELECT statement FROM pg_prepared_statements")
            prepared = [row[0] for row in rows]
            for statement in (store.RESERVE_BATCH, store.SELECT_OWNED, store.COUNT_WAITING):
                assert statement in prepared
    assert await pools(database) == 0
    await pool.close()


async def pools(database: PgDatabase) -> int:
    """Return how many pools there are."""
    async with database.reading() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM stock"))


async def test_a_server_that_takes_no_writes_is_connected_to_all_the_same(
    database: PgDatabase, database_url: str
) -> None:
    """A standby or a full disk refuses presses, not the process that could take them later."""
    options = "options=-cdefault_transaction_read_only%3Don"
    address = f"{database_url}{'&' if '?' in database_url else '?'}{options}"
    pool = await open_reserve_pool(address, store.warm_up)
    async with pool.acquire() as connection:
        assert await connection.fetchval("SHOW default_transaction_read_only") == "on"
    await pool.close()


async def test_a_press_that_meets_its_sales_rules_is_taken_on_without_a_task(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """One that a rule refuses is left to be decided, for a retry of a winner must reach its row."""
    rules = PressRules(present_s=30, presses_per_user_s=100)
    shop = await make_shop(database)
    sale = await arm_flash(database, shop, quantity=2, per_buyer=2, rules=rules)
    await inventory.find_sale(sale)
    told: asyncio.Queue[Answer | CommerceError] = asyncio.Queue()
    here, new = Press("203.0.113.7", shop.room.id, 30_000), Press("203.0.113.7", shop.room.id, 0)
    owner, late = str(uuid.uuid4()), str(uuid.uuid4())

    def take(user: str, press: Press, *, key: str = "k") -> bool:
        return inventory.take(
            user_id=user,
            sale_id=sale,
            qty=1,
            key=key,
            on_answer=told.put_nowait,
            press=lambda: press,
        )

    assert take(owner, here)
    assert take(owner, new), "the same press is under way: its answer is shared"
    first, second = await told.get(), await told.get()
    assert isinstance(first, Reserved)
    assert first == second
    assert not take(owner, new), "whether it owns a row is to be looked up"
    wish = {"user_id": owner, "sale_id": sale, "qty": 1, "key": "k"}
    again = await inventory.decide(**wish, press=new)
    assert isinstance(again, Reserved)
    assert again.reservation.id == first.reservation.id
    assert not take(late, new)
    with pytest.raises(CommerceError, match="not_present_long_enough"):
        await inventory.decide(**wish | {"user_id": late}, press=new)
    assert take(late, here)
    assert isinstance(await told.get(), Reserved)
