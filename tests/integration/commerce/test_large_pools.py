"""A pool that sold many units refuses its crowd as cheaply, and still knows its owners."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from commerce.goods.inventory import store
from commerce.goods.inventory.latch import LATCH_MS_MAX
from commerce.goods.inventory.model import Answer, BatchResult, Refused, Request, Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import reserve_batch
from server.db.database import PgDatabase, open_reserve_pool
from tests.support.pressing import outcomes, press
from tests.support.shop import arm_flash, make_shop


@pytest.fixture
def now_ms() -> list[int]:
    """The moment, which passes only when a test says so."""
    return [1_000]


@pytest.fixture
def process_clock(now_ms: list[int]) -> Callable[[], int]:
    """A clock that stands unless a test turns it: a slow machine ages no memory."""
    return lambda: now_ms[0]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The users of every batch that the database decided."""
    seen: list[list[str]] = []

    async def count(connection: Any, pool_id: str, requests: list[Request]) -> BatchResult:
        seen.append([request.user_id for request in requests])
        return await reserve_batch(connection, pool_id, requests)

    monkeypatch.setattr(store, "reserve_batch", count)
    return seen


def id_of(answer: Answer) -> str:
    assert isinstance(answer, Reserved)
    return answer.reservation.id


async def test_owners_beyond_memory_are_looked_up(
    database: PgDatabase,
    inventory: InventoryService,
    batches: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their retries meet their rows; strangers are refused without the pool's lock."""
    monkeypatch.setattr("commerce.goods.inventory.deciding.OWNED_MAX", 2)
    sale = await arm_flash(database, await make_shop(database), quantity=3)
    owners = [str(uuid.uuid4()) for _ in range(3)]
    won = [await press(inventory, sale, user=owner) for owner in owners]
    assert outcomes(won) == ["reserved"] * 3
    assert outcomes([await press(inventory, sale)]) == ["held_out"]
    del batches[:]
    strangers = await asyncio.gather(*[press(inventory, sale) for _ in range(50)])
    again = await asyncio.gather(*[press(inventory, sale, user=owner) for owner in owners])
    assert [id_of(one) for one in again] == [id_of(one) for one in won]
    latched = [one for one in strangers if isinstance(one, Refused) and one.is_latched]
    assert len(latched) == 50
    assert {one.outcome.name for one in latched} == {"HELD_OUT"}
    asked = {user for users in batches for user in users}
    assert asked <= set(owners), "strangers went to the pool's row"


async def test_a_latch_is_as_old_as_the_question_that_it_came_of(
    database: PgDatabase,
    inventory: InventoryService,
    monkeypatch: pytest.MonkeyPatch,
    now_ms: list[int],
) -> None:
    """A late answer is no fresh one: a unit may have come free on its way."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)

    async def late(connection: Any, pool_id: str, requests: list[Request]) -> BatchResult:
        result = await reserve_batch(connection, pool_id, requests)
        now_ms[0] += LATCH_MS_MAX + 1
        return result

    with monkeypatch.context() as patch:
        patch.setattr(store, "reserve_batch", late)
        assert isinstance(await press(inventory, sale), Reserved)
    assert inventory.refuse_at_once(user_id=str(uuid.uuid4()), sale_id=sale, key="k") is None


async def test_owners_are_read_by_the_pools_own_indexes(database_url: str) -> None:
    """What other pools sold costs a reading nothing."""
    connections = await open_reserve_pool(database_url)
    async with connections.acquire() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE owned (uuid, bigint) AS {store.SELECT_OWNED}")
        rows = await connection.fetch(f"EXPLAIN EXECUTE owned ('{uuid.uuid4()}', 10)")
        await connection.execute("DEALLOCATE owned; RESET plan_cache_mode")
    await connections.close()
    plan = "\n".join(row[0] for row in rows)
    assert "reservations_due" in plan
    assert "reservations_sold" in plan
    assert "reservations_of_user" not in plan
