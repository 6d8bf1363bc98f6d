"""Refunds of lines in parts free exactly what a model of them does, whatever is told and when."""

from __future__ import annotations

import asyncio

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from commerce.insight.audit.rounds import look_at_changes
from tests.support.refunding import PaidOrder, broken, pay_order
from tests.support.stories import stories
from tests.support.till import open_till

QUANTITIES = (3, 2)
TOTAL = 20
# What a refund breaks that had failed, was made again and turns out to have gone.
TWICE = {"refunded_units_within_line"}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 1), st.integers(1, 3), st.booleans()),
        st.tuples(
            st.sampled_from(["done", "failed", "done"]),
            st.integers(0, 9),
            st.just(0),
            st.just(False),
        ),
    ),
    min_size=4,
    max_size=14,
)


class Asked(msgspec.Struct):
    """A refund of the model."""

    id: str
    line: int
    qty: int
    restock: bool
    state: str = "pending"


class Model:
    """What was asked for, and what has to come of it."""

    def __init__(self) -> None:
        self.refunds: list[Asked] = []

    def units(self, line: int, *, state: str, restock: bool | None = None) -> int:
        """Add up the units of a line in refunds of a state."""
        return sum(
            one.qty
            for one in self.refunds
            if one.line == line and one.state == state and restock in (None, one.restock)
        )

    def left(self, line: int) -> int:
        """Return the units of a line that can still be asked for."""
        taken = self.units(line, state="pending") + self.units(line, state="done")
        return QUANTITIES[line] - taken

    def expected(self, line: int) -> tuple[str, int, int]:
        """Return (state, refunded, restocked) of a line's reservation."""
        qty = QUANTITIES[line]
        back = min(qty, self.units(line, state="done"))
        restocked = min(qty, self.units(line, state="done", restock=True))
        return "refunded" if back == qty else "sold", back, restocked


async def step(order: PaidOrder, model: Model, act: str, n: int, qty: int, restock: bool) -> None:
    """Do one thing, to both sides."""
    if act == "ask":
        if qty <= model.left(n):
            model.refunds.append(Asked(await order.ask(n, qty, restock=restock), n, qty, restock))
    elif model.refunds:
        one = model.refunds[n % len(model.refunds)]
        await order.report(one.id, act)
        if one.state == "pending" or (one.state, act) == ("failed", "done"):
            one.state = act


async def play(database_url: str, steps: list[tuple[str, int, int, bool]]) -> None:
    """Play a story with an order of its own, and hold both sides against each other."""
    async with open_till(database_url) as till:
        order = await pay_order(till, quantities=QUANTITIES, quantity=TOTAL)
        model = Model()
        for act, n, qty, restock in steps:
            await step(order, model, act, n, qty, restock)
            lines = [model.expected(line) for line in range(len(QUANTITIES))]
            rows = [
                await till.row(
                    "SELECT state, refunded_qty, restocked_qty FROM reservations WHERE id = $1", id
                )
                for id in order.reservations
            ]
            assert [tuple(row) for row in rows] == lines
            kept = sum(QUANTITIES) - sum(back for _, back, _ in lines)
            gone = sum(back - restocked for _, back, restocked in lines)
            assert await order.units() == (TOTAL - gone, kept, kept)
        for one in model.refunds:
            await order.report(one.id, "failed")  # No call is left for the next story.
        assert set(await broken(till)) <= TWICE
        rounds = await look_at_changes(till.database)
        assert {one.check for one in rounds.violations} <= TWICE


@stories(20)
@given(steps=STEPS)
def test_units_come_free_as_the_model_says(
    database_url: str, loop: asyncio.AbstractEventLoop, steps: list[tuple[str, int, int, bool]]
) -> None:
    loop.run_until_complete(play(database_url, steps))
