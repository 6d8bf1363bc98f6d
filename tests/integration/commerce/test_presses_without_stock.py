"""Presses that no stock can answer: sales that are not there, are drawn, or are had in teams."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from commerce.goods.inventory import known_sales, store
from commerce.goods.inventory.draw_gate import REFUSED_MS, DrawGate
from commerce.goods.inventory.known_sales import ABSENT_MS, KnownSales
from commerce.goods.inventory.model import Answer, PooledSale, Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.kernel.errors import CommerceError
from commerce.sales.draws.service import hold_due_draws
from server.db.database import PgDatabase
from tests.support.drawing import arm_draw_sale
from tests.support.pressing import press
from tests.support.shop import arm_flash, make_shop


@pytest.fixture
def process_clock() -> Callable[[], int]:
    """A clock that stands: no memory grows old here, however slow the machine is."""
    return lambda: 1_000


def take(inventory: InventoryService, sale: str, told: list[Answer | CommerceError]) -> bool:
    """Press without a task."""
    user = str(uuid.uuid4())
    return inventory.take(user_id=user, sale_id=sale, qty=1, key="k", on_answer=told.append)


async def test_a_flood_for_a_sale_that_is_not_there_costs_one_question(
    inventory: InventoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it no press is a task, a statement or a place in a batch."""
    asked: list[str] = []
    select = store.select_pooled_sale

    async def count(connection: Any, sale_id: str) -> PooledSale | None:
        asked.append(sale_id)
        return await select(connection, sale_id)

    monkeypatch.setattr(store, "select_pooled_sale", count)
    nowhere = str(uuid.uuid4())
    told: list[Answer | CommerceError] = []
    assert not take(inventory, nowhere, told), "the first has to ask"
    with pytest.raises(CommerceError, match="not_found"):
        await press(inventory, nowhere)
    tasks = len(asyncio.all_tasks())
    assert all(take(inventory, nowhere, told) for _ in range(100))
    assert len(asyncio.all_tasks()) == tasks
    assert {error.code for error in told if isinstance(error, CommerceError)} == {"not_found"}
    assert (len(told), asked) == (100, [nowhere])


async def test_a_sale_is_pressed_as_soon_as_it_is_there(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """What is remembered of one id is nothing to another, and a found sale is found at once."""
    told: list[Answer | CommerceError] = []
    with pytest.raises(CommerceError, match="not_found"):
        await press(inventory, str(uuid.uuid4()))
    sale = await arm_flash(database, await make_shop(database))
    assert not take(inventory, sale, told)
    assert isinstance(await press(inventory, sale), Reserved)
    assert take(inventory, sale, told)


async def test_a_crowd_that_presses_for_a_draw_costs_four_questions_a_second(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """For a quarter of a second `draw_only` is remembered; who asks properly hears the present."""
    now_ms = [0]
    inventory.draw_gate = DrawGate(inventory.ask, lambda: now_ms[0])
    sale = await arm_draw_sale(database, await make_shop(database))
    told: list[Answer | CommerceError] = []
    await inventory.find_sale(sale)
    assert not take(inventory, sale, told), "the first has to ask"
    with pytest.raises(CommerceError, match="draw_only") as refused:
        await press(inventory, sale)
    now_ms[0] = REFUSED_MS - 1
    assert all(take(inventory, sale, told) for _ in range(100))
    assert {one.code for one in told if isinstance(one, CommerceError)} == {"draw_only"}
    detail = told[0].detail if isinstance(told[0], CommerceError) else None
    assert refused.value.detail is not None
    assert detail is not None
    passed_ms = refused.value.detail["entry_closes_in_ms"] - detail["entry_closes_in_ms"]
    assert (len(told), passed_ms) == (100, REFUSED_MS - 1)
    now_ms[0] = REFUSED_MS
    assert not take(inventory, sale, told)

    with pytest.raises(CommerceError, match="draw_only"):
        await press(inventory, sale)
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE draws SET entry_closes_at_ms = clock_ms()")
    assert await hold_due_draws(database) == 1
    assert take(inventory, sale, told), "the crowd may be late"
    assert isinstance(await press(inventory, sale), Reserved), "whoever asks is not"
    assert take(inventory, sale, told)


class Shelf:
    """Sales as the database has them, and how often it was asked."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.questions = 0
        self.sale: PooledSale | None = None

    async def ask(self, _question: Any) -> PooledSale | None:
        """Answer any question."""
        self.questions += 1
        return self.sale


async def is_there(known: KnownSales, sale_id: str = "s") -> bool:
    """Say whether a sale is found."""
    try:
        await known.find(sale_id)
    except CommerceError:
        return False
    return True


async def test_an_absence_is_believed_for_a_second_and_never_of_a_known_sale() -> None:
    shelf = Shelf()
    known = KnownSales(shelf.ask, lambda: shelf.now_ms)
    assert not known.is_absent("s")
    assert not await is_there(known)
    shelf.sale = PooledSale("s", "p", "r", "k", "CNY")
    shelf.now_ms = ABSENT_MS - 1
    assert known.is_absent("s")
    assert not await is_there(known)
    assert shelf.questions == 1
    shelf.now_ms = ABSENT_MS
    assert not known.is_absent("s")
    assert await is_there(known)
    assert not known.is_absent("s")


async def test_only_so_many_absences_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes ids up costs a bounded memory; the oldest is forgotten first."""
    monkeypatch.setattr(known_sales, "ABSENT_MAX", 3)
    shelf = Shelf()
    known = KnownSales(shelf.ask, lambda: shelf.now_ms)
    for name in "abcd":
        assert not await is_there(known, name)
    assert [known.is_absent(name) for name in "abcd"] == [False, True, True, True]
