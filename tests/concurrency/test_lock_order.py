"""Every transaction locks the pools it needs in ascending order, or two of them could deadlock."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from commerce.goods.catalogue.model import NewProduct, NewVariant
from commerce.goods.catalogue.service import add_product
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import lock_pools, select_sku_pool
from commerce.kernel.errors import CommerceError
from commerce.sales.group_buys.service import GroupBuys
from commerce.sales.group_buys.store import lock_team
from server.db.database import PgDatabase
from server.wiring.sources import FreshIds
from tests.support.grouping import join, open_group_buy
from tests.support.shop import Shop, arm_flash, make_shop


async def add_second_sku(database: PgDatabase, shop: Shop) -> str:
    """Put another product into the bag; its pool is younger, so it is locked later."""
    sku = f"cup-{uuid.uuid4().hex[:8]}"
    variant = NewVariant(sku=sku, price_minor=12_800, quantity=50)
    product = NewProduct(title="Cup", picture="/static/img/goods/moon-cups.svg", variants=[variant])
    await add_product(database, FreshIds(), product)
    async with database.transaction() as transaction:
        await shop.floor.add_to_bag(transaction, shop.room, sku)
    return sku


async def test_ending_a_show_waits_for_its_first_pool_before_it_holds_another(
    database: PgDatabase,
) -> None:
    """The pools of flash sales are younger than the first SKU's; none is taken before that one."""
    shop = await make_shop(database)
    second_sku = await add_second_sku(database, shop)
    await arm_flash(database, Shop(shop.host_id, shop.room, second_sku, shop.floor))
    async with database.reading() as connection:
        first = await select_sku_pool(connection, shop.sku)
        second = await select_sku_pool(connection, second_sku)
    assert first < second

    async def end_show() -> None:
        async with database.transaction() as transaction:
            await shop.floor.end(transaction, shop.room)

    async with asyncio.timeout(30), database.transaction() as other:
        await lock_pools(other, [first])
        ending = asyncio.create_task(end_show())
        while not await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        await other.execute("SET LOCAL lock_timeout = '200ms'")
        await lock_pools(other, [second])
    await ending


async def test_a_link_to_another_sales_team_waits_for_nobody(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """That team is guarded by its own pool's lock; a batch of this pool does not hold it."""
    shop = await make_shop(database)
    other_sku = await add_second_sku(database, shop)
    sale = await open_group_buy(database, shop)
    other = await open_group_buy(
        database, Shop(shop.host_id, shop.room, other_sku, shop.floor), quantity=9
    )
    groups = GroupBuys(database, cores[0])
    theirs = await join(groups, other)
    async with database.transaction() as held:
        await lock_team(held, theirs.group_id)
        with pytest.raises(CommerceError) as refused:
            await asyncio.wait_for(join(groups, sale, team=theirs.group_id), timeout=30)
    assert refused.value.code == "not_found"
