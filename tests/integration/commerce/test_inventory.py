"""The reservation core's contract, line by line, on real PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import asyncpg
import pytest

from commerce.goods.inventory import store
from commerce.goods.inventory.model import (
    Outcome,
    PooledSale,
    Refused,
    Request,
    Reserved,
)
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import reserve_batch
from commerce.goods.inventory.sweeper import sweep
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.flash_sales.service import finish, note_sold_out, return_leftovers
from server.db.database import PgDatabase
from tests.support.pressing import outcomes, press
from tests.support.shop import Silence, arm_flash, make_shop, make_user, read_stock


async def age_holds(database: PgDatabase, sale: str) -> None:
    """Let every hold of a sale reach its end."""
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE reservations SET release_at_ms = clock_ms() - 1,"
            " shown_until_ms = clock_ms() - 1 WHERE sale_id = $1",
            sale,
        )


async def test_exactly_the_units_there_are_get_reserved(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """More presses than units: as many winners as units, everybody else is told why not."""
    sale = await arm_flash(database, await make_shop(database), quantity=20)
    answers = await asyncio.gather(*(press(inventory, sale) for _ in range(300)))
    names = outcomes(answers)
    assert names.count("reserved") == 20
    assert names.count("held_out") == 280
    assert (await read_stock(database, sale))["claimed"] == 20
    assert (await audit(database)).violations == []


async def test_retry_with_the_same_key_meets_its_own_row(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """A repeated press is answered with the first reservation, also when nothing is left."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    user = str(uuid.uuid4())
    first = await press(inventory, sale, user=user)
    await press(inventory, sale)
    again = await press(inventory, sale, user=user)
    assert isinstance(first, Reserved)
    assert isinstance(again, Reserved)
    assert again.reservation.id == first.reservation.id


