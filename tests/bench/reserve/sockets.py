"""Let 5,000 people press in the same moment over WebSockets, and later against the latch.

The real program, two gateways, PostgreSQL and Valkey of the benchmark's own. Inside the measured
path, from the client's `send` to its `recv`: the kernel, the gateway's frames, session and
commands, the reservation core, COMMIT, and the room's other traffic (figures, acknowledgements).
Outside: TLS and the network. Clients are one compiled program on the same machine.

The latch: everybody presses again as soon as it is answered, while every unit is held. Counted are
the refusals for each second of processor time that the gateways used.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx
import psutil

from commerce.goods.catalogue.model import NewProduct, NewVariant
from commerce.goods.catalogue.service import add_product
from loadtests.journal_check import Step, Told, check_journal
from server.db.database import PgDatabase, open_pool
from server.ops.embedded import Embedded
from server.wiring.sources import FreshIds
from tests.bench.crowd_client import CrowdClient
from tests.support.api import Caller, log_in, open_client
from tests.support.program import Program

CLIENTS = 5_000
UNITS = 1_000
ROUNDS = 3
GUESTS_AT_ONCE = 40
COUNTDOWN_S = 3
# The clocks of two processes on one machine are one clock; this is the room for rounding.
AFTER_OPENING_MS = 2
SETTLE_S = 3.0
HAMMER_S = 5.0
# The worker audits every 2 s; after a rush it has some rounds to catch up.
AUDIT_TIMEOUT_S = 30.0
AUDIT_PAUSE_S = 0.5
SKU = "bench-bowl"


class Race:
    """The program, its host, an operator and a crowd of signed-in people."""

    def __init__(self, program: Program, crowd: CrowdClient, host: Caller) -> None:
        self._program = program
        self._crowd = crowd
        self._host = host
        self.problems: list[str] = []
        self._folder = tempfile.TemporaryDirectory(prefix="hubbub-bench-")
        self._answers = Path(self._folder.name) / "answers"

    async def press_at_opening(self) -> dict[str, Any]:
        """Sell one flash sale: everybody presses when it opens, once; return what came."""
        sale = await self._arm()
        self._crowd.tell(f"press {sale['id']} {sale['opens_at_ms'] + AFTER_OPENING_MS}")
        await asyncio.sleep(COUNTDOWN_S + SETTLE_S)
        report, told = await self._collect()
        gone_ms = max(t.answered_ms for t in told if t.code == "reserved") - sale["opens_at_ms"]
        won = sum(t.code == "reserved" for t in told)
        if won != UNITS or len(told) != CLIENTS:
            self.problems.append(f"{won} of {UNITS} units, {len(told)} of {CLIENTS} answered")
        latch = await self._hammer(sale["id"])
        await self._check(sale["id"], told)
        await self._host.call("POST", f"/api/sales/{sale['id']}/close")
        return {
            "gone_ms": gone_ms,
            "ack_p99_ms": report["reserved"]["p99_ms"],
            "refused_p99_ms": report["refused"]["p99_ms"],
            "unanswered": report["unanswered"],
            **latch,
        }

    async def _arm(self) -> dict[str, Any]:
        terms = {"price_minor": 100, "quantity": UNITS, "per_buyer": 1, "hold_s": 600}
        body = {"sku": SKU, "countdown_s": COUNTDOWN_S, "duration_s": 900, **terms}
        answer = await self._host.call("POST", "/api/rooms/demo/flash-sales", body, status=201)
        sale: dict[str, Any] = answer["sale"]
        return sale

    async def _collect(self) -> tuple[dict[str, Any], list[Told]]:
        report = await asyncio.to_thread(self._crowd.ask, f"presses {self._answers}", "presses")
        return report, read_answers(self._answers.read_text().splitlines())

    async def _hammer(self, sale_id: str) -> dict[str, Any]:
        """Press on and on while nothing is free; return refusals by processor second."""
        gateways = self._program.children_with_role("gateway")
        # A crowd that sleeps between two answers is woken at the gateways' expense: that would
        # measure how fast the crowd is.
        self._crowd.tell("awake")
        self._crowd.tell(f"hammer {sale_id}")
        await asyncio.sleep(1.0)
        await self._collect()
        before_s, begun_s = cpu_s(gateways), time.monotonic()
        await asyncio.sleep(HAMMER_S)
        report, told = await self._collect()
        used_s, took_s = cpu_s(gateways) - before_s, time.monotonic() - begun_s
        self._crowd.tell("rest")
        await asyncio.sleep(1.0)
        self._crowd.tell("asleep")
        _, rest = await self._collect()
        await self._check(sale_id, [*told, *rest])
        return {
            "latch_per_core_s": len(told) / used_s,
            "latch_per_s": len(told) / took_s,
            "latch_p99_ms": report["refused"]["p99_ms"],
        }

    async def _check(self, sale_id: str, told: Sequence[Told]) -> None:
        """Hold every answer against the journal."""
        steps: list[Step] = []
        granted: dict[str, int] = {}
        is_end = False
        while not is_end:
            after = steps[-1].version if steps else 0
            page = await self._host.call("GET", f"/api/sales/{sale_id}/journal?after={after}")
            steps += [Step(*row) for row in page["steps"]]
            granted |= {id: version for id, version, *_ in page["granted"]}
            is_end = page["is_end"]
        self.problems += check_journal(steps, granted, told)

    def close(self) -> None:
        """Remove what was written."""
        self._folder.cleanup()


def cpu_s(processes: Sequence[psutil.Process]) -> float:
    """Return the processor time that they have used, in seconds."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def read_answers(lines: Sequence[str]) -> list[Told]:
    """Read what the crowd wrote: client, code, version, pressed, answered, reservation."""
    told = []
    for line in lines:
        client, code, version, pressed, answered, id = line.split()
        number = int(version)
        told.append(
            Told(
                code,
                number if number >= 0 else None,
                None if id == "-" else id,
                float(pressed),
                float(answered),
                client,
            )
        )
    return told


