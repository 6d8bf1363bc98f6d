"""A deadlock and a timeout in mid-batch: PostgreSQL undoes the batch, which is made again whole.

In each a second session of nobody's pool holds a row that the batch comes to after its first lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from commerce.goods.inventory import asking, store
from commerce.goods.inventory.model import Request
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import reserve_batch
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from loadtests.journal_check import Told
from server.db.database import PgDatabase
from tests.support.journal import find_untrue, note
from tests.support.shop import arm_flash, make_shop, read_stock

CROWD = 20
LOCK_BUYER = "SELECT 1 FROM sale_buyers WHERE sale_id = $1 AND user_id = $2 FOR UPDATE"
# A batch looks once whether it is in a deadlock, a second after it began to wait. So the server
# itself sees that somebody waits, and goes on: a client may be late on a busy machine.
ONCE_SOMEBODY_WAITS = """
    DO $$ BEGIN
        WHILE NOT EXISTS (
            SELECT 1 FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))
        ) LOOP
            PERFORM pg_sleep(0.01);
        END LOOP;
        {then}
    END $$
"""
LOCK_STOCK = "PERFORM 1 FROM stock WHERE sale_id = '{sale}' FOR UPDATE;"


class Tried:
    """The batches that were sent: how many requests each had, and what PostgreSQL said to it."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.errors: list[str] = []

    async def __call__(self, connection: Any, pool_id: str, requests: Sequence[Request]) -> Any:
        """Decide a batch as ever, and keep count."""
        self.sizes.append(len(requests))
        try:
            return await reserve_batch(connection, pool_id, requests)
        except asyncpg.PostgresError as error:
            self.errors.append(type(error).__name__)
            raise


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Tried:
    """Watch every batch."""
    tried = Tried()
    monkeypatch.setattr(store, "reserve_batch", tried)
    return tried


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """End a batch's statement long before its wait for a lock; asked for before `inventory`."""
    monkeypatch.setattr("server.db.database.RESERVE_STATEMENT_TIMEOUT_MS", 150)


class Crowd:
    """Twenty buyers of one sale, of whom one has a row that the second session holds."""

    def __init__(self, inventory: InventoryService, sale: str) -> None:
        self.inventory = inventory
        self.sale = sale
        self.users = [str(uuid.uuid4()) for _ in range(CROWD)]
        self.told: Counter[str] = Counter()

    @classmethod
    async def gather(cls, database: PgDatabase, inventory: InventoryService) -> Crowd:
        """Open a sale; its first buyer has a unit already, so that a row of theirs is there."""
        sale = await arm_flash(database, await make_shop(database), quantity=60, per_buyer=2)
        crowd = cls(inventory, sale)
        await crowd.press(crowd.users[0], "before")
        return crowd

    async def press(self, user: str, key: str) -> Told:
        """Press once, and count that it was answered."""
        answer = await note(
            self.inventory.reserve(user_id=user, sale_id=self.sale, qty=1, key=key),
            f"{user}/{key}",
        )
        self.told[f"{user}/{key}"] += 1
        return answer

    def press_all(self) -> list[asyncio.Task[Told]]:
        """Let everybody press in one moment."""
        return [asyncio.create_task(self.press(user, "k")) for user in self.users]


@contextlib.asynccontextmanager
async def second_session(
    database_url: str, crowd: Crowd, *, then: str = ""
) -> AsyncIterator[list[asyncio.Task[Told]]]:
    """Hold a buyer's row while everybody presses, until the batch waits for it with its stock.

    `then` is what this session does as soon as it waits, before the block begins.
    """
    other = await asyncpg.connect(database_url)
    try:
        # The batch has to be the one that is chosen to give way.
        await other.execute("SET deadlock_timeout = '30s'")
        async with asyncio.timeout(60), other.transaction():
            await other.execute(LOCK_BUYER, crowd.sale, crowd.users[0])
            waiting = asyncio.create_task(other.execute(ONCE_SOMEBODY_WAITS.format(then=then)))
            jobs = crowd.press_all()
            await waiting
            yield jobs
    finally:
        await other.close()


async def check_all_served_once(database: PgDatabase, crowd: Crowd, told: list[Told]) -> None:
    """Everybody got one unit and one answer, each under the version they were told."""
    assert [one.code for one in told] == ["reserved"] * CROWD
    assert set(crowd.told.values()) == {1}
    stock = await read_stock(database, crowd.sale)
    assert stock["claimed"] == CROWD + 1
    assert await find_untrue(database, str(stock["pool_id"]), told) == []
    assert (await audit(database)).violations == []


