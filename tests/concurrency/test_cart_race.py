"""Carts in all orders beside single presses: no deadlock, no oversell; the control shows why."""

from __future__ import annotations

import asyncio
import itertools
import uuid

import asyncpg

from commerce.goods.carts.model import Granted
from commerce.goods.carts.service import CartService
from commerce.goods.carts.store import RESERVE_CART
from commerce.goods.inventory.model import Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.insight.audit.service import audit
from server.db.database import PgDatabase
from tests.integration.commerce.test_carts import open_sales
from tests.support.journal import find_untrue
from tests.support.shop import make_shop, read_stock

UNITS = 20
LOCK = "PERFORM 1 FROM stock s WHERE s.pool_id = ANY (pools) ORDER BY s.pool_id FOR NO KEY UPDATE;"
# Two carts that name the same sales the other way round: neither goes on to its second pool before
# the other has its first.
LOCK_AS_THEY_COME = """
    FOR i IN 1 .. cardinality(p_sales) LOOP
        PERFORM 1 FROM stock s JOIN sales x ON x.pool_id = s.pool_id WHERE x.id = p_sales[i]
        FOR NO KEY UPDATE OF s;
        PERFORM pg_advisory_xact_lock_shared(7);
        FOR tries IN 1 .. 500 LOOP
            EXIT WHEN (SELECT count(*) = 2 FROM pg_locks l
                WHERE l.locktype = 'advisory' AND l.objid = 7 AND l.granted);
            PERFORM pg_sleep(0.02);
        END LOOP;
    END LOOP;
"""
SLOWLY = LOCK + " PERFORM pg_sleep(0.1);"


async def meet(database: PgDatabase, database_url: str, lock: str) -> list[object]:
    """Decide one cart and its reverse at once, with this way of locking."""
    sales = await open_sales(database, await make_shop(database), UNITS, UNITS)
    async with database.transaction() as transaction:
        source = await transaction.fetchval("SELECT pg_get_functiondef('reserve_cart'::regproc)")
        assert LOCK in source
        await transaction.execute(source.replace(LOCK, lock))
    connections = [await asyncpg.connect(database_url) for _ in range(2)]
    carts = [sales, sales[::-1]]
    answers = await asyncio.gather(
        *(
            connection.fetchrow(
                RESERVE_CART,
                *(str(uuid.uuid4()), "h", str(uuid.uuid4())),
                [str(uuid.uuid4()) for _ in cart],
                cart,
                [1 for _ in cart],
            )
            for connection, cart in zip(connections, carts, strict=True)
        ),
        return_exceptions=True,
    )
    for connection in connections:
        await connection.close()
    return list(answers)


async def test_carts_that_lock_as_they_come_deadlock(
    database: PgDatabase, database_url: str
) -> None:
    """The negative control: one of two carts in opposite orders is killed by the database."""
    answers = await meet(database, database_url, LOCK_AS_THEY_COME)
    assert sum(isinstance(one, asyncpg.DeadlockDetectedError) for one in answers) == 1


async def test_carts_that_lock_in_ascending_order_do_not(
    database: PgDatabase, database_url: str
) -> None:
    """The same two carts, just as slow."""
    answers = await meet(database, database_url, SLOWLY)
    assert [list(one["outcomes"]) for one in answers] == [[0, 0], [0, 0]]  # type: ignore[index]
    assert (await audit(database)).violations == []


async def test_carts_in_all_orders_beside_presses_get_exactly_the_units(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """Three pools, carts in all six orders, single presses on each: all units, none twice."""
    sales = await open_sales(database, await make_shop(database), UNITS, UNITS, UNITS)
    orders = list(itertools.permutations(sales))
    carts = [CartService(core) for core in cores]
    stocks = [await read_stock(database, sale) for sale in sales]

    async def fill(n: int) -> int:
        answer = await carts[n % len(cores)].reserve(
            user_id=str(uuid.uuid4()), items=[(sale, 1) for sale in orders[n % 6]], key="k"
        )
        return 3 if isinstance(answer, Granted) else 0

    async def press(n: int) -> int:
        core = cores[n % len(cores)]
        core.forget_latches([str(stock["pool_id"]) for stock in stocks])
        answer = await core.reserve(user_id=str(uuid.uuid4()), sale_id=sales[n % 3], qty=1, key="k")
        return 1 if isinstance(answer, Reserved) else 0

    got = await asyncio.gather(
        *(one for n in range(40) for one in (fill(n), press(n), press(n + 1)))
    )
    claimed = [(await read_stock(database, sale))["claimed"] for sale in sales]
    assert sum(got) == sum(claimed)
    assert claimed == [UNITS] * 3
    assert (await audit(database)).violations == []
    for stock in stocks:
        assert await find_untrue(database, str(stock["pool_id"])) == []
