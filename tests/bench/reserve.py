"""Measure durable reservation decisions a second on one pool, next to one transaction a request.

Inside the measured path: the inventory service, its batcher, the driver, PostgreSQL with fsync on,
COMMIT. Outside: sockets and HTTP. Every request wins, every buyer is another, 1,000 wait at a time.
The baseline decides the same requests with the same SQL function, each in a transaction of its
own, over the same connections. Runs alternate; the last line is one JSON object with the medians.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import msgspec
import orjson
import uvloop

from commerce.goods.inventory.model import Outcome, Request, Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import reserve_batch
from commerce.insight.audit.service import audit
from server.db.database import (
    RESERVE_CONNECTIONS_MAX,
    PgDatabase,
    open_pool,
    open_reserve_pool,
)
from server.db.migrate import migrate
from server.ops.embedded import Embedded
from server.wiring.sources import monotonic_ms
from tests.support.shop import Shop, Silence, arm_flash, make_shop, read_stock

ROUNDS = 5
WAITING = 1_000
DECISIONS = 20_000
# The baseline is an order of magnitude slower; fewer requests tell its rate as well.
BASELINE_DECISIONS = 2_000


class Run(msgspec.Struct, frozen=True):
    """One timed run: decisions a second, and the latency of each decision in ms."""

    per_s: float
    latencies_ms: list[float]

    @property
    def p99_ms(self) -> float:
        """Return the 99th percentile of the waiting time."""
        return statistics.quantiles(self.latencies_ms, n=100)[98]


class Bench:
    """One database with one shop; every run has a pool of its own."""

    def __init__(self, database: PgDatabase, connections: asyncpg.Pool, shop: Shop) -> None:
        self.database = database
        self.connections = connections
        self.shop = shop
        self.oversold = 0

    async def new_pool(self, units: int) -> tuple[str, str]:
        """Arm a sale of `units` and return (sale, pool)."""
        async with self.database.transaction() as transaction:
            await transaction.execute("UPDATE sales SET state = 'ended' WHERE kind = 'flash'")
        sale_id = await arm_flash(self.database, self.shop, quantity=units)
        return sale_id, str((await read_stock(self.database, sale_id))["pool_id"])

    async def run_batched(self) -> Run:
        """Decide through the reservation core."""
        sale_id, pool_id = await self.new_pool(DECISIONS)
        core = InventoryService(self.connections, self.database, Silence(), monotonic_ms)

        async def decide(user_id: str) -> bool:
            answer = await core.reserve(user_id=user_id, sale_id=sale_id, qty=1, key="k")
            return isinstance(answer, Reserved)

        return await self._time(decide, pool_id, DECISIONS, WAITING)

    async def run_baseline(self) -> Run:
        """Decide each request in a transaction of its own, over as many connections."""
        sale_id, pool_id = await self.new_pool(BASELINE_DECISIONS)

        async def decide(user_id: str) -> bool:
            request = Request(str(uuid.uuid4()), sale_id, user_id, 1)
            async with self.connections.acquire() as connection:
                result = await reserve_batch(connection, pool_id, [request])
            return result.outcomes == [Outcome.RESERVED]

        return await self._time(decide, pool_id, BASELINE_DECISIONS, RESERVE_CONNECTIONS_MAX)

    async def _time(
        self,
        decide: Callable[[str], Awaitable[bool]],
        pool_id: str,
        count: int,
        waiting: int,
    ) -> Run:
        users = iter([str(uuid.uuid4()) for _ in range(count)])
        latencies_ms: list[float] = []
        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(waiting):
                tasks.create_task(_press_all(users, decide, latencies_ms))
        took_s = time.perf_counter() - started
        async with self.database.reading() as connection:
            total, claimed = await connection.fetchrow(
                "SELECT total, claimed FROM stock WHERE pool_id = $1", pool_id
            )
        self.oversold += max(0, claimed - total)
        if claimed != count:
            raise SystemExit(f"{claimed} of {count} decisions are in the database")
        return Run(count / took_s, latencies_ms)


async def _press_all(
    users: Iterator[str], decide: Callable[[str], Awaitable[bool]], latencies_ms: list[float]
) -> None:
    """Press for one user after the other, as one of those who wait."""
    for user_id in users:
        pressed = time.perf_counter()
        if not await decide(user_id):
            raise SystemExit("a request did not win; the figures would mean nothing")
        latencies_ms.append((time.perf_counter() - pressed) * 1000)


async def bench(database_url: str) -> None:
    """Run everything and print the figures."""
    await migrate(database_url)
    database = PgDatabase(await open_pool(database_url))
    connections = await open_reserve_pool(database_url)
    shop = await make_shop(database, stock=(ROUNDS + 1) * (DECISIONS + BASELINE_DECISIONS))
    runs = Bench(database, connections, shop)
    await runs.run_batched()  # Warms caches and plans; not counted.
    batched, baseline = [], []
    for number in range(1, ROUNDS + 1):
        batched.append(await runs.run_batched())
        baseline.append(await runs.run_baseline())
        print(
            f"round {number}: batched {batched[-1].per_s:,.0f}/s"
            f" (p99 {batched[-1].p99_ms:.1f} ms), baseline {baseline[-1].per_s:,.0f}/s",
            flush=True,
        )
    violations = len((await audit(database)).violations)
    ratios = [a.per_s / b.per_s for a, b in zip(batched, baseline, strict=True)]
    figures = {
        "decisions_per_s": round(statistics.median(run.per_s for run in batched)),
        "baseline_per_s": round(statistics.median(run.per_s for run in baseline)),
        "ratio": round(statistics.median(ratios), 1),
        "p99_ms": round(statistics.median(run.p99_ms for run in batched), 1),
        "oversold": runs.oversold,
        "violations": violations,
    }
    await connections.close()
    await database.close()
    print(orjson.dumps(figures).decode())


def main() -> None:
    """Start a PostgreSQL of its own, measure, and stop it."""
    print(
        f"{platform.machine()}, Python {platform.python_version()}, PostgreSQL with fsync on,"
        f" {RESERVE_CONNECTIONS_MAX} connections, {WAITING:,} waiting, {DECISIONS:,} decisions",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        servers = Embedded(Path(folder), with_redis=False)
        servers.start(say=lambda line: print(line, file=sys.stderr))
        assert servers.database_url is not None
        try:
            uvloop.run(bench(servers.database_url))
        finally:
            servers.stop()


if __name__ == "__main__":
    main()
