"""Carts on real PostgreSQL: the SQL against the rules, retries, and nothing by halves."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce.goods.carts.model import Granted, RefusedItems
from commerce.goods.carts.service import CartService
from commerce.goods.inventory.model import Outcome, Request, Reserved
from commerce.goods.inventory.rules import PoolState, SaleTerms, decide_cart
from commerce.goods.inventory.service import InventoryService
from commerce.goods.waiting_list.service import WaitingList
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from server.db.database import PgDatabase, open_pool, open_reserve_pool
from server.wiring.sources import monotonic_ms
from tests.support.shop import Shop, Silence, arm_flash, make_shop

PER_BUYER = 3


async def open_sales(database: PgDatabase, shop: Shop, *totals: int) -> list[str]:
    """Open a flash sale for each total; the rule against two of one SKU is not the matter here."""
    sales = []
    for total in totals:
        async with database.transaction() as transaction:
            await transaction.execute("UPDATE sales SET state = 'ended' WHERE kind = 'flash'")
        sales.append(await arm_flash(database, shop, quantity=total, per_buyer=PER_BUYER))
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE sales SET state = 'open' WHERE id = ANY ($1::uuid[])", sales
        )
    return sales


async def put(
    inventory: InventoryService, *items: tuple[str, int], user: str = "", key: str = ""
) -> Granted | RefusedItems:
    """Reserve a cart."""
    return await CartService(inventory).reserve(
        user_id=user or str(uuid.uuid4()), items=items, key=key or str(uuid.uuid4())
    )


async def count(database: PgDatabase) -> int:
    """Return how many reservations there are."""
    async with database.reading() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM reservations"))


async def test_a_cart_is_had_whole_and_a_retry_meets_its_rows(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """The same sale twice is one reservation; the key with another cart is a conflict."""
    a, b = await open_sales(database, await make_shop(database), 5, 5)
    user = str(uuid.uuid4())
    first = await put(inventory, (a, 1), (b, 2), (a, 1), user=user, key="k")
    assert isinstance(first, Granted)
    assert [one.reservation.qty for one in first.reservations] == [2, 2]
    again = await put(inventory, (b, 2), (a, 2), user=user, key="k")
    assert isinstance(again, Granted)
    ids = {one.reservation.id for one in first.reservations}
    assert {one.reservation.id for one in again.reservations} == ids
    with pytest.raises(CommerceError, match="idempotency_conflict"):
        await put(inventory, (a, 2), user=user, key="k")
    assert await count(database) == 2
    assert (await audit(database)).violations == []


async def test_a_refusal_names_every_item_and_writes_nothing(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """Two fail for their own reasons, one would have fitted; a later try may win."""
    a, b, c = await open_sales(database, await make_shop(database), 5, 1, 5)
    user = str(uuid.uuid4())
    answer = await put(inventory, (a, 1), (b, 2), (c, 4), user=user, key="k")
    assert isinstance(answer, RefusedItems)
    assert [(sale, why.outcome, why.available) for sale, why in answer.items] == [
        (b, Outcome.NOT_ENOUGH_LEFT, 1),
        (c, Outcome.LIMIT_REACHED, 5),
    ]
    assert await count(database) == 0
    assert isinstance(await put(inventory, (a, 1), (b, 1), user=user, key="k"), Granted)


async def test_two_lines_that_fit_alone_are_refused_together(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """Summed, not checked one by one (medusa 16502)."""
    [a] = await open_sales(database, await make_shop(database), 3)
    answer = await put(inventory, (a, 2), (a, 2))
    assert isinstance(answer, RefusedItems)
    assert answer.items[0][1].outcome is Outcome.LIMIT_REACHED
    assert await count(database) == 0


async def test_a_cart_does_not_jump_the_line(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """A due hold goes to who waits, not to the cart whose call has freed it; its owner is told."""
    a, b = await open_sales(database, await make_shop(database), 1, 5)
    assert isinstance(await put(inventory, (a, 1)), Granted)
    lists = WaitingList(database, inventory)
    await lists.join(user_id=str(uuid.uuid4()), sale_id=a, qty=1, key="k")
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE reservations SET release_at_ms = 1")
    answer = await put(inventory, (a, 1), (b, 1))
    assert isinstance(answer, RefusedItems)
    assert [why.outcome for _, why in answer.items] == [Outcome.HELD_OUT]
    assert len(inventory.news.expired) == 1  # type: ignore[attr-defined]
    assert (await audit(database)).violations == []


async def test_a_cart_is_of_one_room_and_of_sales_that_exist(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """What cannot become one order is refused at once."""
    [here] = await open_sales(database, await make_shop(database), 1)
    there = await arm_flash(database, await make_shop(database, slug="other"))
    with pytest.raises(CommerceError, match="invalid_request"):
        await put(inventory, (here, 1), (there, 1))
    with pytest.raises(CommerceError, match="not_found"):
        await put(inventory, (here, 1), (str(uuid.uuid4()), 1))


ITEMS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=4)


@pytest.fixture
def world(database_url: str) -> Iterator[tuple[asyncio.Runner, PgDatabase, InventoryService]]:
    """One database for all examples, and the loop that it lives in."""
    with asyncio.Runner() as runner:
        database = PgDatabase(runner.run(open_pool(database_url)))
        connections = runner.run(open_reserve_pool(database_url))
        yield runner, database, InventoryService(connections, database, Silence(), monotonic_ms)
        runner.run(connections.close())
        runner.run(database.close())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    totals=st.tuples(*[st.integers(1, 4)] * 3),
    carts=st.lists(st.tuples(st.integers(1, 2), ITEMS), min_size=1, max_size=5),
)
def test_database_and_rules_decide_carts_alike(
    world: tuple[asyncio.Runner, PgDatabase, InventoryService],
    totals: tuple[int, ...],
    carts: list[tuple[int, list[tuple[int, int]]]],
) -> None:
    runner, database, inventory = world
    runner.run(compare(database, inventory, totals, carts))


async def compare(
    database: PgDatabase,
    inventory: InventoryService,
    totals: tuple[int, ...],
    carts: list[tuple[int, list[tuple[int, int]]]],
) -> None:
    """Decide carts on both sides; the fourth sale draws on the first one's pool."""
    shop = await make_shop(database, slug=f"r-{uuid.uuid4().hex[:8]}")
    sales = await open_sales(database, shop, *totals, 1)
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE sales SET pool_id = (SELECT pool_id FROM sales WHERE id = $1) WHERE id = $2",
            sales[0],
            sales[3],
        )
    pool_of = {sale: str(n % 3) for n, sale in enumerate(sales)}
    terms = {sale: SaleTerms(sale, "open", 0, None, PER_BUYER) for sale in sales}
    bought: dict[tuple[str, str], int] = {}
    for user_number, items in carts:
        user = str(uuid.UUID(int=user_number))
        wanted: dict[str, int] = {}
        for n, qty in items:
            wanted[sales[n]] = wanted.get(sales[n], 0) + qty
        claimed = dict.fromkeys("012", 0)
        for (sale, _), qty in bought.items():
            claimed[pool_of[sale]] += qty
        pools = {id: PoolState(totals[int(id)], claimed[id], 0, {}, bought) for id in "012"}
        requests = [Request(sale, sale, user, qty) for sale, qty in wanted.items()]
        expected = decide_cart(pools, pool_of, terms, requests, 1)
        answer = await put(inventory, *[(sales[n], qty) for n, qty in items], user=user)
        if isinstance(answer, Granted):
            assert set(expected) == {Outcome.RESERVED}
            for sale, qty in wanted.items():
                bought[sale, user] = bought.get((sale, user), 0) + qty
            continue
        failed = [
            (request.sale_id, outcome)
            for request, outcome in zip(requests, expected, strict=True)
            if outcome is not Outcome.RESERVED
        ]
        assert [(sale, why.outcome) for sale, why in answer.items] == failed
    stock_checks = {"oversold", "claimed_is_live", "journal_adds_up", "buyer_adds_up"}
    violations = (await audit(database)).violations
    assert [v for v in violations if v.check in stock_checks] == []


