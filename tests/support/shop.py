"""Make a shop with a live show in a test's own database, through the real services."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from commerce.goods.catalogue.model import NewProduct, NewVariant
from commerce.goods.catalogue.service import add_product
from commerce.goods.inventory.model import Hold
from commerce.sales.flash_sales.model import FlashSaleTerms
from commerce.sales.flash_sales.service import arm, open_one
from commerce.sales.show_floor.service import ShowFloor
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.store import insert_room, select_room
from server.db.database import PgDatabase
from server.wiring.sources import FreshIds, SystemClock

CURRENCY = "CNY"


class Shop(msgspec.Struct, frozen=True):
    """A room with a live show and one SKU in its bag."""

    host_id: str
    room: Room
    sku: str
    floor: ShowFloor


class Silence:
    """A `News` port that keeps what it hears."""

    def __init__(self) -> None:
        self.expired: list[Hold] = []
        self.answers: list[str] = []

    def stock_changed(self, room_id: str, sale_id: str) -> None:
        """Ignore changed figures."""

    def hold_expired(self, room_id: str, hold: Hold) -> None:
        """Keep an expired hold."""
        self.expired.append(hold)

    def pressed(self, sale_id: str, answer: str) -> None:
        """Keep an answer."""
        self.answers.append(answer)


async def make_user(database: PgDatabase, *, role: str = "guest", name: str = "Lin") -> str:
    """Insert a person and return the id."""
    user_id = str(uuid.uuid4())
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO users (id, name, role) VALUES ($1, $2, $3)", user_id, name, role
        )
    return user_id


async def make_shop(
    database: PgDatabase, *, stock: int = 1000, is_live: bool = True, slug: str = "demo"
) -> Shop:
    """Make a host, a room, one product and a show with it in the bag."""
    ids = FreshIds()
    host_id = await make_user(database, role="host", name="Xiaoman")
    sku = f"bowl-{uuid.uuid4().hex[:8]}"
    product = NewProduct(
        title="Tea bowl",
        title_zh="茶盏",
        picture="/static/img/goods/tea-bowl.svg",
        variants=[NewVariant(sku=sku, price_minor=32_900, quantity=stock)],
    )
    await add_product(database, ids, product)
    floor = ShowFloor(ids, CURRENCY)
    async with database.transaction() as transaction:
        room = Room(ids.new(), slug, host_id, "Room", "/poster.svg", ids.new(), None, [])
        await insert_room(transaction, room)
        now_ms = SystemClock().now_ms()
        await floor.schedule(transaction, room, title="Show", starts_at_ms=now_ms)
        await floor.add_to_bag(transaction, room, sku)
        if is_live:
            await floor.start(transaction, room, now_ms)
        room = await select_room(transaction, slug)
    return Shop(host_id, room, sku, floor)


async def arm_flash(
    database: PgDatabase, shop: Shop, *, is_open: bool = True, **overrides: Any
) -> str:
    """Arm a flash sale of the shop's SKU and return its id; it opens at once by default."""
    terms = {"quantity": 20, "per_buyer": 1, "countdown_s": 0, "duration_s": 600} | overrides
    async with database.transaction() as transaction:
        sale_id, _ = await arm(
            transaction,
            FreshIds(),
            shop.room,
            FlashSaleTerms(sku=shop.sku, price_minor=19_900, **terms),
            key=str(uuid.uuid4()),
        )
        if is_open:
            await open_one(transaction, sale_id)
    return sale_id


async def read_stock(database: PgDatabase, sale_id: str) -> Mapping[str, int]:
    """Return total, claimed and version of a sale's pool."""
    async with database.reading() as connection:
        row = await connection.fetchrow(
            "SELECT k.total, k.claimed, k.version, k.pool_id::text FROM stock k"
            " JOIN sales s ON s.pool_id = k.pool_id WHERE s.id = $1",
            sale_id,
        )
    return dict(row)
