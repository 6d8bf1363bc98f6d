"""PostgreSQL refuses every write, as on a full disk: all are answered, and nothing is lost.

A disk cannot be filled without a disk of one's own, so a trigger stands in for it: it raises what
PostgreSQL raises then, SQLSTATE 53100 (disk_full), at the first row that a batch inserts.
"""

from __future__ import annotations

import asyncio
import uuid

import asyncpg
import pytest

from commerce.goods.inventory import halving
from commerce.goods.inventory.batcher import BATCH_MAX
from commerce.goods.inventory.service import InventoryService
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from server.db.database import PgDatabase
from tests.integration.commerce.test_deadlocked_batch import Tried, tried
from tests.support.journal import find_untrue, note
from tests.support.shop import arm_flash, make_shop, read_stock

__all__ = ["tried"]

BEFORE = 10
CROWD = BATCH_MAX
# The crowd is one batch, or two when its first press goes ahead of the others.
BATCHES_MAX = 2
FILL_DISK = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '{code}';
    END
    $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON reservations EXECUTE FUNCTION refuse();
"""
FREE_DISK = "DROP TRIGGER full_disk ON reservations; DROP FUNCTION refuse()"


class Sale:
    """A sale on a database whose disk can be full."""

    def __init__(self, database: PgDatabase, inventory: InventoryService, id: str) -> None:
        self.database = database
        self.inventory = inventory
        self.id = id
        self.users = [str(uuid.uuid4()) for _ in range(CROWD)]

    async def run(self, sql: str) -> None:
        """Change the database."""
        async with self.database.transaction() as transaction:
            await transaction.execute(sql)

    async def press(self, user: str) -> str:
        """Press once, always with the same key; return how it was answered."""
        press = self.inventory.reserve(user_id=user, sale_id=self.id, qty=1, key="k")
        try:
            return (await note(press, user)).code
        except CommerceError as error:
            return error.code

    async def press_all(self) -> list[str]:
        """Let everybody press in one moment; nobody waits for ever."""
        async with asyncio.timeout(60):
            return await asyncio.gather(*(self.press(user) for user in self.users))


@pytest.fixture
async def sale(database: PgDatabase, inventory: InventoryService) -> Sale:
    """A sale with a unit for everybody."""
    id = await arm_flash(database, await make_shop(database), quantity=CROWD + BEFORE)
    return Sale(database, inventory, id)


async def test_a_full_disk_loses_nothing_and_answers_everybody_soon(
    sale: Sale, tried: Tried
) -> None:
    early = [str(uuid.uuid4()) for _ in range(BEFORE)]
    assert [await sale.press(user) for user in early] == ["reserved"] * BEFORE
    await sale.run(FILL_DISK.format(code="53100"))
    tried.sizes.clear()
    assert await sale.press_all() == ["unknown_outcome"] * CROWD
    assert sum(tried.sizes) == CROWD
    assert len(tried.sizes) <= BATCHES_MAX
    assert set(tried.errors) == {asyncpg.DiskFullError.__name__}
    stock = await read_stock(sale.database, sale.id)
    assert stock["claimed"] == BEFORE

    await sale.run(FREE_DISK)
    for _ in range(2):  # Every press again with its key, and once more: it meets its own row.
        assert await sale.press_all() == ["reserved"] * CROWD
    assert [await sale.press(user) for user in early] == ["reserved"] * BEFORE
    stock = await read_stock(sale.database, sale.id)
    assert stock["claimed"] == CROWD + BEFORE
    assert await find_untrue(sale.database, str(stock["pool_id"])) == []
    assert (await audit(sale.database)).violations == []


async def test_taken_for_one_requests_doing_it_is_asked_hundreds_of_times(
    sale: Sale, tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without its name among those that everybody meets, the batch is halved."""
    monkeypatch.setattr(halving, "REFUSED_TO_ALL", ())
    await sale.run(FILL_DISK.format(code="53100"))
    assert await sale.press_all() == ["unknown_outcome"] * CROWD
    assert len(tried.sizes) > CROWD


@pytest.mark.parametrize("code", ["53200", "58030", "25006"])
async def test_so_do_the_other_refusals_that_everybody_meets(
    sale: Sale, tried: Tried, code: str
) -> None:
    await sale.run(FILL_DISK.format(code=code))
    assert await sale.press_all() == ["unknown_outcome"] * CROWD
    assert len(tried.sizes) <= BATCHES_MAX
