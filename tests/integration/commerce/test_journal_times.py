"""The journal's times never go back, also where one transaction makes several versions."""

from __future__ import annotations

import uuid

import pytest

from commerce.goods.carts.model import Granted
from commerce.goods.carts.service import CartService
from commerce.goods.inventory.model import Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.sales.group_buys.service import GroupBuys
from server.db.database import PgDatabase
from tests.support.grouping import end_seats, join, open_group_buy
from tests.support.journal import find_untrue
from tests.support.shop import arm_flash, make_shop, read_stock

# Every look at the clock takes 20 ms, as on a machine that has too much to do.
SLOW_CLOCK = """
    CREATE SEQUENCE looks;
    CREATE OR REPLACE FUNCTION clock_ms() RETURNS bigint LANGUAGE sql VOLATILE
    AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 20 * nextval('looks') $$;
"""


@pytest.mark.parametrize("is_cart", [False, True])
async def test_what_follows_an_expiry_is_not_dated_before_it(
    database: PgDatabase, inventory: InventoryService, *, is_cart: bool
) -> None:
    """A batch and a cart end due holds first; both versions are of the same transaction."""
    sale = await arm_flash(database, await make_shop(database), quantity=1)
    await inventory.reserve(user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key="k")
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE reservations SET release_at_ms = clock_ms() - 1")
        await transaction.execute(SLOW_CLOCK)
    pool_id = str((await read_stock(database, sale))["pool_id"])
    inventory.forget_latches([pool_id])
    user = str(uuid.uuid4())
    if is_cart:
        got = await CartService(inventory).reserve(user_id=user, items=[(sale, 1)], key="k")
        assert isinstance(got, Granted)
    else:
        answer = await inventory.reserve(user_id=user, sale_id=sale, qty=1, key="k")
        assert isinstance(answer, Reserved)
    assert await find_untrue(database, pool_id) == []


async def test_a_seat_that_follows_an_expiry_is_not_dated_before_it(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """A batch of wishes ends due seats first, as a batch of presses does."""
    sale = await open_group_buy(database, await make_shop(database), quantity=3)
    groups = GroupBuys(database, inventory)
    await join(groups, sale)
    await end_seats(database, sale)
    async with database.transaction() as transaction:
        await transaction.execute(SLOW_CLOCK)
    await join(groups, sale)
    pool_id = str((await read_stock(database, sale))["pool_id"])
    assert await find_untrue(database, pool_id) == []
