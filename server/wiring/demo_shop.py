"""The demo shop: one host, one room, seven pieces of pottery, a show to start."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from commerce.goods.catalogue.model import NewProduct, NewVariant
from commerce.goods.catalogue.service import add_product
from commerce.kernel.ports import Clock, Database, Ids
from commerce.sales.show_floor.service import ShowFloor
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.store import find_room, insert_room, select_room

DEMO_ROOM = "demo"
DEMO_POSTER = "/static/img/scene/kiln.svg"
SHOW_STARTS_IN_MS = 30 * 60_000


def _piece(
    picture: str, words: tuple[str, str], notes: tuple[str, str], figures: tuple[int, int]
) -> NewProduct:
    price_minor, quantity = figures
    return NewProduct(
        title=words[0],
        title_zh=words[1],
        notes=notes[0],
        notes_zh=notes[1],
        picture=f"/static/img/goods/{picture}.svg",
        variants=[NewVariant(sku=f"demo-{picture}", price_minor=price_minor, quantity=quantity)],
    )


DEMO_GOODS = [
    _piece(
        "teapot",
        ("Celadon teapot", "青瓷茶壶"),
        ("Pour once: the spout does not drip. 420 ml.", "倒一次看看：壶嘴不滴水。420 毫升。"),
        (26_800, 120),
    ),
    _piece(
        "moon-cups",
        ("Moon cups, a pair", "月白对杯"),
        ("Hold them to the light, they glow.", "对着光看，会透亮。"),
        (12_800, 200),
    ),
    _piece(
        "tea-bowl",
        ("Kiln-change tea bowl", "窑变天目盏"),
        (
            "Tilt it under the lamp, show the inside. Gas kiln, 1,280 °C, eleven hours.",
            "灯下转一转，给大家看内壁。气窑，1280 °C，十一个小时。",
        ),
        (32_900, 500),
    ),
    _piece(
        "travel-set",
        ("Travel tea set", "旅行茶具"),
        ("Close the case, shake it, open it: nothing moves.", "合上摇一摇再打开，纹丝不动。"),
        (35_800, 60),
    ),
    _piece(
        "tea-tray",
        ("Bamboo tea tray", "竹茶盘"),
        ("Water runs off to the left. Oil it twice a year.", "水往左边流。一年上两次油。"),
        (8_900, 300),
    ),
    _piece(
        "tea-towel",
        ("Linen tea towel", "亚麻茶巾"),
        ("Washed three times before sewing.", "缝制前水洗三遍。"),
        (3_900, 400),
    ),
    _piece(
        "incense",
        ("Incense holder", "香插"),
        ("One stick burns 25 minutes.", "一支香烧 25 分钟。"),
        (12_900, 80),
    ),
]


class Seeder(msgspec.Struct, frozen=True):
    """What seeding needs."""

    database: Database
    ids: Ids
    clock: Clock
    floor: ShowFloor


async def make_demo_room(seeder: Seeder, staff: Mapping[str, str]) -> bool:
    """Make the demo room with its goods and a planned show, once; False when it is there.

    `staff` maps the logins `host` and `moderator` to their user ids.
    """
    async with seeder.database.reading() as connection:
        if await find_room(connection, DEMO_ROOM) is not None:
            return False
    for product in DEMO_GOODS:
        await add_product(seeder.database, seeder.ids, product)
    async with seeder.database.transaction() as transaction:
        await insert_room(
            transaction,
            Room(
                id=seeder.ids.new(),
                slug=DEMO_ROOM,
                host_id=staff["host"],
                title="Xiaoman Ceramics",
                poster=DEMO_POSTER,
                epoch=seeder.ids.new(),
                announcement=None,
                moderator_ids=[staff["moderator"]],
            ),
        )
        room = await select_room(transaction, DEMO_ROOM)
        await seeder.floor.schedule(
            transaction,
            room,
            title="Autumn kiln opening",
            starts_at_ms=seeder.clock.now_ms() + SHOW_STARTS_IN_MS,
        )
        for product in DEMO_GOODS:
            await seeder.floor.add_to_bag(transaction, room, product.variants[0].sku)
    return True
