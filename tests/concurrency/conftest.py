"""Several processes' worth of reservation cores over one database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from commerce.goods.inventory.service import InventoryService
from server.db.database import PgDatabase, open_reserve_pool
from server.wiring.sources import monotonic_ms
from tests.support.shop import Silence

CORES = 3


@pytest.fixture
async def cores(database: PgDatabase, database_url: str) -> AsyncIterator[list[InventoryService]]:
    """Reservation cores that share nothing but the database, as gateway processes do."""
    pools = [await open_reserve_pool(database_url) for _ in range(CORES)]
    yield [InventoryService(pool, database, Silence(), monotonic_ms) for pool in pools]
    for pool in pools:
        await pool.close()
