"""The commerce services over the test's own database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from commerce.goods.inventory.service import InventoryService
from commerce.sales.group_buys.service import GroupBuys
from server.db.database import PgDatabase, open_reserve_pool
from server.wiring.sources import monotonic_ms
from tests.support.shop import Shop, Silence, make_shop


@pytest.fixture
def news() -> Silence:
    """What the inventory tells."""
    return Silence()


@pytest.fixture
def process_clock() -> Callable[[], int]:
    """What the memories of the reservation core grow old by.

    Where a test needs a young one, its file has a clock that stands: a busy machine ages none.
    """
    return monotonic_ms


@pytest.fixture
async def inventory(
    database: PgDatabase, database_url: str, news: Silence, process_clock: Callable[[], int]
) -> AsyncIterator[InventoryService]:
    """The reservation core with its own connections."""
    connections = await open_reserve_pool(database_url)
    yield InventoryService(connections, database, news, process_clock)
    await connections.close()


@pytest.fixture
def groups(database: PgDatabase, inventory: InventoryService) -> GroupBuys:
    """The teams of one process."""
    return GroupBuys(database, inventory)


@pytest.fixture
async def shop(database: PgDatabase) -> Shop:
    """A live show."""
    return await make_shop(database, stock=100)
