"""What was committed is answered so, whatever fails behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import asyncpg
import pytest

from commerce.goods.inventory import store
from commerce.goods.inventory.deciding import Decider
from commerce.goods.inventory.known_sales import KnownSales
from commerce.goods.inventory.latch import Latches
from commerce.goods.inventory.model import (
    Answer,
    BatchResult,
    Hold,
    Outcome,
    PooledSale,
    Refused,
    Request,
    Reserved,
)
from commerce.kernel.errors import CommerceError

REQUESTS = [Request("mine", "sale", "winner", 1), Request("theirs", "sale", "loser", 1)]
RESULT = BatchResult(
    outcomes=[Outcome.RESERVED, Outcome.SOLD_OUT],
    states=["held", None],
    versions=[8, None],
    prices=[100, None],
    shown_until=[60_000, None],
    opens_at=[None, None],
    now_ms=1_000,
    pool_version=8,
    total=1,
    claimed=1,
    is_sold_out=True,
    expired=[Hold("old", "sale that nobody pressed here", "somebody")],
)


class Database:
    """Commits the batch, and refuses one of the questions behind it."""

    def __init__(self, refused: Callable[..., Any], error: Exception) -> None:
        self.batches = 0
        self._refused, self._error = refused, error

    async def ask(self, question: Callable[[Any], Awaitable[Any]]) -> Any:
        assert isinstance(question, partial)
        asked = question.func
        if asked is store.reserve_batch:
            self.batches += 1
            return RESULT
        if asked is self._refused:
            raise self._error
        if asked is store.select_owned:
            return {}
        return PooledSale("sale", "pool", "room", "sku", "EUR")


class Nobody:
    """Hears no news."""

    def stock_changed(self, room_id: str, sale_id: str) -> None: ...
    def hold_expired(self, room_id: str, hold: Hold) -> None: ...
    def pressed(self, sale_id: str, answer: str) -> None: ...


@pytest.mark.parametrize("refused", [store.select_pooled_sale, store.select_owned])
@pytest.mark.parametrize(
    "error",
    [
        asyncpg.QueryCanceledError("statement timeout"),
        asyncpg.DiskFullError("no space"),
        CommerceError("unknown_outcome", "The line broke."),
    ],
)
async def test_a_question_behind_the_commit_that_fails_undoes_no_answer(
    refused: Callable[..., Any], error: Exception
) -> None:
    """The winner is told at once, the loser once, and the batch is decided once."""
    database = Database(store.select_reasons, error)
    sales = KnownSales(database.ask, lambda: 0)
    await sales.find("sale")
    database = Database(refused, error)
    sales._ask = database.ask
    decider = Decider(database.ask, Nobody(), sales, Latches(lambda: 0), lambda: 0)
    early: list[tuple[Request, Answer]] = []

    def tell_early(answers: Sequence[tuple[Request, Answer]]) -> None:
        early.extend(answers)

    won, lost = await decider.decide("pool", REQUESTS, tell_early=tell_early)
    assert isinstance(won, Reserved)
    assert early == [(REQUESTS[0], won)]
    assert isinstance(lost, Refused)
    assert (lost.outcome, database.batches) == (Outcome.SOLD_OUT, 1)
