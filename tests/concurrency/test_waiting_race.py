"""Nobody jumps the line, however many press; the controls show that the guards are what does it."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from commerce.goods.inventory.model import Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.sweeper import sweep
from commerce.goods.waiting_list.model import Entry
from commerce.goods.waiting_list.service import WaitingList, tell_waiters, tend_lines
from commerce.insight.audit.service import audit
from server.db.database import PgDatabase
from tests.support.journal import find_untrue
from tests.support.shop import arm_flash, make_shop, read_stock

UNITS = 12
WALK_INS = 200
# The only line of each function that gives to the list; without it the press comes first.
SERVING = {
    "free_reservations": "PERFORM serve_waiting(p_pool, p_now_ms);",
    "reserve_batch": "PERFORM serve_waiting(p_pool, now_ms);",
}


async def race(database: PgDatabase, cores: list[InventoryService]) -> tuple[int, list[Entry]]:
    """Let units come back one by one while walk-ins press; return their luck and the line."""
    sale = await arm_flash(database, await make_shop(database), quantity=UNITS)
    pool = str((await read_stock(database, sale))["pool_id"])
    holders = []
    for _ in range(UNITS):
        user = str(uuid.uuid4())
        answer = await cores[0].reserve(user_id=user, sale_id=sale, qty=1, key="k")
        assert isinstance(answer, Reserved)
        holders.append((user, answer.reservation.id))
    lists = [WaitingList(database, core) for core in cores]
    line = [
        await lists[n % len(lists)].join(user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key="k")
        for n in range(UNITS + 3)
    ]

    are_back = asyncio.Event()

    async def press(n: int) -> bool:
        core = cores[n % len(cores)]
        await asyncio.sleep(0.002 * n)
        if n == WALK_INS - 1:  # However slow the machine, one comes when all units are back.
            await are_back.wait()
        core.forget_latches([pool])
        answer = await core.reserve(user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key="k")
        return isinstance(answer, Reserved)

    async def give_back() -> None:
        for n, (user, reservation) in enumerate(holders):
            if n % 2:
                await cores[n % len(cores)].release(user_id=user, reservation_id=reservation)
                continue
            async with database.transaction() as transaction:
                await transaction.execute(
                    "UPDATE reservations SET release_at_ms = 1 WHERE id = $1", reservation
                )
            await asyncio.gather(sweep(database), sweep(database))
            await asyncio.sleep(0.02)
        are_back.set()

    lucky, _ = await asyncio.gather(
        asyncio.gather(*(press(n) for n in range(WALK_INS))), give_back()
    )
    return sum(lucky), line


async def offered(database: PgDatabase) -> list[str]:
    """Return the entries that got an offer, in the order in which they got it."""
    async with database.reading() as connection:
        rows = await connection.fetch(
            "SELECT w.id::text FROM reservations r JOIN waiting_list w ON w.reservation_id = r.id"
            " ORDER BY r.version, r.seq"
        )
    return [row[0] for row in rows]


async def test_nobody_jumps_the_line_and_offers_come_in_order_of_arrival(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """200 walk-ins press while 12 units come back: every unit goes to the line, first to first."""
    lucky, line = await race(database, cores)
    assert lucky == 0
    assert await offered(database) == [entry.id for entry in line[:UNITS]]
    assert (await audit(database)).violations == []


async def test_without_serving_walk_ins_jump_the_line(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """The negative control: the serving lines taken away, the same race is won by walk-ins."""
    async with database.transaction() as transaction:
        for name, line in SERVING.items():
            source = await transaction.fetchval(
                "SELECT pg_get_functiondef($1::text::regproc)", name
            )
            assert source.count(line) == 1
            await transaction.execute(source.replace(line, ""))
    lucky, _ = await race(database, cores)
    assert lucky > 0
    assert await offered(database) == []


@pytest.mark.parametrize("kept", SERVING)
async def test_either_place_that_serves_keeps_the_line(
    database: PgDatabase, cores: list[InventoryService], kept: str
) -> None:
    """With either alone the walk-in still loses: a press serves what a release forgot."""
    async with database.transaction() as transaction:
        for name, line in SERVING.items():
            if name == kept:
                continue
            source = await transaction.fetchval(
                "SELECT pg_get_functiondef($1::text::regproc)", name
            )
            await transaction.execute(source.replace(line, ""))
    lucky, _ = await race(database, cores)
    assert lucky == 0


async def test_joining_releasing_tending_and_telling_at_once_keeps_the_books(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """Everything that moves a line, at the same time, adds up, and each offer is told once."""
    sale = await arm_flash(database, await make_shop(database), quantity=5, per_buyer=1)
    pool = str((await read_stock(database, sale))["pool_id"])
    lists = [WaitingList(database, core) for core in cores]
    told = 0

    async def come_and_go(n: int) -> None:
        core, user = cores[n % len(cores)], str(uuid.uuid4())
        core.forget_latches([pool])
        answer = await core.reserve(user_id=user, sale_id=sale, qty=1, key="k")
        if isinstance(answer, Reserved):
            await core.release(user_id=user, reservation_id=answer.reservation.id)
            return
        joined = await asyncio.gather(
            lists[n % len(lists)].join(user_id=user, sale_id=sale, qty=1, key="k"),
            return_exceptions=True,
        )
        if isinstance(joined[0], Entry) and n % 3:
            await lists[0].leave(user_id=user, entry_id=joined[0].id)

    async def work() -> None:
        nonlocal told
        for _ in range(15):
            counts = await asyncio.gather(tell_waiters(database), tell_waiters(database))
            told += sum(counts)
            await asyncio.gather(tend_lines(database), sweep(database), sweep(database))

    await asyncio.gather(*(come_and_go(n) for n in range(120)), work())
    told += await tell_waiters(database)
    async with database.reading() as connection:
        offers = await connection.fetchval(
            "SELECT count(*) FROM waiting_list WHERE reservation_id IS NOT NULL"
        )
        idle = await connection.fetchval(
            "SELECT count(*) FROM waiting_list w JOIN stock k ON k.pool_id = w.pool_id"
            " WHERE w.state = 'waiting' AND w.qty <= k.total - k.claimed"
        )
    assert told == offers
    assert idle == 0
    assert (await audit(database)).violations == []
    assert await find_untrue(database, pool) == []
