"""A stock row in other hands: the batch waits whole, and not for ever."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import asyncpg
import pytest

from commerce.goods.inventory import store
from commerce.goods.inventory.model import Request, Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import reserve_batch
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from server.db.database import PgDatabase
from tests.support.shop import arm_flash, make_shop, read_stock

TRY_MS = 100


async def press(inventory: InventoryService, sale: str, user: str | None = None) -> str:
    """Press buy once; returns the answer's name."""
    answer = await inventory.reserve(
        user_id=user or str(uuid.uuid4()), sale_id=sale, qty=1, key="k"
    )
    return "reserved" if isinstance(answer, Reserved) else answer.outcome.name.lower()


@contextlib.asynccontextmanager
async def held_row(database_url: str, sale: str) -> AsyncIterator[asyncpg.Connection]:
    """Keep a sale's stock row in other hands, by a connection of nobody's pool."""
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("SELECT 1 FROM stock WHERE sale_id = $1 FOR UPDATE", sale)
            yield other
    finally:
        await other.close()


@pytest.fixture
def process_clock(counted: list[int]) -> Callable[[], int]:
    """A clock on which each try takes what it would on an idle machine."""
    return lambda: len(counted) * TRY_MS


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that were tried, each cut short after 100 ms at a row."""
    monkeypatch.setattr("server.db.database.RESERVE_LOCK_TIMEOUT_MS", TRY_MS)
    sizes: list[int] = []

    async def count(connection: Any, pool_id: str, requests: Sequence[Request]) -> Any:
        sizes.append(len(requests))
        return await reserve_batch(connection, pool_id, requests)

    monkeypatch.setattr(store, "reserve_batch", count)
    return sizes


async def test_a_batch_at_a_held_row_is_tried_whole_until_it_is_free(
    database: PgDatabase, database_url: str, counted: list[int], inventory: InventoryService
) -> None:
    """Halves would each wait for the same row: nobody is halved, and all are served after it."""
    sale = await arm_flash(database, await make_shop(database), quantity=50, per_buyer=1)
    await press(inventory, sale)
    counted.clear()
    async with held_row(database_url, sale):
        jobs = [asyncio.create_task(press(inventory, sale)) for _ in range(20)]
        while len(counted) < 3:
            await asyncio.sleep(0.01)
    answers = await asyncio.gather(*jobs)
    assert answers == ["reserved"] * 20
    assert set(counted) == {20}
    assert (await audit(database)).violations == []


async def test_a_row_that_stays_held_ends_in_an_unknown_outcome_for_all_at_once(
    database: PgDatabase,
    database_url: str,
    counted: list[int],
    inventory: InventoryService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bounded by time, not by the size of the batch; the same key is served once the row is."""
    monkeypatch.setattr("commerce.goods.inventory.asking.UNKNOWN_AFTER_MS", 500)
    sale = await arm_flash(database, await make_shop(database), quantity=50, per_buyer=1)
    users = [str(uuid.uuid4()) for _ in range(20)]
    await press(inventory, sale)
    counted.clear()
    async with held_row(database_url, sale):
        jobs = [press(inventory, sale, user) for user in users]
        refused = await asyncio.gather(*jobs, return_exceptions=True)
    assert [getattr(error, "code", error) for error in refused] == ["unknown_outcome"] * 20
    assert all(error.retryable for error in refused if isinstance(error, CommerceError))
    # Halved, the batch would have waited 39 times.
    assert set(counted) == {20}
    assert 3 <= len(counted) < 10

    answers = await asyncio.gather(*(press(inventory, sale, user) for user in users))
    assert answers == ["reserved"] * 20
    assert (await read_stock(database, sale))["claimed"] == 21
