"""A halt and the presses of the same moment: who committed first is honoured, nobody after it."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from commerce.goods.inventory.model import Request
from commerce.goods.inventory.store import reserve_batch
from commerce.sales.flash_sales import halting
from server.db.database import PgDatabase
from tests.support.shop import arm_flash, make_shop, read_stock

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


async def halt_while_deciding(database: PgDatabase, sale: str) -> list[str]:
    """Halt a sale while a batch that found it open is uncommitted; returns who ended first."""
    pool_id = str((await read_stock(database, sale))["pool_id"])
    request = Request(str(uuid.uuid4()), sale, str(uuid.uuid4()), 1)
    order: list[str] = []

    async def halt() -> None:
        async with database.transaction() as transaction:
            await halting.halt(transaction, sale, "a wrong price")
        order.append("halt")

    async with database.pool.acquire() as connection:
        batch = connection.transaction()
        await batch.start()
        result = await reserve_batch(connection, pool_id, [request])
        assert result.outcomes == [0]
        halting_now = asyncio.create_task(halt())
        while not (halting_now.done() or await connection.fetchval(WAITING)):
            await asyncio.sleep(0.01)
        await batch.commit()
        order.append("batch")
    await halting_now
    return order


async def test_a_halt_waits_for_the_batch_under_way(database: PgDatabase) -> None:
    """Once the halt is answered, no press that it did not see can still become a hold."""
    sale = await arm_flash(database, await make_shop(database))
    assert await halt_while_deciding(database, sale) == ["batch", "halt"]


async def test_without_the_pools_lock_a_hold_appears_after_the_halt(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the lock is what the promise rests on."""

    async def no_lock(*_: object) -> dict[str, int]:
        return {}

    monkeypatch.setattr(halting, "lock_pools", no_lock)
    sale = await arm_flash(database, await make_shop(database))
    assert await halt_while_deciding(database, sale) == ["halt", "batch"]
