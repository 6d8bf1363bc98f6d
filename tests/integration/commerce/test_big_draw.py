"""A draw of the design's whole scene, 100,000 entries, is held, and can be computed again."""

from __future__ import annotations

import asyncio
import importlib.util
import uuid
from pathlib import Path

import asyncpg
import pytest

import server.db.database
from commerce.goods.inventory.service import InventoryService
from commerce.goods.waiting_list.model import LIST_MAX
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.draws.service import Draws, hold_due_draws
from server.db.database import PgDatabase, open_pool
from tests.support.drawing import arm_draw_sale, close_entries, whole_draw
from tests.support.shop import make_shop, read_stock

SCRIPT = Path(__file__).parents[3] / "static" / "verify" / "draw.py"
ENTRIES = 100_000
UNITS = 1_000
# So many are certain to take longer than SHORT_TIMEOUT_MS.
SOME_ENTRIES = 3_000
SHORT_TIMEOUT_MS = 25
FILL = """
    INSERT INTO draw_entries (id, sale_id, user_id, qty, entered_at_ms)
    SELECT gen_random_uuid(), $1, gen_random_uuid(), 1 + n % 2, clock_ms()
    FROM generate_series(1, $2::integer) AS n
"""


async def open_draw(database: PgDatabase, entries: int) -> str:
    """Return a sale whose draw is due, with so many entries."""
    sale = await arm_draw_sale(database, await make_shop(database, stock=UNITS), quantity=UNITS)
    async with database.transaction() as transaction:
        await transaction.execute(FILL, sale, entries)
    await close_entries(database, sale)
    return sale


async def test_a_hundred_thousand_entries_are_drawn(
    database: PgDatabase, inventory: InventoryService
) -> None:
    sale = await open_draw(database, ENTRIES)
    assert await hold_due_draws(database) == 1
    page, entries, winners = await whole_draw(database, inventory, sale)
    assert (page.entry_count, page.units, len(entries)) == (ENTRIES, UNITS, ENTRIES)
    spec = importlib.util.spec_from_file_location("verify_draw", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    digest, _, won = script.draw(bytes.fromhex(page.seed or ""), entries, page.units)
    assert (digest, sorted(won)) == (page.digest, sorted(winners))
    assert (await read_stock(database, sale))["claimed"] == UNITS
    async with database.reading() as connection:
        assert await connection.fetchval("SELECT count(*) FROM waiting_list") == LIST_MAX
    assert (await audit(database)).violations == []


async def test_a_draw_may_last_longer_than_any_other_statement(
    database: PgDatabase, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale = await open_draw(database, SOME_ENTRIES)
    monkeypatch.setattr(server.db.database, "STATEMENT_TIMEOUT_MS", SHORT_TIMEOUT_MS)
    pool = await open_pool(database_url)
    try:
        hurried = PgDatabase(pool)
        # The control: as a statement like any other it is cut off.
        with pytest.raises(asyncpg.QueryCanceledError):
            async with hurried.transaction() as transaction:
                await transaction.fetchval("SELECT hold_draw($1, $2)", sale, LIST_MAX)
        assert await hold_due_draws(hurried) == 1
        async with hurried.reading() as connection:
            limit = await connection.fetchval("SHOW statement_timeout")
        assert limit == f"{SHORT_TIMEOUT_MS}ms"
    finally:
        await pool.close()


async def test_whoever_comes_while_it_is_held_is_answered_at_once(
    database: PgDatabase, inventory: InventoryService
) -> None:
    sale = await open_draw(database, 10)
    draws = Draws(database, inventory)
    async with database.transaction() as transaction:
        assert await transaction.fetchval("SELECT hold_draw($1, $2)", sale, LIST_MAX)
        async with asyncio.timeout(30):
            with pytest.raises(CommerceError) as refused:
                await draws.enter(user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key="k")
    assert refused.value.code == "entries_closed"
