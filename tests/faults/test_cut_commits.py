"""A connection is cut around a commit: nobody knows whether it was made, and all asks again.

Before the request reaches the backend; late, so that the backend commits next to the repetition;
after the commit, with the answer lost. Each repetition has the same ids and meets its own rows.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from commerce.goods.carts.model import Granted
from commerce.goods.carts.service import CartService
from commerce.goods.inventory.model import Reserved
from commerce.insight.audit.service import audit
from server.db.database import PgDatabase
from tests.support import commit_points as points
from tests.support import pg_proxy
from tests.support.commit_points import by_anybody
from tests.support.pg_proxy import AFTER, BEFORE, CUT, LATE, PgProxy, Point
from tests.support.shop import arm_flash, make_shop, read_stock
from tests.support.till import Till, open_till, order_one

MOMENTS = [BEFORE, LATE, AFTER]
PRESSES = 12


@pytest.fixture
async def cut_till(proxy: PgProxy) -> AsyncIterator[Till]:
    """A till whose connections all lead through the proxy."""
    async with open_till(proxy.url) as till:
        yield till


async def assert_whole(database: PgDatabase, sale_id: str, *, claimed: int) -> None:
    """Check the sale's stock, and have the auditor look."""
    assert (await read_stock(database, sale_id))["claimed"] == claimed
    assert (await audit(database)).violations == []


async def keeps(database: PgDatabase, query: str) -> int:
    """Return what a count says; `database` leads past the proxy."""
    async with database.reading() as connection:
        return int(await connection.fetchval(query))


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_cut_batch_meets_its_own_rows(
    database: PgDatabase, cut_till: Till, proxy: PgProxy, moment: str
) -> None:
    """Every press of a crowd is answered, once, whichever batches were cut."""
    sale = await arm_flash(database, await make_shop(database), quantity=PRESSES - 2, per_buyer=1)

    async def press() -> object:
        return await cut_till.inventory.reserve(
            user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key="press"
        )

    with proxy.trap(by_anybody(points.RESERVATION_BATCH), moment, CUT, times=3) as trap:
        answers = await asyncio.gather(*(press() for _ in range(PRESSES)))
    assert trap.left == 0, "three cuts were wanted"
    won = [one.reservation.id for one in answers if isinstance(one, Reserved)]
    assert len(set(won)) == PRESSES - 2
    assert await keeps(database, "SELECT count(*) FROM reservations") == PRESSES - 2
    await assert_whole(database, sale, claimed=PRESSES - 2)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_cut_cart_meets_its_own_rows(
    database: PgDatabase, cut_till: Till, proxy: PgProxy, moment: str
) -> None:
    """All items, once."""
    shop = await make_shop(database)
    flash = await arm_flash(database, shop, quantity=5, per_buyer=2)
    regular = await cut_till.row("SELECT id::text FROM sales WHERE kind = 'regular'")
    user = str(uuid.uuid4())
    with proxy.trap(by_anybody(points.CART), moment, CUT) as trap:
        answer = await CartService(cut_till.inventory).reserve(
            user_id=user, items=[(flash, 2), (regular[0], 1)], key="cart"
        )
    assert trap.has_struck
    assert isinstance(answer, Granted)
    ids = {one.reservation.id for one in answer.reservations}
    assert set(await cut_till.values("SELECT id::text FROM reservations")) == ids
    await assert_whole(database, flash, claimed=2)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_cut_order_is_one_order(
    database: PgDatabase, cut_till: Till, proxy: PgProxy, moment: str
) -> None:
    """The buyer hears that nothing is known, asks with the same key, and has one order to pay."""
    shop = await make_shop(database)
    sale = await arm_flash(database, shop, quantity=5)
    buyer = await cut_till.buyer()
    held = await cut_till.reserve(sale, buyer.id)
    with proxy.trap(by_anybody(points.ORDER), moment, CUT) as trap:
        lost = await buyer.order([held], key="order")
        again = await buyer.order([held], key="order")
    assert trap.has_struck
    assert (lost.status_code, lost.json()["error"]["retryable"]) == (503, True)
    assert again.status_code == 201, again.text
    for table in ("orders", "order_lines", "payments"):
        assert await keeps(database, f"SELECT count(*) FROM {table}") == 1, table
    assert again.json()["payment"]["url"]
    await assert_whole(database, sale, claimed=1)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_cut_confirmation_is_made_once(
    database: PgDatabase, cut_till: Till, proxy: PgProxy, moment: str
) -> None:
    """The provider hears no yes and tells again: the order is paid and its money taken, once."""
    till = cut_till
    sale = await arm_flash(database, await make_shop(database), quantity=5)
    buyer = await till.buyer()
    order_id, page = await order_one(till, sale, buyer)
    with proxy.trap(by_anybody(points.CONFIRMATION), moment, CUT) as trap:
        assert (await buyer.press(page, "pay")).status_code == 303
        assert trap.has_struck
        undelivered = await till.values("SELECT state FROM sandbox.webhooks")
        await till.change("UPDATE sandbox.webhooks SET next_at_ms = clock_ms()")
        await till.sender.deliver_due()
    assert undelivered == ["pending"]
    assert (await buyer.read(order_id))["state"] == "paid"
    await till.payments.run_payment_calls()
    assert (await till.remote(order_id))["state"] == "captured"
    calls = await till.values("SELECT kind || ' ' || state FROM payment_calls ORDER BY kind")
    assert calls == ["capture done", "create done"]
    assert len(await till.values("SELECT event_id FROM payment_events")) == 1
    await assert_whole(database, sale, claimed=1)


