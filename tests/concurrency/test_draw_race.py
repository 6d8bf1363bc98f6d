"""Whoever was told to be in a draw is in it, whatever the race; a big draw holds nobody up long."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid

import pytest

from commerce.goods.inventory.service import InventoryService
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.draws.rules import decide_draw
from commerce.sales.draws.service import Draws, hold_due_draws
from server.db.database import PgDatabase
from tests.support.drawing import arm_draw_sale, whole_draw
from tests.support.shop import make_shop

CROWD = 600
# It takes less than two; anything that looks at each entry for each would take minutes.
DRAWN_S_MAX = 30.0
# What keeps the draw from beginning while a batch of entries that read the clock in time commits.
GUARD = "FROM draws d WHERE d.sale_id = p_sale FOR SHARE"
# The statement in which an entry is late: it has read the clock, and has not committed.
# Races until one shows what the lock is for; nearly each does.
TRIES = 8
LATE = "    SELECT * INTO x FROM sales s WHERE s.id = p_sale;\n    opens_at"


async def rewrite(database: PgDatabase, old: str, new: str) -> None:
    """Change one line of `enter_draw_batch`."""
    async with database.transaction() as transaction:
        source = await transaction.fetchval(
            "SELECT pg_get_functiondef('enter_draw_batch'::regproc)"
        )
        assert source.count(old) == 1
        await transaction.execute(source.replace(old, new))


async def decide_late(database: PgDatabase) -> None:
    """Keep each batch a moment between its look at the clock and its COMMIT."""
    await rewrite(database, LATE, f"    PERFORM pg_sleep(0.05);\n{LATE}")


async def race(database: PgDatabase, cores: list[InventoryService]) -> tuple[set[str], set[str]]:
    """Enter from two processes while two workers draw; return who was told and who is drawn."""
    shop = await make_shop(database, slug=uuid.uuid4().hex[:12])
    sale = await arm_draw_sale(database, shop, quantity=50)
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE draws SET entry_closes_at_ms = clock_ms() + 600000 WHERE sale_id = $1", sale
        )
    processes = [Draws(database, core) for core in cores]
    told: set[str] = set()
    is_one_in, is_ending, is_drawn = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def end_entries() -> None:
        """Say when it closes once somebody is in: however slow the machine, some are in time."""
        await is_one_in.wait()
        async with database.transaction() as transaction:
            await transaction.execute(
                "UPDATE draws SET entry_closes_at_ms = (SELECT clock_ms()) + 300"
                " WHERE sale_id = $1",
                sale,
            )
        is_ending.set()

    async def enter(n: int) -> None:
        if n == CROWD - 1:  # And however fast, one is late.
            await is_drawn.wait()
        elif n >= CROWD // 10:
            await is_ending.wait()
        await asyncio.sleep(0.001 * n)
        with contextlib.suppress(CommerceError):
            entry = await processes[n % len(processes)].enter(
                user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key="k"
            )
            told.add(entry.id)
            is_one_in.set()

    async def draw() -> None:
        while await hold_due_draws(database) == 0:
            if (await processes[0].read_page(sale, after=None)).seed is not None:
                break
            await asyncio.sleep(0.005)
        is_drawn.set()

    await asyncio.gather(draw(), draw(), end_entries(), *(enter(n) for n in range(CROWD)))
    page, entries, winners = await whole_draw(database, cores[0], sale)
    assert page.seed is not None
    async with database.reading() as connection:
        drawn = await connection.fetch(
            "SELECT id::text FROM draw_entries WHERE rank IS NOT NULL AND sale_id = $1", sale
        )
    if {row[0] for row in drawn} == {id for id, _ in entries}:
        result = decide_draw(bytes.fromhex(page.seed), entries, page.units)
        assert sorted(winners) == sorted(result.winners)
    return told, {row[0] for row in drawn}


async def test_every_entry_that_was_answered_is_in_the_draw(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    await decide_late(database)
    told, drawn = await race(database, cores)
    assert 0 < len(told) < CROWD
    assert told == drawn
    assert (await audit(database)).violations == []


async def test_without_the_shared_lock_an_answered_entry_is_left_out(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """The negative control: the draw does not wait for a batch that read the clock in time."""
    await decide_late(database)
    await rewrite(database, GUARD, GUARD.removesuffix(" FOR SHARE"))
    for _ in range(TRIES):
        told, drawn = await race(database, cores)
        if told - drawn:
            return
    pytest.fail(f"{TRIES} races without the lock, and no entry was left out")


@pytest.mark.slow
async def test_twenty_thousand_entries_are_drawn_within_the_statement_limit(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """1,000 units among 20,000 in one transaction, far below what a statement may take."""
    sale = await arm_draw_sale(database, await make_shop(database, stock=1000), quantity=1000)
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO draw_entries (id, sale_id, user_id, qty, entered_at_ms)"
            " SELECT gen_random_uuid(), $1, gen_random_uuid(), 1 + n % 2, clock_ms()"
            " FROM generate_series(1, 20000) AS g (n)",
            sale,
        )
        await transaction.execute("UPDATE draws SET entry_closes_at_ms = clock_ms()")
    started = time.monotonic()
    assert await hold_due_draws(database) == 1
    took_s = time.monotonic() - started
    page, entries, winners = await whole_draw(database, cores[0], sale)
    assert page.seed is not None
    result = decide_draw(bytes.fromhex(page.seed), entries, 1000)
    assert (len(entries), sorted(winners)) == (20_000, sorted(result.winners))
    assert took_s < DRAWN_S_MAX, f"the draw took {took_s:.2f} s"
    print(f"drawn in {took_s:.2f} s")
