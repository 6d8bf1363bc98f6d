"""A running program behind a proxy, in which processes are killed at named commits.

One program serves several tests, as its start is what costs; it is replaced before the supervisor
would give up over so many deaths. Each test has buyers and a sale of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import psutil

from commerce.insight.audit.service import audit
from server.db.database import PgDatabase, open_pool
from server.ops.children import DEATHS_MAX
from tests.support.api import (
    INSIST_S,
    Caller,
    enter,
    eventually,
    insist_on,
    log_in,
    open_client,
    start_flash_sale,
)
from tests.support.pg_proxy import KILL, PgProxy, Point, wait_for_end
from tests.support.program import Program

# What a dead process had claimed is free when its lease is over; tests do not wait for that.
END_LEASES = """
    UPDATE payment_calls SET next_at_ms = clock_ms() WHERE state = 'pending';
    UPDATE sandbox.webhooks SET next_at_ms = clock_ms() WHERE state = 'pending';
"""
# Both sides' words about every payment; a row only one of them has counts as well.
UNEQUAL = """
    SELECT coalesce(p.id::text, s.reference), p.state, s.state, p.refunded_minor,
        (SELECT coalesce(sum(r.amount_minor), 0) FROM sandbox.refunds r WHERE r.payment_id = s.id)
    FROM payments p FULL JOIN sandbox.payments s ON s.reference = p.id::text
    WHERE p.state IS DISTINCT FROM s.state OR p.amount_minor <> s.amount_minor
       OR p.refunded_minor <> (
        SELECT coalesce(sum(r.amount_minor), 0) FROM sandbox.refunds r WHERE r.payment_id = s.id)
"""
WRONGLY_PAID = """
    SELECT o.id::text, o.state, count(s.id) FROM orders o
    LEFT JOIN payments p ON p.order_id = o.id
    LEFT JOIN sandbox.payments s ON s.reference = p.id::text
        AND s.state IN ('authorised', 'captured', 'refunded')
    GROUP BY o.id HAVING count(s.id) <> (o.state IN ('paid', 'refunded'))::int
"""
OWED = "SELECT count(*) FROM payment_calls WHERE state <> 'done'"


class KillStage:
    """The program, the proxy before its database, and how many of its processes were killed."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self.database_url = database_url
        self.proxy = PgProxy(database_url).start()
        self._folder = tempfile.TemporaryDirectory(prefix="hubbub-kill-")
        self._settings = {
            "DATA": self._folder.name,
            "PORT": "0",
            "HUBBUB_REDIS_PREFIX": f"t:{uuid.uuid4().hex}:",
            "HUBBUB_REDIS_URL": redis_url,
        }
        self._deaths = 0
        self._program: Program | None = None

    @property
    def program(self) -> Program:
        """The program, with room for one more death."""
        if self._program is not None and (
            self._deaths >= DEATHS_MAX - 1 or self._program.has_ended
        ):
            self._end_program()
        if self._program is None:
            self._deaths = 0
            environment = {**self._settings, "HUBBUB_DATABASE_URL": self.proxy.url}
            words = ("--demo", "--gateways", "1")
            self._program = Program("serve", *words, environment=environment).wait_until_ready()
        return self._program

    def _end_program(self) -> None:
        """Stop it, and tell what it said when it will not."""
        program, self._program = self._program, None
        if program is None:
            return
        try:
            program.stop()
        except subprocess.TimeoutExpired:
            family = [(one.pid, one.cmdline()[-8:], one.status()) for one in program.family()]
            raise AssertionError(f"{family}\n{program.output}") from None

    def count_deaths(self, count: int) -> None:
        """Remember who was killed."""
        self._deaths += count

    def close(self) -> None:
        """End everything, and let the operator's own command have the last word."""
        try:
            self._end_program()
            environment = {**self._settings, "HUBBUB_DATABASE_URL": self.database_url}
            command = Program("audit", environment=environment)
            assert command.wait() == 0, command.output
        finally:
            self.proxy.stop()
            self._folder.cleanup()


