"""Figures and refusals of one process: who sees a unit free is not told that none is."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from commerce.goods.inventory.model import Reserved
from commerce.goods.inventory.service import InventoryService
from server.bridge import StockBoard
from server.db.database import PgDatabase, open_reserve_pool
from tests.support.pressing import outcomes, press
from tests.support.shop import Silence, arm_flash, make_shop


class SeenFigures:
    """What viewers see of a process, and whether it would refuse them in that moment."""

    active_rooms: frozenset[str] = frozenset()

    def __init__(self, inventory: InventoryService, sale: str) -> None:
        self._inventory = inventory
        self._sale = sale
        self.stock: list[object] = []
        self.was_refused: list[bool] = []
        self.came = asyncio.Event()

    def set_state(self, room_id: str, key: str, value: list[object]) -> None:
        """Note a figure, and press."""
        if key == f"stock:{self._sale}":
            self.stock = value
            self.was_refused.append(is_refused(self._inventory, self._sale))
            self.came.set()


def is_refused(inventory: InventoryService, sale: str) -> bool:
    """Say whether a stranger's press is refused from memory."""
    stranger = str(uuid.uuid4())
    return inventory.refuse_at_once(user_id=stranger, sale_id=sale, key="k") is not None


@pytest.fixture
async def two_processes(
    database: PgDatabase, database_url: str
) -> AsyncIterator[tuple[InventoryService, InventoryService]]:
    """Two reservation cores over one database, whose memories never grow old by themselves."""
    async with AsyncExitStack() as stack:
        pools = [await open_reserve_pool(database_url) for _ in range(2)]
        for pool in pools:
            stack.push_async_callback(pool.close)
        one, other = (InventoryService(pool, database, Silence(), lambda: 1_000) for pool in pools)
        yield one, other


async def test_who_sees_a_unit_free_is_not_refused_from_memory(
    database: PgDatabase, two_processes: tuple[InventoryService, InventoryService]
) -> None:
    """A unit that comes free in one process ends the latch of another before its viewers see it."""
    mine, theirs = two_processes
    shop = await make_shop(database)
    sale = await arm_flash(database, shop, quantity=1)
    holder = str(uuid.uuid4())
    held = await press(mine, sale, user=holder)
    assert isinstance(held, Reserved)
    assert outcomes([await press(theirs, sale)]) == ["held_out"]
    seen = SeenFigures(theirs, sale)
    board = StockBoard(database, seen, theirs)  # type: ignore[arg-type]
    running = asyncio.create_task(board.run())
    try:
        # While none is free the memory stands, however often the figures are read.
        board.hint(shop.room.id, {f"stock:{sale}"})
        async with asyncio.timeout(60):
            await seen.came.wait()
        assert (seen.stock, seen.was_refused) == ([0, 1, 0], [True])
        seen.came.clear()
        await mine.release(user_id=holder, reservation_id=held.reservation.id)
        assert is_refused(theirs, sale), "only its figures tell the other process"
        board.hint(shop.room.id, {f"stock:{sale}"})
        async with asyncio.timeout(60):
            await seen.came.wait()
        assert (seen.stock, seen.was_refused) == ([1, 0, 0], [True, False])
        assert outcomes([await press(theirs, sale)]) == ["reserved"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