async def test_same_key_with_another_quantity_is_a_conflict(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """One key names one request."""
    sale = await arm_flash(database, await make_shop(database), per_buyer=5)
    user = str(uuid.uuid4())
    await press(inventory, sale, user=user, qty=1)
    with pytest.raises(CommerceError) as caught:
        await press(inventory, sale, user=user, qty=2)
    assert caught.value.code == "idempotency_conflict"


async def test_a_buyer_cannot_pass_the_limit_with_many_keys(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """The limit counts the buyer, not the key, also in one burst."""
    sale = await arm_flash(database, await make_shop(database), per_buyer=2)
    user = str(uuid.uuid4())
    answers = await asyncio.gather(
        *(press(inventory, sale, user=user, key=f"k{n}") for n in range(10))
    )
    assert sorted(outcomes(answers)) == ["limit_reached"] * 8 + ["reserved"] * 2


async def test_nothing_is_sold_before_opening_or_after_the_end(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """The window is the database's."""
    shop = await make_shop(database)
    sale = await arm_flash(database, shop, is_open=False, countdown_s=600)
    early = await press(inventory, sale)
    assert isinstance(early, Refused)
    assert early.outcome is Outcome.NOT_OPEN
    assert early.opens_in_ms is not None
    assert 0 < early.opens_in_ms <= 600_000
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE sales SET opens_at_ms = 1, ends_at_ms = clock_ms() WHERE id = $1", sale
        )
    assert outcomes([await press(inventory, sale)]) == ["ended"]


@pytest.mark.parametrize("holds", [0, 2])
async def test_every_press_on_an_ended_sale_hears_that_it_ended(
    database: PgDatabase, inventory: InventoryService, holds: int
) -> None:
    """Not only the first: its pool has no free unit, but that is not why."""
    sale = await arm_flash(database, await make_shop(database), quantity=5)
    for _ in range(holds):
        await press(inventory, sale)
    async with database.transaction() as transaction:
        await finish(transaction, sale, "end")
    assert outcomes([await press(inventory, sale) for _ in range(3)]) == ["ended"] * 3


async def test_expired_hold_is_dead_even_without_a_sweeper(
    database: PgDatabase, inventory: InventoryService, news: Silence
) -> None:
    """The next press gets the unit of a hold whose time is over."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    lost = await press(inventory, sale)
    assert isinstance(lost, Reserved)
    await age_holds(database, sale)
    inventory.forget_latches([(await read_stock(database, sale))["pool_id"]])  # type: ignore[list-item]
    assert isinstance(await press(inventory, sale), Reserved)
    assert [hold.id for hold in news.expired] == [lost.reservation.id]
    assert (await audit(database)).violations == []


async def test_two_sweepers_return_a_unit_once(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """Running the sweeper twice at once frees each hold exactly once."""
    sale = await arm_flash(database, await make_shop(database), quantity=5)
    for _ in range(5):
        await press(inventory, sale)
    await age_holds(database, sale)
    counts = await asyncio.gather(sweep(database), sweep(database))
    assert sum(counts) == 5
    assert (await read_stock(database, sale))["claimed"] == 0
    assert (await audit(database)).violations == []


async def test_a_lookup_that_failed_is_made_anew(
    database: PgDatabase, inventory: InventoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault is told to those who waited, and remembered by nobody."""
    sale = await arm_flash(database, await make_shop(database), quantity=50)

    async def fail(connection: Any, sale_id: str) -> PooledSale | None:
        raise CommerceError("overloaded", "Not now.", retryable=True)

    with monkeypatch.context() as patch:
        patch.setattr(store, "select_pooled_sale", fail)
        presses = [press(inventory, sale) for _ in range(3)]
        answers = await asyncio.gather(*presses, return_exceptions=True)
    assert [isinstance(answer, CommerceError) for answer in answers] == [True] * 3
    assert isinstance(await press(inventory, sale), Reserved)


async def test_a_batch_that_the_database_refuses_is_halved(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """One impossible request costs its neighbours nothing."""
    sale = await arm_flash(database, await make_shop(database), quantity=50, per_buyer=9)
    async with database.transaction() as transaction:
        await transaction.execute(
            "ALTER TABLE reservations ADD CONSTRAINT no_sevens CHECK (qty <> 7)"
        )
    jobs = [press(inventory, sale, qty=7 if n == 11 else 1) for n in range(30)]
    answers = await asyncio.gather(*jobs, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, CommerceError)]
    assert [error.code for error in refused] == ["unknown_outcome"]
    assert sum(isinstance(answer, Reserved) for answer in answers) == 29
    assert (await audit(database)).violations == []


async def test_a_cut_connection_is_asked_again_with_the_same_ids(
    database: PgDatabase, database_url: str, inventory: InventoryService
) -> None:
    """Killing the core's backends ten times a second loses and doubles nothing."""
    sale = await arm_flash(database, await make_shop(database), quantity=200, per_buyer=1)
    stop = asyncio.Event()

    async def cut() -> None:
        killer = await asyncpg.connect(database_url)
        while not stop.is_set():
            await killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'hubbub reserve'"
            )
            await asyncio.sleep(0.1)
        await killer.close()

    async def insist() -> Reserved | Refused:
        user = str(uuid.uuid4())
        while True:
            try:
                return await press(inventory, sale, user=user)
            except CommerceError as error:
                if error.code != "unknown_outcome":
                    raise

    cutting = asyncio.create_task(cut())
    answers: list[Reserved | Refused] = []
    for _ in range(10):
        answers += await asyncio.gather(*(insist() for _ in range(30)))
    stop.set()
    await cutting
    winners = {answer.reservation.id for answer in answers if isinstance(answer, Reserved)}
    assert len(winners) == 200
    assert (await read_stock(database, sale))["claimed"] == 200
    assert (await audit(database)).violations == []


async def test_sold_out_is_told_once_and_resumed_after(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """The room hears `flash.sold_out` when all is paid, and `flash.resumed` only after it."""
    sale = await arm_flash(database, await make_shop(database), quantity=2)
    for _ in range(2):
        await press(inventory, sale)

    async def set_states(state: str) -> None:
        async with database.transaction() as transaction:
            await transaction.execute(
                "UPDATE reservations SET state = $2 WHERE sale_id = $1", sale, state
            )
            await note_sold_out(transaction, sale)
            await note_sold_out(transaction, sale)

    for state in ("held", "sold", "held", "sold"):
        await set_states(state)
    async with database.reading() as connection:
        rows = await connection.fetch(
            "SELECT type FROM room_events WHERE type LIKE 'flash%' ORDER BY log_offset"
        )
    assert [row["type"] for row in rows] == [
        "flash.opened",
        "flash.sold_out",
        "flash.resumed",
        "flash.sold_out",
    ]


async def test_unclaimed_units_go_back_when_a_sale_ends(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """Carved stock returns to the SKU: the free units at the end, the held ones later."""
    shop = await make_shop(database, stock=100)
    sale = await arm_flash(database, shop, quantity=20)
    for _ in range(3):
        await press(inventory, sale)
    async with database.transaction() as transaction:
        await finish(transaction, sale, "end")
    assert (await read_stock(database, sale))["total"] == 3
    await age_holds(database, sale)
    assert await sweep(database) == 3
    async with database.transaction() as transaction:
        await return_leftovers(transaction, sale)
    async with database.reading() as connection:
        total = await connection.fetchval(
            "SELECT total FROM stock WHERE sku = $1 AND sale_id IS NULL", shop.sku
        )
    assert total == 100
    assert (await audit(database)).violations == []


async def test_a_cut_connection_whose_backend_commits_later_is_not_doubled(
    database: PgDatabase, database_url: str
) -> None:
    """The repeated batch waits for the lock and then meets the rows of the first one."""
    sale = await arm_flash(database, await make_shop(database), quantity=5)
    pool_id = str((await read_stock(database, sale))["pool_id"])
    request = Request(str(uuid.uuid4()), sale, await make_user(database), 1)
    first, second = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    slow = first.transaction()
    await slow.start()
    await reserve_batch(first, pool_id, [request])
    repeated = asyncio.create_task(reserve_batch(second, pool_id, [request]))
    await slow.commit()
    assert (await repeated).outcomes == [Outcome.REPLAYED]
    await first.close()
    await second.close()
    assert (await read_stock(database, sale))["claimed"] == 1