async def test_without_its_own_ids_a_cut_batch_sells_twice(
    database: PgDatabase, cut_till: Till, proxy: PgProxy
) -> None:
    """The negative control: a press that is repeated under a fresh key takes a second unit."""
    sale = await arm_flash(database, await make_shop(database), quantity=5, per_buyer=5)
    user = str(uuid.uuid4())
    with proxy.trap(by_anybody(points.RESERVATION_BATCH), AFTER, CUT) as trap:
        await cut_till.inventory.reserve(user_id=user, sale_id=sale, qty=1, key="press")
        assert trap.has_struck
        await cut_till.inventory.reserve(user_id=user, sale_id=sale, qty=1, key="fresh")
    assert (await read_stock(database, sale))["claimed"] == 2


STATEMENT = Point("", "INSERT INTO witness")


@pytest.mark.parametrize(
    ("moment", "kept"), [(BEFORE, 0), (LATE, 1), (AFTER, 1)], ids=["before", "late", "after"]
)
@pytest.mark.parametrize("is_in_transaction", [True, False])
async def test_the_proxy_cuts_where_it_says(
    database_url: str,
    proxy: PgProxy,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    kept: int,
    *,
    is_in_transaction: bool,
) -> None:
    """What the backend has afterwards says on which side of the commit the cut was."""
    has_looked = threading.Event()

    async def wait_for_the_look() -> None:
        """Be late until the test has looked: in the proxy's thread, and however busy all are."""
        while not has_looked.is_set():
            await asyncio.sleep(0.01)

    monkeypatch.setattr(pg_proxy, "wait_late", wait_for_the_look)
    direct = await asyncpg.connect(database_url)
    await direct.execute("CREATE TABLE witness (n integer)")
    client = await asyncpg.connect(proxy.url)
    if is_in_transaction:
        await client.transaction().start()
        await client.execute("INSERT INTO witness VALUES ($1)", 1)
    last = ("COMMIT",) if is_in_transaction else ("INSERT INTO witness VALUES ($1)", 1)
    with proxy.trap(STATEMENT, moment, CUT) as trap:
        with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
            await client.execute(*last)
        assert trap.has_struck
        at_once = await direct.fetchval("SELECT count(*) FROM witness")
        has_looked.set()
        assert at_once == (0 if moment == LATE else kept)
        async with asyncio.timeout(30):
            while await direct.fetchval("SELECT count(*) FROM witness") != kept:
                await asyncio.sleep(0.02)
    await direct.close()


async def test_the_proxy_strikes_nothing_that_is_rolled_back(proxy: PgProxy) -> None:
    """A transaction that fails or is given up is no commit."""
    client = await asyncpg.connect(proxy.url)
    await client.execute("CREATE TABLE witness (n integer CHECK (n > 0))")
    with proxy.trap(STATEMENT, AFTER, CUT) as trap:
        await client.execute("BEGIN")
        with pytest.raises(asyncpg.CheckViolationError):
            await client.execute("INSERT INTO witness VALUES ($1)", 0)
        await client.execute("COMMIT")
        await client.execute("BEGIN")
        await client.execute("INSERT INTO witness VALUES ($1)", 1)
        await client.execute("ROLLBACK")
        assert not trap.has_struck
    await client.close()