class Scene:
    """One test's people, sale and commit to be struck at."""

    def __init__(self, stage: KillStage, point: Point, moment: str) -> None:
        self._stage, self._point, self._moment = stage, point, moment
        self.program = stage.program
        self._people: list[Caller] = []
        self.direct: asyncpg.Connection
        self.host: Caller
        self.sale: str
        self._end_of_sale: str

    async def open(self) -> Scene:
        """Let the host in."""
        self.direct = await asyncpg.connect(self._stage.database_url)
        self.host = await log_in(self.program.url, "host")
        self._people.append(self.host)
        return self

    async def close(self) -> None:
        """End the sale, and let everybody go."""
        await self.host.insist("POST", self._end_of_sale)
        for person in self._people:
            await person.close()
        await self.direct.close()

    async def sell(self, **terms: Any) -> None:
        """Open a flash sale."""
        self.sale = (await start_flash_sale(self.host, countdown_s=0, **terms))["id"]
        self._end_of_sale = f"/api/sales/{self.sale}/close"

        async def is_open() -> bool:
            return bool(await self.ask("SELECT state = 'open' FROM sales WHERE id = $1", self.sale))

        await eventually(is_open)

    async def sell_to_teams(self, need: int) -> None:
        """Open a group buy with units for one team."""
        await self.host.call("POST", "/api/rooms/demo/start")
        terms = {"sku": "demo-tea-bowl", "price_minor": 9_900, "need": need, "quantity": need}
        path = "/api/rooms/demo/group-buys"
        answer = await self.host.insist("POST", path, terms, status=201)
        self.sale = answer["sale"]["id"]
        self._end_of_sale = f"/api/group-buys/{self.sale}/cancel"

    async def guest(self) -> Caller:
        """Let a buyer in."""
        person = await enter(self.program.url)
        self._people.append(person)
        return person

    async def ask(self, query: str, *values: Any) -> Any:
        """Return one value, past the proxy."""
        return await self.direct.fetchval(query, *values)

    async def reserve(self, person: Caller, qty: int = 1) -> str:
        """Reserve in the sale."""
        path = f"/api/sales/{self.sale}/reservations"
        answer = await person.insist("POST", path, {"qty": qty}, status=201)
        return str(answer["reservation"]["id"])

    async def seat(self, person: Caller) -> dict[str, Any]:
        """Join a team of the sale, and order the seat."""
        path = f"/api/sales/{self.sale}/groups"
        answer = await person.insist("POST", path, {}, status=201)
        return await self.order(person, answer["reservation"]["id"])

    async def order(self, person: Caller, reservation: str) -> dict[str, Any]:
        """Order what is held."""
        body = {"reservations": [reservation]}
        answer: dict[str, Any] = await person.insist("POST", "/api/orders", body, status=201)
        return answer

    async def press_pay(self, page: str) -> None:
        """Press the button of the payment page until the page goes on."""
        async with open_client() as http:
            answer = await insist_on(lambda: http.post(page, data={"act": "pay"}))
        assert answer.status_code == 303, answer.text

    async def paid_order(self, person: Caller) -> str:
        """Reserve, order and pay one unit; return the order's id once its money is taken."""
        order = await self.order(person, await self.reserve(person))
        await self.press_pay(order["payment"]["url"])
        await self.settled(order["order"]["id"], "paid")
        return str(order["order"]["id"])

    async def settled(self, order_id: str, state: str) -> None:
        """Wait until an order has come to a state and nothing is owed to the provider."""

        async def is_there() -> bool:
            now = await self.ask("SELECT state FROM orders WHERE id = $1", order_id)
            if now == state and await self.ask(OWED) == 0:
                return True
            await self.direct.execute(END_LEASES)
            return False

        await eventually(is_there, INSIST_S)

    async def comes_true(self, query: str, *values: Any) -> None:
        """Wait for a claim about the database."""

        async def is_true() -> bool:
            return bool(await self.ask(query, *values))

        await eventually(is_true, INSIST_S)

    @asynccontextmanager
    async def struck(self) -> AsyncIterator[None]:
        """Kill whoever comes by the point meanwhile; leave when a successor serves."""
        with self._stage.proxy.trap(self._point, self._moment, KILL) as trap:
            try:
                yield
                pid = await trap.wait()
            finally:  # What fails here must not leave the next tests a program that gave up.
                self._stage.count_deaths(len(trap.pids))
        await asyncio.to_thread(wait_for_end, pid)

        async def has_successor() -> bool:
            kept: list[psutil.Process] = self.program.children_with_role(self._point.role)
            return any(process.pid != pid for process in kept)

        await eventually(has_successor)

    async def check_whole(self) -> None:
        """Check that no promise is broken, and that provider and shop say the same of all money."""

        async def agree() -> bool:
            await self.direct.execute(END_LEASES)
            return not await self.direct.fetch(UNEQUAL) and await self.ask(OWED) == 0

        with contextlib.suppress(TimeoutError):
            await eventually(agree, INSIST_S)
        assert [tuple(row) for row in await self.direct.fetch(UNEQUAL)] == []
        assert [tuple(row) for row in await self.direct.fetch(WRONGLY_PAID)] == []
        database = PgDatabase(await open_pool(self._stage.database_url))
        try:
            assert (await audit(database)).violations == []
        finally:
            await database.close()
