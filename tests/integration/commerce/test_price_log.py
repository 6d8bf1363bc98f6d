"""The shop's log of its own prices, and the lowest of 30 days that is read from it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce.sales.flash_sales.halting import halt, unhalt
from commerce.sales.flash_sales.model import FlashSaleTerms
from commerce.sales.flash_sales.service import arm, finish, open_one
from commerce.sales.pricing.model import LowestPrice, Offered
from commerce.sales.pricing.rules import DAY_MS, lowest_of_30_days
from commerce.sales.pricing.store import select_lowest_of_30_days
from commerce.sales.show_floor.model import SaleView
from commerce.sales.show_floor.store import select_sale_view
from server.db.database import PgDatabase, open_pool
from server.jobs.sales import end_due_sales, open_due_sales
from server.wiring.sources import FreshIds
from tests.support.grouping import open_group_buy
from tests.support.shop import Shop, arm_flash, make_shop

BEFORE_MS = 60 * DAY_MS
MOMENT = st.integers(0, 70) | st.sampled_from([29, 30, 31, 59, 60])


@pytest.fixture
def world(database_url: str) -> Iterator[tuple[asyncio.Runner, PgDatabase]]:
    """A database for all examples, and the loop that it lives in."""
    with asyncio.Runner() as runner:
        database = PgDatabase(runner.run(open_pool(database_url)))
        yield runner, database
        runner.run(database.close())


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.lists(
            st.tuples(MOMENT, st.none() | st.integers(0, 9)),
            min_size=1,
            max_size=5,
            unique_by=lambda r: r[0],
        ),
        max_size=4,
    )
)
def test_database_and_rule_find_the_same_price(
    world: tuple[asyncio.Runner, PgDatabase], sales: list[list[tuple[int, int | None]]]
) -> None:
    """Rows of several sales, each its own story of prices and ends, in any order of writing."""
    runner, database = world
    runner.run(compare(database, sales))


async def compare(database: PgDatabase, sales: list[list[tuple[int, int | None]]]) -> None:
    """Write the rows, and ask both sides."""
    sku = uuid.uuid4().hex
    offers: list[Offered] = []
    async with database.transaction() as transaction:
        for number, rows in enumerate(sales):
            ordered = sorted(rows)
            ends = [*(at for at, _ in ordered[1:]), None]
            offers += [
                Offered(price, at * DAY_MS, None if end is None else end * DAY_MS)
                for (at, price), end in zip(ordered, ends, strict=True)
                if price is not None
            ]
            await transaction.executemany(
                "INSERT INTO price_log (sku, sale_id, price_minor, at_ms) VALUES ($1, $2, $3, $4)",
                [(sku, str(uuid.UUID(int=number)), p, at * DAY_MS) for at, p in rows],
            )
        found = await select_lowest_of_30_days(transaction, sku, BEFORE_MS)
    assert found == lowest_of_30_days(offers, BEFORE_MS)


async def story(database: PgDatabase, sale: str) -> list[int | None]:
    """Return the prices that a sale's rows tell, in order."""
    async with database.reading() as connection:
        rows = await connection.fetch(
            "SELECT price_minor FROM price_log WHERE sale_id = $1 ORDER BY at_ms, id", sale
        )
    return [row["price_minor"] for row in rows]


async def arm_compared(
    database: PgDatabase, shop: Shop, price_minor: int, **more: object
) -> SaleView:
    """Arm and open a flash sale that shows its reference; returns it as viewers see it."""
    terms = {"quantity": 2, "per_buyer": 1, "countdown_s": 0, "duration_s": 60} | more
    async with database.transaction() as transaction:
        sale, _ = await arm(
            transaction,
            FreshIds(),
            shop.room,
            msgspec.convert(
                {"sku": shop.sku, "price_minor": price_minor, "show_reference": True} | terms,
                FlashSaleTerms,
            ),
            key=uuid.uuid4().hex,
        )
        await open_one(transaction, sale)
        return await select_sale_view(transaction, sale)


