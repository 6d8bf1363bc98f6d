"""What a host types is refused where it would break a limit, with the field that does it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from commerce.goods.catalogue.model import NewProduct
from commerce.goods.catalogue.service import add_product
from commerce.kernel.errors import CommerceError
from commerce.sales.flash_sales.service import finish
from server.db.database import PgDatabase
from server.wiring.sources import FreshIds
from tests.support.shop import arm_flash, make_shop, read_stock

VARIANT = {"sku": "caddy", "price_minor": 5_900, "quantity": 2}
PRODUCT = {
    "title": "Tea caddy",
    "picture": "/static/img/goods/teapot.svg",
    "variants": [VARIANT],
}


async def add(database: PgDatabase, **change: Any) -> str:
    """Add the product with changes."""
    return await add_product(
        database, FreshIds(), msgspec.convert({**PRODUCT, **change}, NewProduct)
    )


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("title", {"title": " " * 200}),
        ("title", {"title": "x" * 101}),
        ("title_zh", {"title_zh": "茶" * 101}),
        ("notes", {"notes": "x" * 2_001}),
        ("notes_zh", {"notes_zh": "茶" * 2_001}),
        ("label", {"variants": [{**VARIANT, "label": "x" * 61}]}),
        ("label_zh", {"variants": [{**VARIANT, "label_zh": "茶" * 61}]}),
    ],
)
async def test_a_text_that_is_too_long_is_named(
    database: PgDatabase, field: str, change: dict[str, Any]
) -> None:
    """Everybody in the room would have to load it."""
    with pytest.raises(CommerceError) as caught:
        await add(database, **change)
    assert (caught.value.code, caught.value.detail) == ("invalid_request", {"field": field})


async def test_a_title_is_kept_without_its_margins(database: PgDatabase) -> None:
    """White space around it is not counted and not stored."""
    product_id = await add(database, title=" " * 200 + "Tea caddy\n")
    async with database.reading() as connection:
        title = await connection.fetchval("SELECT title FROM products WHERE id = $1", product_id)
    assert title == "Tea caddy"


async def test_a_bag_gives_each_number_once(database: PgDatabase) -> None:
    """Also when what had the last one was taken out."""
    shop = await make_shop(database)
    await add(database)
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE bag_items SET no = 199")
        assert await shop.floor.add_to_bag(transaction, shop.room, "caddy") == 200
        item = await transaction.fetchval("SELECT id FROM bag_items WHERE no = 200")
        await shop.floor.remove_from_bag(transaction, shop.room, str(item))
        with pytest.raises(CommerceError, match="bag_full"):
            await shop.floor.add_to_bag(transaction, shop.room, "caddy")


async def test_a_reason_is_a_sentence(database: PgDatabase) -> None:
    """A longer one ends nothing."""
    sale = await arm_flash(database, await make_shop(database), quantity=5)
    before = await read_stock(database, sale)
    with pytest.raises(CommerceError, match="invalid_request"):
        async with database.transaction() as transaction:
            await finish(transaction, sale, "cancel", "x" * 121)
    assert await read_stock(database, sale) == before
    async with database.transaction() as transaction:
        assert (await finish(transaction, sale, "cancel", "x" * 120)).state == "cancelled"
