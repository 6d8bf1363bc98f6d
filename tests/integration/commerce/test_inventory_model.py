"""The database decides exactly as the pure rules do, whatever comes in whatever order."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce.goods.inventory.model import Outcome, Request
from commerce.goods.inventory.rules import PoolState, SaleTerms, decide_batch
from commerce.goods.inventory.store import reserve_batch
from commerce.insight.audit.service import audit
from commerce.kernel.ids import reservation_id
from server.db.database import PgDatabase, open_pool
from tests.support.shop import Shop, arm_flash, make_shop, read_stock

USERS = [str(uuid.UUID(int=n)) for n in range(1, 5)]

# A batch: distinct buyers, each with a quantity and a key; between batches, holds end or are paid.
BATCH = st.lists(
    st.tuples(st.sampled_from(USERS), st.integers(1, 4), st.integers(0, 2)),
    min_size=1,
    max_size=4,
    unique_by=lambda press: press[0],
)
STEP = st.tuples(BATCH, st.sampled_from(["nothing", "expire", "pay", "close", "halt", "resume"]))


class Model:
    """The rules' side of the story."""

    def __init__(self, total: int, per_buyer: int) -> None:
        self.total = total
        self.per_buyer = per_buyer
        self.is_closed = False
        self.is_halted = False
        self.requests: dict[str, Request] = {}
        self.states: dict[str, str] = {}

    def decide(self, sale_id: str, requests: list[Request]) -> list[Outcome]:
        """Decide a batch and remember what was granted."""
        live = {id for id, state in self.states.items() if state != "expired"}
        bought: dict[tuple[str, str], int] = {}
        for id in live:
            request = self.requests[id]
            buyer = (request.sale_id, request.user_id)
            bought[buyer] = bought.get(buyer, 0) + request.qty
        pool = PoolState(
            total=self.total,
            claimed=sum(bought.values()),
            sold=sum(self.requests[id].qty for id in live if self.states[id] == "sold"),
            granted={id: request.qty for id, request in self.requests.items()},
            bought=bought,
        )
        state = "ended" if self.is_closed else "halted" if self.is_halted else "open"
        terms = SaleTerms(sale_id, state, 0, None, self.per_buyer)
        outcomes = decide_batch(pool, {sale_id: terms}, requests, 1)
        for request, outcome in zip(requests, outcomes, strict=True):
            if outcome is Outcome.RESERVED:
                self.requests[request.id] = request
                self.states[request.id] = "held"
        return outcomes

    def happen(self, event: str) -> None:
        """Let every hold end, or be paid, or stop the sale for good or for a while."""
        self.is_closed |= event == "close"
        if event in ("halt", "resume"):
            self.is_halted = event == "halt"
        if event in ("expire", "pay"):
            after = {"expire": "expired", "pay": "sold"}[event]
            for id, state in self.states.items():
                self.states[id] = after if state == "held" else state


HAPPENINGS = {
    "expire": "UPDATE reservations SET release_at_ms = 1 WHERE sale_id = $1 AND state = 'held'",
    "pay": "UPDATE reservations SET state = 'sold' WHERE sale_id = $1 AND state = 'held'"
    " AND release_at_ms > 1",
    "close": "UPDATE sales SET state = 'ended' WHERE id = $1",
    "halt": "UPDATE sales SET state = 'halted', halted_from = 'open'"
    " WHERE id = $1 AND state = 'open'",
    "resume": "UPDATE sales SET state = 'open' WHERE id = $1 AND state = 'halted'",
}


@pytest.fixture
def world(database_url: str) -> Iterator[tuple[asyncio.Runner, PgDatabase, Shop]]:
    """One shop for all examples, and the loop that it lives in."""
    with asyncio.Runner() as runner:
        database = PgDatabase(runner.run(open_pool(database_url)))
        shop = runner.run(make_shop(database, stock=100_000))
        yield runner, database, shop
        runner.run(database.close())


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(total=st.integers(1, 8), per_buyer=st.integers(1, 4), steps=st.lists(STEP, max_size=8))
def test_database_and_rules_decide_alike(
    world: tuple[asyncio.Runner, PgDatabase, Shop],
    total: int,
    per_buyer: int,
    steps: list[tuple[list[tuple[str, int, int]], str]],
) -> None:
    runner, database, shop = world
    runner.run(compare(database, shop, (total, per_buyer), steps))


async def compare(
    database: PgDatabase,
    shop: Shop,
    terms: tuple[int, int],
    steps: list[tuple[list[tuple[str, int, int]], str]],
) -> None:
    """Play the steps on both sides."""
    total, per_buyer = terms
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE sales SET state = 'ended' WHERE kind = 'flash'")
    sale_id = await arm_flash(database, shop, quantity=total, per_buyer=per_buyer)
    pool_id = str((await read_stock(database, sale_id))["pool_id"])
    model = Model(total, per_buyer)
    connection: asyncpg.Connection
    async with database.pool.acquire() as connection:
        for batch, event in steps:
            requests = [
                Request(reservation_id(user, sale_id, str(key)), sale_id, user, qty)
                for user, qty, key in batch
            ]
            result = await reserve_batch(connection, pool_id, requests)
            assert [Outcome(o) for o in result.outcomes] == model.decide(sale_id, requests)
            if event in HAPPENINGS:
                await connection.execute(HAPPENINGS[event], sale_id)
            model.happen(event)
    violations = (await audit(database)).violations
    stock_checks = {"oversold", "claimed_is_live", "journal_adds_up", "buyer_adds_up"}
    assert [v for v in violations if v.check in stock_checks] == []
