"""The database serves the waiting list exactly as the pure rules do, whatever comes when."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce.goods.inventory.model import Outcome, Request
from commerce.goods.inventory.rules import PoolState, SaleTerms, decide_batch
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import lock_pools, reserve_batch, update_total
from commerce.goods.waiting_list.model import Join, Line, Waiter, Wish
from commerce.goods.waiting_list.rules import decide_join, decide_offers
from commerce.goods.waiting_list.service import WaitingList
from commerce.goods.waiting_list.store import serve
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from server.db.database import PgDatabase, open_pool, open_reserve_pool
from server.wiring.sources import monotonic_ms
from tests.support.shop import Shop, Silence, arm_flash, make_shop, read_stock

USERS = [str(uuid.UUID(int=n)) for n in range(1, 6)]
ACTS = [
    "press",
    "press",
    "join",
    "join",
    "release",
    "leave",
    "expire",
    "pay",
    "add",
    "halt",
    "resume",
    "close",
]
STEP = st.tuples(st.sampled_from(ACTS), st.sampled_from(USERS), st.integers(1, 3))


class Model:
    """The rules' side: holds and entries as (user, qty, state), in order."""

    def __init__(self, total: int, per_buyer: int) -> None:
        self.total = total
        self.terms = SaleTerms("s", "open", 0, None, per_buyer)
        self.holds: list[list] = []
        self.line: list[list] = []

    def bought(self) -> Counter[str]:
        """Return the live quantity of each buyer."""
        live: Counter[str] = Counter()
        for user, qty, state in self.holds:
            live[user] += qty * (state in ("held", "sold"))
        return live

    @property
    def claimed(self) -> int:
        """Return what is not free."""
        return sum(self.bought().values())

    @property
    def sold(self) -> int:
        """Return what is paid."""
        return sum(qty for _, qty, state in self.holds if state == "sold")

    def serve(self) -> None:
        """Give what is free to the line."""
        bought, limit = self.bought(), self.terms.per_buyer
        is_over, is_halted = self.terms.state == "ended", self.terms.state == "halted"
        waiting = {
            str(n): Waiter(str(n), qty, bought[user], limit, is_over, is_halted)
            for n, (user, qty, state) in enumerate(self.line)
            if state == "waiting"
        }
        offers, closed = decide_offers(self.total - self.claimed, list(waiting.values()))
        for id in offers:
            entry = self.line[int(id)]
            entry[2] = "offered"
            self.holds.append([entry[0], entry[1], "held"])
        for id in closed:
            self.line[int(id)][2] = "closed"

    def press(self, user: str, qty: int) -> Outcome:
        """Decide one press."""
        self.serve()
        bought = {("s", user): count for user, count in self.bought().items()}
        pool = PoolState(self.total, self.claimed, self.sold, {}, bought)
        [outcome] = decide_batch(pool, {"s": self.terms}, [Request("new", "s", user, qty)], 1)
        if outcome is Outcome.RESERVED:
            self.holds.append([user, qty, "held"])
        return outcome

    def join(self, user: str, qty: int) -> Join:
        """Decide one wish to wait."""
        live = [e for e in self.line if e[0] == user and e[2] in ("waiting", "offered")]
        line = Line(
            now_ms=1,
            total=self.total,
            claimed=self.claimed,
            sold=self.sold,
            waiting=sum(e[2] == "waiting" for e in self.line),
            bought=self.bought()[user],
            known_qty=None,
            live_entry="e" if live else None,
        )
        join = decide_join(self.terms, line, Wish("new", "s", user, qty))
        if join is Join.JOINED:
            self.line.append([user, qty, "waiting"])
        return join

    def end_holds(self, user: str | None, after: str, entry_state: str) -> None:
        """End the holds of one buyer, or of all, and serve the line."""
        for hold in self.holds:
            if hold[2] == "held" and user in (None, hold[0]):
                hold[2] = after
                for entry in self.line:
                    if entry[0] == hold[0] and entry[2] == "offered":
                        entry[2] = entry_state
        if after != "sold":
            self.serve()

    def leave(self, user: str) -> None:
        """Leave the line."""
        for entry in self.line:
            if entry[0] == user and entry[2] == "waiting":
                entry[2] = "left"


