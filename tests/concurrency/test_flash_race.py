"""The race for the last units, over several cores, with its negative control.

If the first test fails, the others might be useless: it takes the lock away and sees the oversell.
"""

from __future__ import annotations

import asyncio
import uuid

import asyncpg
import pytest

from commerce.goods.inventory.model import Outcome, Request, Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import RESERVE_BATCH, reserve_batch
from commerce.goods.inventory.sweeper import sweep
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from loadtests.journal_check import Told
from server.db.database import PgDatabase
from tests.support.journal import find_untrue, note
from tests.support.shop import arm_flash, make_shop, read_stock

LOCK = "FOR NO KEY UPDATE"


async def press_both(database_url: str, pool_id: str, sale_id: str, query: str) -> list[list[int]]:
    """Decide two one-unit batches, the second while the first has not committed yet."""
    first, second = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    try:
        slow = first.transaction()
        await slow.start()
        one = await first.fetchrow(query, *one_unit(pool_id, sale_id))
        other = asyncio.create_task(second.fetchrow(query, *one_unit(pool_id, sale_id)))
        await until_blocked(first, second)
        await slow.commit()
        two = await other
    finally:
        await first.close()
        await second.close()
    assert one is not None
    assert two is not None
    return [list(one["outcomes"]), list(two["outcomes"])]


def one_unit(pool_id: str, sale_id: str) -> tuple[str, list[str], list[str], list[str], list[int]]:
    """Return the arguments of a batch of one new buyer."""
    return pool_id, [str(uuid.uuid4())], [sale_id], [str(uuid.uuid4())], [1]


async def until_blocked(watcher: asyncpg.Connection, other: asyncpg.Connection) -> None:
    """Wait until the other connection waits for a lock."""
    pid = other.get_server_pid()
    async with asyncio.timeout(30):
        query = "SELECT cardinality(pg_blocking_pids($1)) > 0"
        while not await watcher.fetchval(query, pid):
            await asyncio.sleep(0.005)


async def test_without_the_lock_the_last_unit_is_sold_twice(
    database: PgDatabase, database_url: str
) -> None:
    """The negative control: lock and tripwires taken away, two buyers get one unit."""
    sale_id = await arm_flash(database, await make_shop(database), quantity=1)
    pool_id = str((await read_stock(database, sale_id))["pool_id"])
    async with database.transaction() as transaction:
        source = await transaction.fetchval("SELECT pg_get_functiondef('reserve_batch'::regproc)")
        assert LOCK in source
        unlocked = source.replace(LOCK, "").replace("reserve_batch", "reserve_unlocked")
        await transaction.execute(unlocked)
        await transaction.execute("ALTER TABLE stock DROP CONSTRAINT stock_check")
        await transaction.execute("ALTER TABLE stock_journal DROP CONSTRAINT stock_journal_pkey")
    query = RESERVE_BATCH.replace("reserve_batch", "reserve_unlocked")
    assert await press_both(database_url, pool_id, sale_id, query) == [[0], [0]]
    stock = await read_stock(database, sale_id)
    assert (stock["total"], stock["claimed"]) == (1, 2)
    checks = {violation.check for violation in (await audit(database)).violations}
    assert "oversold" in checks


async def test_with_the_lock_the_last_unit_is_sold_once(
    database: PgDatabase, database_url: str
) -> None:
    """The same two presses, with the lock."""
    sale_id = await arm_flash(database, await make_shop(database), quantity=1)
    pool_id = str((await read_stock(database, sale_id))["pool_id"])
    assert await press_both(database_url, pool_id, sale_id, RESERVE_BATCH) == [
        [Outcome.RESERVED],
        [Outcome.HELD_OUT],
    ]
    assert (await audit(database)).violations == []


@pytest.mark.parametrize("dropped", ["stock_check", "stock_journal_pkey"])
async def test_each_constraint_alone_is_a_tripwire(
    database: PgDatabase, database_url: str, dropped: str
) -> None:
    """Without the lock, the counter's bound and the gapless journal each stop the second unit."""
    sale_id = await arm_flash(database, await make_shop(database), quantity=1)
    pool_id = str((await read_stock(database, sale_id))["pool_id"])
    table = dropped.removesuffix("_check").removesuffix("_pkey")
    async with database.transaction() as transaction:
        source = await transaction.fetchval("SELECT pg_get_functiondef('reserve_batch'::regproc)")
        await transaction.execute(
            source.replace(LOCK, "").replace("reserve_batch", "reserve_unlocked")
        )
        await transaction.execute(f"ALTER TABLE {table} DROP CONSTRAINT {dropped}")
    query = RESERVE_BATCH.replace("reserve_batch", "reserve_unlocked")
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.UniqueViolationError)):
        await press_both(database_url, pool_id, sale_id, query)
    assert (await read_stock(database, sale_id))["claimed"] == 1