async def test_a_deadlocked_batch_is_made_again_whole(
    database: PgDatabase, database_url: str, inventory: InventoryService, tried: Tried
) -> None:
    """The batch holds the stock and wants the buyer, the other the other way round."""
    crowd = await Crowd.gather(database, inventory)
    tried.sizes.clear()
    async with second_session(database_url, crowd, then=LOCK_STOCK.format(sale=crowd.sale)) as jobs:
        pass
    told = await asyncio.gather(*jobs)
    assert tried.errors[0] == "DeadlockDetectedError"
    assert set(tried.sizes) == {CROWD}, "a part of it was made"
    await check_all_served_once(database, crowd, told)


async def test_without_its_place_among_the_waits_a_deadlocked_batch_falls_apart(
    database: PgDatabase,
    database_url: str,
    inventory: InventoryService,
    tried: Tried,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: taken for a refusal of a request, it is halved, and so seen above."""
    monkeypatch.setattr(asking, "HELD_UP", (asyncpg.LockNotAvailableError,))
    crowd = await Crowd.gather(database, inventory)
    async with second_session(database_url, crowd, then=LOCK_STOCK.format(sale=crowd.sale)) as jobs:
        pass
    await asyncio.gather(*jobs)
    assert "DeadlockDetectedError" in tried.errors
    assert CROWD // 2 in tried.sizes


@pytest.mark.usefixtures("short_timeout")
async def test_a_batch_that_runs_into_its_statement_timeout_is_made_again_whole(
    database: PgDatabase,
    database_url: str,
    tried: Tried,
    inventory: InventoryService,
) -> None:
    """Its connection is let go, its ids are the same, and it meets no half of itself."""
    crowd = await Crowd.gather(database, inventory)
    tried.sizes.clear()
    async with second_session(database_url, crowd) as jobs:
        while len(tried.errors) < 3:
            await asyncio.sleep(0.01)
        assert (await read_stock(database, crowd.sale))["claimed"] == 1, "a timeout left a part"
        assert not any(job.done() for job in jobs), "somebody was answered from an undone batch"
    told = await asyncio.gather(*jobs)
    assert set(tried.errors) == {"QueryCanceledError"}
    assert set(tried.sizes) == {CROWD}
    await check_all_served_once(database, crowd, told)


@pytest.mark.usefixtures("short_timeout")
async def test_a_timeout_that_lasts_is_an_unknown_outcome_and_the_key_is_served_after_it(
    database: PgDatabase,
    database_url: str,
    tried: Tried,
    inventory: InventoryService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Everybody hears the same, once; who asks again under the key gets one unit."""
    crowd = await Crowd.gather(database, inventory)
    tried.sizes.clear()
    with monkeypatch.context() as patch:
        patch.setattr("commerce.goods.inventory.asking.UNKNOWN_AFTER_MS", 400)
        async with second_session(database_url, crowd) as jobs:
            refused = await asyncio.gather(*jobs, return_exceptions=True)
    assert [getattr(one, "code", one) for one in refused] == ["unknown_outcome"] * CROWD
    assert all(one.retryable for one in refused if isinstance(one, CommerceError))
    assert set(tried.sizes) == {CROWD}
    told = await asyncio.gather(*crowd.press_all())
    await check_all_served_once(database, crowd, told)


@pytest.mark.usefixtures("short_timeout")
async def test_a_batch_made_again_under_fresh_ids_sells_twice(
    database: PgDatabase,
    database_url: str,
    inventory: InventoryService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other control: the ids are what makes an outcome that was lost safe to ask for again."""
    crowd = await Crowd.gather(database, inventory)
    lost: list[int] = []

    async def lose_first(connection: Any, pool_id: str, requests: Sequence[Request]) -> Any:
        fresh = [Request(str(uuid.uuid4()), r.sale_id, r.user_id, r.qty) for r in requests]
        result = await reserve_batch(connection, pool_id, fresh)
        if not lost:
            lost.append(len(requests))
            raise asyncpg.QueryCanceledError("its answer is lost")
        return result

    monkeypatch.setattr(store, "reserve_batch", lose_first)
    await asyncio.gather(*crowd.press_all())
    assert (await read_stock(database, crowd.sale))["claimed"] > CROWD + 1
    assert (await audit(database)).violations == [], "stock is right, and too much of it is gone"