async def test_a_cart_and_a_press_with_one_key_are_two_things(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """Neither meets the other's row."""
    [a] = await open_sales(database, await make_shop(database), 5)
    user = str(uuid.uuid4())
    pressed = await inventory.reserve(user_id=user, sale_id=a, qty=1, key="k")
    carted = await put(inventory, (a, 1), user=user, key="k")
    assert isinstance(pressed, Reserved)
    assert isinstance(carted, Granted)
    assert pressed.reservation.id != carted.reservations[0].reservation.id


async def test_a_buyer_has_one_cart_in_line(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """A second one is told to come back; another buyer's waits as before."""
    [sale] = await open_sales(database, await make_shop(database), 5)
    carts, user = CartService(inventory), str(uuid.uuid4())

    def reserve(user_id: str, key: str) -> asyncio.Task[Granted | RefusedItems]:
        return asyncio.create_task(carts.reserve(user_id=user_id, items=[(sale, 1)], key=key))

    await inventory.find_sale(sale)
    async with database.transaction() as transaction:
        await transaction.execute("SELECT 1 FROM stock FOR UPDATE")
        first, other = reserve(user, "k1"), reserve(str(uuid.uuid4()), "k1")
        with pytest.raises(CommerceError) as refused:
            await reserve(user, "k2")
    assert (refused.value.code, refused.value.retryable) == ("overloaded", True)
    assert isinstance(await first, Granted)
    assert isinstance(await other, Granted)
    assert isinstance(await reserve(user, "k2"), Granted)
