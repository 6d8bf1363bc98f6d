"""Giving a hold back: the unit is free at once, once, and for its holder's wish alone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

import pytest

from commerce.goods.inventory import store
from commerce.goods.inventory.model import Outcome, Refused, Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.kernel.errors import CommerceError
from server.db.database import PgDatabase
from tests.support.shop import arm_flash, make_shop, read_stock


@pytest.fixture
def process_clock() -> Callable[[], int]:
    """A clock that stands: no memory grows old here, however slow the machine is."""
    return lambda: 1_000


async def press(
    inventory: InventoryService, sale: str, *, user: str | None = None
) -> Reserved | Refused:
    """Press buy once."""
    return await inventory.reserve(user_id=user or str(uuid.uuid4()), sale_id=sale, qty=1, key="k")


async def test_release_returns_the_unit_at_once_and_only_once(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """Giving a hold back twice frees one unit."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    user = str(uuid.uuid4())
    mine = await press(inventory, sale, user=user)
    assert isinstance(mine, Reserved)
    for _ in range(2):
        released = await inventory.release(user_id=user, reservation_id=mine.reservation.id)
        assert released.state == "released"
    assert (await read_stock(database, sale))["claimed"] == 0
    assert isinstance(await press(inventory, sale), Reserved)


async def test_a_retry_of_an_ended_hold_gets_what_the_latch_says(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """The latch knows live reservations alone; the database would name the ended one."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    user = str(uuid.uuid4())
    mine = await press(inventory, sale, user=user)
    assert isinstance(mine, Reserved)
    await inventory.release(user_id=user, reservation_id=mine.reservation.id)
    assert isinstance(await press(inventory, sale), Reserved)
    async with asyncio.timeout(60):  # A winner hears before the pool is latched.
        while (told := inventory.refuse_at_once(user_id=user, sale_id=sale, key="k")) is None:
            await asyncio.sleep(0)
    assert told.outcome is Outcome.HELD_OUT
    inventory.forget_latches([str((await read_stock(database, sale))["pool_id"])])
    asked = await press(inventory, sale, user=user)
    assert isinstance(asked, Reserved)
    assert asked.reservation.state == "released"


async def test_release_of_an_ended_hold_waits_for_nobody(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """There is no unit to free, so the pool's lock is not asked for."""
    sale = await arm_flash(database, await make_shop(database))
    user = str(uuid.uuid4())
    mine = await press(inventory, sale, user=user)
    assert isinstance(mine, Reserved)
    await inventory.release(user_id=user, reservation_id=mine.reservation.id)
    pool = str((await read_stock(database, sale))["pool_id"])
    async with database.transaction() as busy:
        await store.lock_pools(busy, [pool])
        async with asyncio.timeout(30):
            again = await inventory.release(user_id=user, reservation_id=mine.reservation.id)
    assert again.state == "released"


async def test_nobody_releases_another_users_hold(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """Somebody else's reservation does not exist for you."""
    sale = await arm_flash(database, await make_shop(database))
    mine = await press(inventory, sale)
    assert isinstance(mine, Reserved)
    with pytest.raises(CommerceError) as caught:
        await inventory.release(user_id=str(uuid.uuid4()), reservation_id=mine.reservation.id)
    assert caught.value.code == "not_found"
    assert (await read_stock(database, sale))["claimed"] == 1
