"""A threshold decides and charges exactly as a model of it, whoever pays, leaves or is late.

The state machine of teams (`test_group_model.py`) has no thresholds, and the simulation of whole
sales none either: a decision of its own has a model of its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from commerce.insight.audit.service import audit
from commerce.sales.flash_sales.service import finish
from tests.support.stories import stories
from tests.support.till import Buyer, Till, open_till
from tests.support.unlocking import LOW, PLAIN, Crowd

UNITS, QUANTITY = 4, 10
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("promise"), st.integers(1, 2)),
        st.tuples(st.just("promise"), st.integers(1, 2)),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.just("jobs"), st.just(0)),
        st.tuples(st.just("end"), st.just(0)),
        st.tuples(st.just("call_off"), st.just(0)),
    ),
    min_size=2,
    max_size=8,
)
ORDERS = """
    SELECT o.state || ' ' || o.total_minor FROM orders o
    JOIN order_lines l ON l.order_id = o.id WHERE l.sale_id = $1
"""
MONEY = """
    SELECT s.state || ' ' || s.amount_minor FROM sandbox.payments s
    JOIN order_lines l ON l.order_id::text = s.order_reference WHERE l.sale_id = $1
"""


class Model:
    """What has to come of it: who promised how much, who left, and what was decided."""

    def __init__(self, otherwise: Literal["charge", "release"]) -> None:
        self.otherwise = otherwise
        self.promised: list[tuple[Buyer, str, int]] = []
        self.left: list[int] = []
        self.outcome = "open"

    @property
    def units(self) -> int:
        """Units whose money is granted."""
        return sum(qty for _, _, qty in self.promised)

    def expected(self) -> tuple[Counter[str], Counter[str]]:
        """Return (orders, payments) once the jobs are done, by state and minor units."""
        price = LOW if self.outcome == "unlocked" else PLAIN
        order, payment = ("paid", "captured")
        if self.outcome == "open":
            order, payment = ("awaiting_group", "authorised")
        elif self.outcome == "missed" and self.otherwise == "release":
            order, payment = ("expired", "voided")
        orders = Counter(f"{order} {qty * price}" for _, _, qty in self.promised)
        money = Counter(f"{payment} {qty * price}" for _, _, qty in self.promised)
        orders.update(f"cancelled {qty * PLAIN}" for qty in self.left)
        money.update(f"voided {qty * PLAIN}" for qty in self.left)
        return orders, money


async def step(crowd: Crowd, model: Model, act: str, n: int) -> None:
    """Do one thing, to both sides."""
    if act == "jobs":
        await crowd.run_jobs()
    elif act == "end" and model.outcome != "missed":
        await crowd.pass_time()
        model.outcome = "missed" if model.outcome == "open" else model.outcome
    elif act == "call_off":
        async with crowd.till.database.transaction() as transaction:
            await finish(transaction, crowd.sale, "cancel")
        if model.outcome == "open":
            model.outcome, model.otherwise = "missed", "release"
    elif act == "promise" and not await is_over(crowd) and model.units + n <= QUANTITY:
        buyer, order = await crowd.promise(qty=n)
        model.promised.append((buyer, order, n))
        if model.outcome == "open" and model.units >= UNITS:
            model.outcome = "unlocked"
    elif act == "leave" and model.promised:
        one = model.promised[n % len(model.promised)]
        answer = await one[0].client.post(
            f"/api/orders/{one[1]}/cancel", headers={"Idempotency-Key": "leave"}
        )
        if model.outcome == "open":
            assert answer.status_code == 200, answer.text
            model.promised.remove(one)
            model.left.append(one[2])
        elif model.outcome == "unlocked" or model.otherwise == "charge":
            assert answer.json()["error"]["code"] == "wrong_state"


async def is_over(crowd: Crowd) -> bool:
    """Say whether nobody can press any more."""
    ends = await crowd.till.values(
        "SELECT ends_at_ms <= clock_ms() FROM sales WHERE id = $1", crowd.sale
    )
    return bool(ends[0])


async def play(database_url: str, otherwise: Literal["charge", "release"], steps: list) -> None:
    """Play a story in a sale of its own, and hold both sides against each other."""
    async with open_till(database_url) as till:
        crowd = await Crowd.gather(till, units=UNITS, otherwise=otherwise, quantity=QUANTITY)
        model = Model(otherwise)
        for act, n in steps:
            if act == "leave" and model.outcome == "missed" and model.otherwise == "release":
                continue  # Either way their money is let go: which way is the race of two jobs.
            await step(crowd, model, act, n)
        await crowd.run_jobs()
        orders, money = model.expected()
        assert await count(till, ORDERS, crowd.sale) == orders
        assert await count(till, MONEY, crowd.sale) == money
        state = await till.values("SELECT state FROM price_unlocks WHERE sale_id = $1", crowd.sale)
        assert state == [model.outcome]
        assert (await audit(till.database)).violations == []


async def count(till: Till, query: str, sale: str) -> Counter[str]:
    """Count the rows of a sale."""
    return Counter(await till.values(query, sale))


@stories(15)
@given(otherwise=st.sampled_from(["charge", "release"]), steps=STEPS)
def test_a_threshold_decides_and_charges_as_its_model_does(
    database_url: str,
    loop: asyncio.AbstractEventLoop,
    otherwise: Literal["charge", "release"],
    steps: list,
) -> None:
    loop.run_until_complete(play(database_url, otherwise, steps))
