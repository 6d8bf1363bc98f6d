"""Which holds count as dropped: those a buyer kept from others and let end unpaid, lately."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from commerce.goods.inventory.service import InventoryService
from commerce.goods.press_rules.model import Dropped
from commerce.goods.press_rules.store import SELECT_DROPPED, select_dropped
from commerce.sales.flash_sales.halting import halt
from server.db.database import PgDatabase
from tests.support.shop import arm_flash, make_shop, make_user

DAY_MS = 86_400_000


async def plant(database: PgDatabase, sale: str, user: str, **row: Any) -> str:
    """Insert a reservation that was decided and let go `…_ago_ms` before now."""
    id = str(uuid.uuid4())
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO reservations (id, pool_id, sale_id, user_id, qty, unit_price_minor, state,"
            " origin, version, seq, decided_at_ms, shown_until_ms, release_at_ms, released_at_ms,"
            " refunded_qty, extended)"
            " SELECT $1, s.pool_id, s.id, $3, 1, 1, $4, $5, 1, 1, clock_ms() - $6::bigint,"
            " clock_ms() - $7::bigint, clock_ms() - $7::bigint,"
            " CASE WHEN $8::bigint IS NULL THEN NULL ELSE clock_ms() - $8::bigint END,"
            " CASE $4 WHEN 'refunded' THEN 1 ELSE 0 END, $9"
            " FROM sales s WHERE s.id = $2",
            id,
            sale,
            user,
            row.get("state", "expired"),
            row.get("origin", "walk_in"),
            row.get("decided_ago_ms", 100_000),
            row.get("release_ago_ms", 40_000),
            row.get("released_ago_ms"),
            row.get("extended", False),
        )
    return id


async def count(database: PgDatabase, sale: str, user: str) -> Dropped:
    """Return what the rule sees."""
    async with database.reading() as connection:
        return await select_dropped(connection, user_id=user, sale_id=sale)


@pytest.mark.parametrize(
    ("row", "dropped"),
    [
        ({}, 1),
        ({"state": "held"}, 1),
        ({"state": "paying"}, 1),
        ({"state": "held", "release_ago_ms": -60_000}, 0),
        ({"state": "released", "released_ago_ms": 50_000}, 1),
        ({"state": "released", "released_ago_ms": 96_000}, 0),
        ({"state": "released", "released_ago_ms": None}, 0),
        ({"state": "sold"}, 0),
        ({"origin": "waiting_list"}, 0),
        ({"origin": "waiting_list", "extended": True}, 1),
        ({"origin": "draw", "state": "released", "released_ago_ms": 50_000}, 0),
        ({"origin": "draw", "state": "released", "released_ago_ms": 50_000, "extended": True}, 1),
        ({"decided_ago_ms": DAY_MS + 60_000, "release_ago_ms": DAY_MS + 1_000}, 0),
        ({"decided_ago_ms": DAY_MS + 60_000, "release_ago_ms": DAY_MS - 60_000}, 1),
    ],
)
async def test_what_counts(database: PgDatabase, row: dict[str, Any], dropped: int) -> None:
    shop = await make_shop(database)
    sale, user = await arm_flash(database, shop), await make_user(database)
    await plant(database, sale, user, **row)
    assert (await count(database, sale, user)).count == dropped
    assert (await count(database, sale, await make_user(database))).count == 0


async def test_who_changes_their_mind_all_the_time_drops_holds(database: PgDatabase) -> None:
    """A hold of 4.9 s, again and again, keeps the unit as well as one of minutes."""
    shop = await make_shop(database)
    sale, user = await arm_flash(database, shop), await make_user(database)
    for ago_ms in (90_000, 80_000, 70_000):
        quick = {"decided_ago_ms": ago_ms, "released_ago_ms": ago_ms - 4_900}
        await plant(database, sale, user, state="released", **quick)
    assert (await count(database, sale, user)).count == 0
    await plant(
        database, sale, user, state="released", decided_ago_ms=60_000, released_ago_ms=55_100
    )
    seen = await count(database, sale, user)
    assert seen.count == 1
    assert 55_100 <= seen.since_last_ms < 65_000
    await plant(database, sale, user, release_ago_ms=80_000)
    assert (await count(database, sale, user)).count == 2, "what is no change of mind uses none up"


async def test_the_newest_says_how_long_ago(database: PgDatabase) -> None:
    shop = await make_shop(database)
    sale, user = await arm_flash(database, shop), await make_user(database)
    await plant(database, sale, user, release_ago_ms=300_000)
    await plant(database, sale, user, release_ago_ms=30_000)
    seen = await count(database, sale, user)
    assert seen.count == 2
    assert 30_000 <= seen.since_last_ms < 300_000


@pytest.mark.parametrize("state", ["sold", "refunded"])
async def test_buying_clears_what_was_before(database: PgDatabase, state: str) -> None:
    shop = await make_shop(database)
    sale, user = await arm_flash(database, shop), await make_user(database)
    await plant(database, sale, user, decided_ago_ms=300_000)
    await plant(database, sale, user, state=state, decided_ago_ms=200_000)
    assert (await count(database, sale, user)).count == 0
    await plant(database, sale, user, decided_ago_ms=100_000)
    assert (await count(database, sale, user)).count == 1


async def test_a_release_is_noted_unless_the_host_took_the_hold_back(
    database: PgDatabase, inventory: InventoryService
) -> None:
    shop = await make_shop(database)
    sale = await arm_flash(database, shop)
    mine, taken = await make_user(database), await make_user(database)
    for user in (mine, taken):
        await inventory.reserve(user_id=user, sale_id=sale, qty=1, key="k")
    async with database.reading() as connection:
        id = await connection.fetchval("SELECT id::text FROM reservations WHERE user_id = $1", mine)
    await inventory.release(user_id=mine, reservation_id=id)
    async with database.transaction() as transaction:
        await halt(transaction, sale, "wrong price", release_holds=True)
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE reservations SET decided_at_ms = decided_at_ms - 10000 WHERE sale_id = $1", sale
        )
    assert (await count(database, sale, mine)).count == 1
    assert (await count(database, sale, taken)).count == 0


async def test_the_question_is_answered_by_an_index(database: PgDatabase) -> None:
    shop = await make_shop(database)
    sale, user = await arm_flash(database, shop), await make_user(database)
    async with database.transaction() as transaction:
        await transaction.execute("SET LOCAL enable_seqscan = off")
        plan = await transaction.fetch("EXPLAIN " + SELECT_DROPPED, user, sale)
    assert any("reservations_of_user" in row[0] for row in plan)