async def test_many_buyers_over_several_cores_get_exactly_the_units(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """300 buyers, 20 units, three cores: 20 winners, and every refusal is true."""
    sale_id = await arm_flash(database, await make_shop(database), quantity=20)
    stock = await read_stock(database, sale_id)

    async def press(n: int) -> Told:
        user_id = str(uuid.uuid4())
        core = cores[n % len(cores)]
        return await note(core.reserve(user_id=user_id, sale_id=sale_id, qty=1, key="k"), user_id)

    told = await asyncio.gather(*(press(n) for n in range(300)))
    won = [one.reservation for one in told if one.code == "reserved"]
    assert len(set(won)) == len(won) == 20
    assert {one.code for one in told} == {"reserved", "held_out"}
    full_version = (await read_stock(database, sale_id))["version"]
    assert {one.version for one in told if one.code == "held_out"} == {full_version}
    assert (await audit(database)).violations == []
    assert await find_untrue(database, stock["pool_id"], told) == []
    # The control: one answer that no version bears out is seen.
    lie = Told("held_out", 1, None, told[0].pressed_ms, told[0].answered_ms)
    assert await find_untrue(database, stock["pool_id"], [*told, lie]) != []


async def test_one_buyer_on_every_core_stays_within_the_limit(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """The limit is kept by the database, not by a process."""
    sale_id = await arm_flash(database, await make_shop(database), quantity=50, per_buyer=2)
    user_id = str(uuid.uuid4())
    answers = await asyncio.gather(
        *(
            cores[n % len(cores)].reserve(user_id=user_id, sale_id=sale_id, qty=1, key=f"k{n}")
            for n in range(30)
        )
    )
    assert sum(isinstance(answer, Reserved) for answer in answers) == 2
    assert (await read_stock(database, sale_id))["claimed"] == 2


async def test_one_press_on_every_core_is_one_reservation(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """A client that reconnects elsewhere and repeats its press meets its own row."""
    sale_id = await arm_flash(database, await make_shop(database), quantity=1)
    user_id = str(uuid.uuid4())
    answers = await asyncio.gather(
        *(
            core.reserve(user_id=user_id, sale_id=sale_id, qty=1, key="k")
            for core in cores
            for _ in range(5)
        )
    )
    ids = {a.reservation.id for a in answers if isinstance(a, Reserved)}
    assert len(ids) == 1
    assert all(isinstance(answer, Reserved) for answer in answers)


async def test_reserving_releasing_and_sweeping_at_once_keeps_the_books(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """Everything that moves one hot row, at the same time, adds up afterwards."""
    sale_id = await arm_flash(database, await make_shop(database), quantity=15, hold_s=1)
    pool_id = str((await read_stock(database, sale_id))["pool_id"])

    told: list[Told] = []

    async def come_and_go(n: int) -> None:
        core, user_id = cores[n % len(cores)], str(uuid.uuid4())
        core.forget_latches([pool_id])
        pressing = core.reserve(user_id=user_id, sale_id=sale_id, qty=1, key="k")
        answer = await note(pressing, user_id)
        told.append(answer)
        if answer.reservation and n % 2:
            await core.release(user_id=user_id, reservation_id=answer.reservation)

    async def age_and_sweep() -> None:
        for _ in range(10):
            async with database.transaction() as transaction:
                await transaction.execute(
                    "UPDATE reservations SET release_at_ms = 0 WHERE sale_id = $1"
                    " AND state = 'held' AND seq % 2 = 0",
                    sale_id,
                )
            await sweep(database)

    await asyncio.gather(*(come_and_go(n) for n in range(150)), age_and_sweep())
    assert (await audit(database)).violations == []
    assert len(told) == 150
    assert await find_untrue(database, pool_id, told) == []


async def test_a_repeated_batch_of_requests_is_decided_once(
    database: PgDatabase, database_url: str
) -> None:
    """Two copies of one batch, at once: each id is granted once."""
    sale_id = await arm_flash(database, await make_shop(database), quantity=40)
    pool_id = str((await read_stock(database, sale_id))["pool_id"])
    requests = [Request(str(uuid.uuid4()), sale_id, str(uuid.uuid4()), 1) for _ in range(30)]
    connections = [await asyncpg.connect(database_url) for _ in range(2)]
    results = await asyncio.gather(
        *(reserve_batch(connection, pool_id, requests) for connection in connections)
    )
    for connection in connections:
        await connection.close()
    decided = sorted({result.outcomes[0] for result in results})
    assert decided == [Outcome.RESERVED, Outcome.REPLAYED]
    assert (await read_stock(database, sale_id))["claimed"] == 30


async def test_a_released_hold_may_be_gone_already(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """Release and expiry of one hold race; exactly one of them frees the unit."""
    sale_id = await arm_flash(database, await make_shop(database), quantity=1)
    user_id = str(uuid.uuid4())
    mine = await cores[0].reserve(user_id=user_id, sale_id=sale_id, qty=1, key="k")
    assert isinstance(mine, Reserved)
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE reservations SET release_at_ms = 0")
    results = await asyncio.gather(
        cores[1].release(user_id=user_id, reservation_id=mine.reservation.id),
        sweep(database),
        return_exceptions=True,
    )
    assert not [r for r in results if isinstance(r, Exception) and not isinstance(r, CommerceError)]
    assert (await read_stock(database, sale_id))["claimed"] == 0
    assert (await audit(database)).violations == []