async def age(database: PgDatabase, days: int) -> None:
    """Let everything that was offered so far lie that many days back."""
    async with database.transaction() as transaction:
        await transaction.execute("ALTER TABLE price_log DISABLE TRIGGER price_log_is_append_only")
        await transaction.execute("UPDATE price_log SET at_ms = at_ms - $1", days * DAY_MS)
        await transaction.execute("ALTER TABLE price_log ENABLE TRIGGER price_log_is_append_only")


async def test_a_sale_is_logged_while_it_can_be_bought(database: PgDatabase) -> None:
    """Opened, halted, resumed, sold on and ended; what is armed is not yet offered."""
    shop = await make_shop(database)
    sale = await arm_flash(database, shop, is_open=False)
    assert await story(database, sale) == []
    async with database.transaction() as transaction:
        await open_one(transaction, sale)
        await halt(transaction, sale, "a wrong price")
        await unhalt(transaction, sale)
        await finish(transaction, sale, "end")
    assert await story(database, sale) == [19_900, None, 19_900, None]
    async with database.reading() as connection:
        opened, first = await connection.fetchrow(
            "SELECT s.opens_at_ms, min(l.at_ms) FROM sales s JOIN price_log l ON l.sale_id = s.id"
            " WHERE s.id = $1 GROUP BY s.id",
            sale,
        )
    assert opened == first, "the window opens a sale, not the job that notes it"


async def test_a_regular_sale_is_logged_from_the_start_to_the_end_of_its_show(
    database: PgDatabase,
) -> None:
    """Lying in the bag of a planned show is no offer yet."""
    shop = await make_shop(database, is_live=False)
    async with database.reading() as connection:
        assert await connection.fetchval("SELECT count(*) FROM price_log") == 0
    async with database.transaction() as transaction:
        await shop.floor.start(transaction, shop.room, 1)
        sale = str(await transaction.fetchval("SELECT id FROM sales"))
    assert await story(database, sale) == [32_900]
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE sales SET price_minor = 30000")
        await shop.floor.end(transaction, shop.room)
    assert await story(database, sale) == [32_900, 30_000, None]


@pytest.mark.parametrize("event", ["end", "cancel"])
async def test_a_window_that_nobody_noted_is_logged_when_it_is_closed(
    database: PgDatabase, event: str
) -> None:
    """No worker was awake between the opening and the close; before the opening nothing was."""
    shop = await make_shop(database)
    sale = await arm_flash(database, shop, is_open=False, countdown_s=600)
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE sales SET opens_at_ms = clock_ms() - 5 WHERE id = $1", sale
        )
        await finish(transaction, sale, event)
    assert await story(database, sale) == [19_900, None]
    early = await arm_flash(database, shop, is_open=False, countdown_s=600)
    async with database.transaction() as transaction:
        await finish(transaction, early, event)
    assert await story(database, early) == []


async def test_the_reduction_itself_does_not_count_and_the_one_before_does(
    database: PgDatabase,
) -> None:
    """First against the regular price of the day, then against the first reduction."""
    shop = await make_shop(database)
    await age(database, 40)
    first = await arm_compared(database, shop, 19_900)
    assert (first.reference_minor, first.reference_days) == (32_900, 30)
    async with database.transaction() as transaction:
        await finish(transaction, first.id, "end")
    second = await arm_compared(database, shop, 18_900)
    assert (second.reference_minor, second.reference_days) == (19_900, 30)
    async with database.transaction() as transaction:
        await finish(transaction, second.id, "end")
    await age(database, 31)
    third = await arm_compared(database, shop, 20_000)
    assert (third.reference_minor, third.reference_days) == (32_900, 30)