async def stock_goods(database_url: str) -> None:
    """Give the demo shop enough of something for every round."""
    database = PgDatabase(await open_pool(database_url))
    variant = NewVariant(sku=SKU, price_minor=200, quantity=UNITS * (ROUNDS + 1))
    picture = "/static/img/goods/tea-bowl.svg"
    product = NewProduct(title="Bowl", title_zh="碗", picture=picture, variants=[variant])
    await add_product(database, FreshIds(), product)
    await database.close()


async def sign_in(url: str, count: int) -> list[str]:
    """Return the tokens of so many guests."""
    tokens: list[str] = []
    everybody = iter(range(count))

    async def come_in(http: httpx.AsyncClient) -> None:
        for number in everybody:
            reply = await http.post("/api/guests", json={"name": f"Guest {number}"})
            tokens.append(reply.raise_for_status().json()["token"])

    # One client for all: to make one costs more than a hundred calls.
    async with open_client(url) as http:
        http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(GUESTS_AT_ONCE):
                tasks.create_task(come_in(http))
    return tokens


async def read_audit(operator: Caller, problems: list[str]) -> dict[str, Any]:
    """Return an audit of a moment after this one that has looked at everything.

    The server answers with its last round, which may be from before the race. When none comes in
    time that is a problem, and the last one is returned.
    """
    deadline_s = time.monotonic() + AUDIT_TIMEOUT_S
    audit: dict[str, Any] = await operator.call("GET", "/api/audit")
    asked_ms = audit["now_ms"]
    while (audit["at_ms"] or 0) <= asked_ms or audit["behind"]:
        if time.monotonic() > deadline_s:
            problems.append("no audit of a moment after the race came in time")
            break
        await asyncio.sleep(AUDIT_PAUSE_S)
        audit = await operator.call("GET", "/api/audit")
    return audit


async def race(servers: Embedded, program: Program) -> tuple[list[dict[str, Any]], list[str], int]:
    """Play all rounds; return what each measured, what was wrong, and the audit's violations."""
    assert servers.database_url is not None
    await stock_goods(servers.database_url)
    host, operator = await log_in(program.url, "host"), await log_in(program.url, "operator")
    await host.call("POST", "/api/rooms/demo/start")
    await host.call("POST", "/api/rooms/demo/bag", {"sku": SKU}, status=201)
    tokens = await sign_in(program.url, CLIENTS)
    with tempfile.NamedTemporaryFile("w", suffix=".tokens") as file:
        file.write("\n".join(tokens))
        file.flush()
        options = ("--sale", "--ramp", "1000", "--tokens", file.name)
        crowd = CrowdClient(program.port, *options, clients=CLIENTS)
        try:
            await asyncio.to_thread(crowd.wait_until_ready)
            play = Race(program, crowd, host)
            rounds = []
            for number in range(1, ROUNDS + 1):
                rounds.append(await play.press_at_opening())
                line = ", ".join(f"{name} {value:,.1f}" for name, value in rounds[-1].items())
                print(f"sockets, round {number}: {line}", flush=True)
            play.close()
        finally:
            crowd.stop()
    audit = await read_audit(operator, play.problems)
    for caller in (host, operator):
        await caller.close()
    return rounds, play.problems, len(audit["violations"])
