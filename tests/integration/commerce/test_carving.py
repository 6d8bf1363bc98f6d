"""Units for a sale are carved out of what nobody holds: a dead hold keeps nothing, swept or not."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import pytest

from commerce.goods.adjustments.model import Adjustment
from commerce.goods.inventory.service import InventoryService
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.flash_sales.quantity import change_quantity
from commerce.sales.flash_sales.store import select_sale
from server.db.database import PgDatabase
from tests.support.grouping import open_group_buy
from tests.support.shop import Shop, arm_flash, make_shop, read_stock

UNITS = 6
SELECT_REGULAR = "SELECT id::text FROM sales WHERE kind = 'regular'"
END_HOLDS = "UPDATE reservations SET release_at_ms = clock_ms() - 1 WHERE sale_id = $1"


async def arm(database: PgDatabase, shop: Shop) -> None:
    """Arm a flash sale of all that there is."""
    await arm_flash(database, shop, quantity=UNITS)


async def open_teams(database: PgDatabase, shop: Shop) -> None:
    """Open a group buy of all that there is."""
    await open_group_buy(database, shop, quantity=UNITS)


async def add(database: PgDatabase, shop: Shop) -> None:
    """Give a running flash sale all that there is."""
    async with database.transaction() as transaction:
        flash = await transaction.fetchval("SELECT id::text FROM sales WHERE kind = 'flash'")
        wish = Adjustment(str(uuid.uuid4()), shop.host_id, shop.sku, UNITS, "more", flash)
        await change_quantity(transaction, await select_sale(transaction, flash), wish)


@pytest.mark.parametrize("carve", [arm, open_teams, add])
async def test_holds_that_are_over_keep_no_unit_from_a_sale(
    database: PgDatabase,
    inventory: InventoryService,
    carve: Callable[[PgDatabase, Shop], Awaitable[None]],
) -> None:
    """No sweeper comes by; while they last, the host hears that nothing is free."""
    shop = await make_shop(database, stock=UNITS + (1 if carve is add else 0))
    if carve is add:
        await arm_flash(database, shop, quantity=1)
    async with database.reading() as connection:
        regular = await connection.fetchval(SELECT_REGULAR)
    await inventory.reserve(user_id=str(uuid.uuid4()), sale_id=regular, qty=UNITS, key="k")
    with pytest.raises(CommerceError, match="not_enough_stock"):
        await carve(database, shop)
    async with database.transaction() as transaction:
        await transaction.execute(END_HOLDS, regular)

    await carve(database, shop)

    left = await read_stock(database, regular)
    assert (left["total"], left["claimed"]) == (0, 0)
    assert (await audit(database)).violations == []