class World:
    """One shop for all examples, with the loop that it lives in."""

    def __init__(self, runner: asyncio.Runner, database_url: str) -> None:
        self.runner = runner
        self.database = PgDatabase(runner.run(open_pool(database_url)))
        self.connections = runner.run(open_reserve_pool(database_url))
        self.shop: Shop = runner.run(make_shop(self.database, stock=100_000))
        inventory = InventoryService(self.connections, self.database, Silence(), monotonic_ms)
        self.list = WaitingList(self.database, inventory)
        self.sale = self.pool = ""

    async def begin(self, total: int, per_buyer: int) -> None:
        """Open a new sale."""
        await self.run("UPDATE sales SET state = 'ended' WHERE kind = 'flash'")
        self.sale = await arm_flash(self.database, self.shop, quantity=total, per_buyer=per_buyer)
        self.pool = str((await read_stock(self.database, self.sale))["pool_id"])

    async def run(self, statement: str, *values: object) -> None:
        """Run a statement."""
        async with self.database.transaction() as transaction:
            await transaction.execute(statement, *values)

    async def press(self, user: str, qty: int) -> Outcome:
        """Press once."""
        request = Request(str(uuid.uuid4()), self.sale, user, qty)
        async with self.database.pool.acquire() as connection:
            result = await reserve_batch(connection, self.pool, [request])
        return Outcome(result.outcomes[0])

    async def join(self, user: str, qty: int) -> Join:
        """Join once."""
        try:
            await self.list.join(user_id=user, sale_id=self.sale, qty=qty, key=str(uuid.uuid4()))
        except CommerceError as error:
            return Join(error.code)
        return Join.JOINED

    async def end_holds(self, user: str | None, after: str) -> None:
        """Release one buyer's holds, or let all expire."""
        async with self.database.transaction() as transaction:
            await lock_pools(transaction, [self.pool])
            await transaction.fetch(
                "SELECT 1 FROM free_reservations($1, ARRAY(SELECT id FROM reservations"
                " WHERE pool_id = $1 AND ($2::uuid IS NULL OR user_id = $2)), ARRAY['held'], $3,"
                " clock_ms())",
                self.pool,
                user,
                after,
            )

    async def leave(self, user: str) -> None:
        """Leave the line, when waiting."""
        for entry in await self.list.list_entries(user):
            if entry.sale_id == self.sale and entry.state == "waiting":
                await self.list.leave(user_id=user, entry_id=entry.id)

    async def add(self, count: int) -> None:
        """Add units."""
        async with self.database.transaction() as transaction:
            await lock_pools(transaction, [self.pool])
            await update_total(transaction, pool_id=self.pool, delta=count, reason="added")

    async def line(self) -> list[list]:
        """Return the entries in order."""
        async with self.database.reading() as connection:
            rows = await connection.fetch(
                "SELECT user_id::text, qty, state FROM waiting_list WHERE sale_id = $1"
                " ORDER BY seq",
                self.sale,
            )
        return [list(row) for row in rows]

    async def play(self, model: Model, act: str, user: str, qty: int) -> None:
        """Do one thing on both sides and compare."""
        match act:
            case "press":
                assert await self.press(user, qty) is model.press(user, qty)
            case "join":
                assert await self.join(user, qty) is model.join(user, qty)
            case "release":
                await self.end_holds(user, "released")
                model.end_holds(user, "released", "passed")
            case "expire":
                await self.end_holds(None, "expired")
                model.end_holds(None, "expired", "missed")
            case "leave":
                await self.leave(user)
                model.leave(user)
            case "pay":
                await self.pay()
                model.end_holds(None, "sold", "bought")
            case "add":
                await self.add(qty)
                model.total += qty
                model.serve()
            case _:
                await self.move(model, act)

    async def move(self, model: Model, act: str) -> None:
        """Halt the sale, let it go on, or end it; what cannot be done in its state is left out."""
        moves = {("halt", "open"): "halted", ("resume", "halted"): "open"}
        state = "ended" if act == "close" else moves.get((act, model.terms.state))
        if state is None:
            return
        await self.set_state(state)
        model.terms = SaleTerms("s", state, 0, None, model.terms.per_buyer)
        if act == "resume":
            model.serve()

    async def set_state(self, state: str) -> None:
        """Write a state of the sale; one that goes on serves its line, as the service does."""
        await self.run(
            "UPDATE sales SET state = $2, halted_from = 'open' WHERE id = $1", self.sale, state
        )
        if state == "open":
            async with self.database.transaction() as transaction:
                await lock_pools(transaction, [self.pool])
                await serve(transaction, self.pool)

    async def pay(self) -> None:
        """Pay every hold, as checkout does."""
        await self.run(
            "UPDATE waiting_list SET state = 'bought' WHERE sale_id = $1 AND state = 'offered'",
            self.sale,
        )
        await self.run(
            "UPDATE reservations SET state = 'sold' WHERE sale_id = $1 AND state = 'held'",
            self.sale,
        )


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """One shop for all examples."""
    with asyncio.Runner() as runner:
        world = World(runner, database_url)
        yield world
        runner.run(world.connections.close())
        runner.run(world.database.close())


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(total=st.integers(1, 4), per_buyer=st.integers(1, 3), steps=st.lists(STEP, max_size=14))
def test_database_and_rules_serve_alike(
    world: World, total: int, per_buyer: int, steps: list[tuple[str, str, int]]
) -> None:
    world.runner.run(compare(world, (total, per_buyer), steps))


async def compare(world: World, terms: tuple[int, int], steps: list[tuple[str, str, int]]) -> None:
    """Play the steps on both sides."""
    await world.begin(*terms)
    model = Model(*terms)
    for user in USERS[: terms[0]]:  # Held out at once: the story begins where waiting begins.
        await world.play(model, "press", user, 1)
    for act, user, qty in steps:
        await world.play(model, act, user, qty)
        assert await world.line() == model.line
        stock = await read_stock(world.database, world.sale)
        assert (stock["total"], stock["claimed"]) == (model.total, model.claimed)
    stock_checks = {"oversold", "claimed_is_live", "journal_adds_up", "buyer_adds_up"}
    violations = (await audit(world.database)).violations
    assert [v for v in violations if v.check in stock_checks] == []