async def arm_before_a_cut(database: PgDatabase, *, shows: bool) -> str:
    """Arm a sale, and ask less for its SKU a day before it opens: here in the regular sale."""
    shop = await make_shop(database)
    await age(database, 40)
    sale = await arm_flash(
        database, shop, is_open=False, show_reference=shows, countdown_s=60, duration_s=600
    )
    async with database.transaction() as transaction:
        armed = await select_sale_view(transaction, sale)
        await transaction.execute("UPDATE sales SET price_minor = 30000 WHERE kind = 'regular'")
    assert armed.reference_minor == (32_900 if shows else None)
    await age(database, 1)
    return sale


@pytest.mark.parametrize("shows", [True, False])
async def test_what_was_cheaper_since_a_sale_was_armed_counts_once_it_opens(
    database: PgDatabase, *, shows: bool
) -> None:
    """A lower price of the same SKU, in whichever sale; who shows no reference gets none."""
    sale = await arm_before_a_cut(database, shows=shows)
    async with database.transaction() as transaction:
        await open_one(transaction, sale)
        opened = await select_sale_view(transaction, sale)
    assert opened.reference_minor == (30_000 if shows else None)


@pytest.mark.parametrize("shows", [True, False])
async def test_a_sale_that_was_halted_over_its_opening_is_compared_when_it_goes_on(
    database: PgDatabase, *, shows: bool
) -> None:
    """With what was cheaper until its window opened."""
    sale = await arm_before_a_cut(database, shows=shows)
    async with database.transaction() as transaction:
        await halt(transaction, sale, "a moment, please")
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE sales SET opens_at_ms = clock_ms() - 1 WHERE id = $1", sale
        )
        await unhalt(transaction, sale)
        seen = await select_sale_view(transaction, sale)
    assert seen.state == "open"
    assert seen.reference_minor == (30_000 if shows else None)


async def test_a_young_sku_says_how_young(database: PgDatabase) -> None:
    """Three days on offer are a three-day low."""
    shop = await make_shop(database)
    await age(database, 2)
    sale = await arm_compared(database, shop, 19_900)
    assert (sale.reference_minor, sale.reference_days) == (32_900, 3)


async def test_without_a_known_price_there_is_no_reference(database: PgDatabase) -> None:
    """Nothing is invented, and nobody who did not ask gets one."""
    shop = await make_shop(database)
    async with database.transaction() as transaction:
        await transaction.execute("TRUNCATE price_log")
    sale = await arm_compared(database, shop, 19_900)
    assert (sale.reference_minor, sale.reference_days) == (None, None)
    assert not {"reference_minor", "reference_days", "reason"} & set(msgspec.to_builtins(sale))


async def test_a_sale_past_its_end_offers_nothing_although_nobody_noted_it(
    database: PgDatabase,
) -> None:
    """The window counts, not the job."""
    shop = await make_shop(database)
    sale = await arm_flash(database, shop)
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE sales SET opens_at_ms = 1, ends_at_ms = 2 WHERE id = $1", sale
        )
        found = await select_lowest_of_30_days(transaction, shop.sku, 2**52)
    assert found == LowestPrice(32_900, 2**52 - 30 * DAY_MS, 30)
    await open_due_sales(database)
    await end_due_sales(database)


async def test_the_log_is_only_ever_added_to(database: PgDatabase) -> None:
    """Nobody makes a price of the past prettier."""
    await make_shop(database)
    for statement in ("UPDATE price_log SET price_minor = 1", "DELETE FROM price_log"):
        with pytest.raises(asyncpg.PostgresError, match="only ever added"):
            async with database.transaction() as transaction:
                await transaction.execute(statement)


async def test_a_price_for_teams_is_no_price_that_everybody_could_have(
    database: PgDatabase,
) -> None:
    """It is lower than every other, and must not become what a later sale is compared with."""
    shop = await make_shop(database, stock=100)
    await open_group_buy(database, shop)
    async with database.reading() as connection:
        now_ms = await connection.fetchval("SELECT clock_ms()")
        logged = await connection.fetchval("SELECT min(price_minor) FROM price_log")
        lowest = await select_lowest_of_30_days(connection, shop.sku, now_ms + 1)
    assert logged == 9_900
    assert lowest is not None
    assert lowest.price_minor > 9_900
