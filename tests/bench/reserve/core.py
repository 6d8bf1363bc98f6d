"""Durable reservation decisions a second on one pool, next to one transaction a request.

Inside the measured path: the inventory service, its batcher, the driver, PostgreSQL with fsync on,
COMMIT. Outside: sockets and HTTP. Every request wins, every buyer is another, 1,000 wait at a time.
The baseline decides the same requests with the same SQL function, each in a transaction of its
own, over the same connections. For the record, a script in Redis that keeps the same promises but
does not survive its server: it counts down, keeps each buyer's limit, and knows a key again.
"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence

import asyncpg
import msgspec
from redis.asyncio import BlockingConnectionPool, Redis

from commerce.goods.inventory.model import Outcome, Request, Reservation, Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import reserve_batch
from loadtests.journal_check import Told
from server.db.database import RESERVE_CONNECTIONS_MAX, PgDatabase
from server.wiring.sources import monotonic_ms
from tests.support.journal import find_untrue
from tests.support.shop import Shop, Silence, arm_flash, read_stock

ROUNDS = 5
WAITING = 1_000
DECISIONS = 20_000
# The baseline is an order of magnitude slower; fewer requests tell its rate as well.
BASELINE_DECISIONS = 2_000
GATE_CONNECTIONS = 32
# KEYS: units left, bought by user, answered keys; ARGV: user, quantity, limit, idempotency key.
GATE = """
local known = redis.call('HGET', KEYS[3], ARGV[4])
if known then return known end
local bought = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if bought + tonumber(ARGV[2]) > tonumber(ARGV[3]) then return 'limit_reached' end
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[2]) then return 'sold_out' end
redis.call('DECRBY', KEYS[1], ARGV[2])
redis.call('HINCRBY', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[4], 'reserved')
return 'reserved'
"""


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
        won: list[Reservation] = []

        async def decide(user_id: str) -> bool:
            answer = await core.reserve(user_id=user_id, sale_id=sale_id, qty=1, key="k")
            if not isinstance(answer, Reserved):
                return False
            won.append(answer.reservation)
            return True

        run = await time_presses(decide, DECISIONS, WAITING)
        told = [Told("reserved", one.version, one.id, 0, 0, one.user_id) for one in won]
        await self.check_claimed(pool_id, DECISIONS, told)
        return run

    async def run_baseline(self) -> Run:
        """Decide each request in a transaction of its own, over as many connections."""
        sale_id, pool_id = await self.new_pool(BASELINE_DECISIONS)

        async def decide(user_id: str) -> bool:
            request = Request(str(uuid.uuid4()), sale_id, user_id, 1)
            async with self.connections.acquire() as connection:
                result = await reserve_batch(connection, pool_id, [request])
            return result.outcomes == [Outcome.RESERVED]

        run = await time_presses(decide, BASELINE_DECISIONS, RESERVE_CONNECTIONS_MAX)
        await self.check_claimed(pool_id, BASELINE_DECISIONS)
        return run

    async def run_gate(self, redis_url: str) -> Run:
        """Decide by a script in Redis, a call for each request; nothing of it is durable."""
        connections = BlockingConnectionPool.from_url(
            redis_url, max_connections=GATE_CONNECTIONS, timeout=30
        )
        client = Redis(connection_pool=connections, decode_responses=True)
        await client.flushdb()
        await client.set("units", DECISIONS)
        script = client.register_script(GATE)

        async def decide(user_id: str) -> bool:
            answer = await script(
                keys=["units", "bought", "known"], args=[user_id, 1, 1, f"k:{user_id}"]
            )
            return answer in ("reserved", b"reserved")

        run = await time_presses(decide, DECISIONS, WAITING)
        await client.aclose()
        await connections.aclose()
        return run

    async def check_claimed(self, pool_id: str, count: int, told: Sequence[Told] = ()) -> None:
        """Count what was oversold; end the benchmark when decisions are missing or untrue."""
        async with self.database.reading() as connection:
            total, claimed = await connection.fetchrow(
                "SELECT total, claimed FROM stock WHERE pool_id = $1", pool_id
            )
        self.oversold += max(0, claimed - total)
        problems = await find_untrue(self.database, pool_id, told)
        if problems:
            raise SystemExit("the journal: " + "; ".join(problems))
        if claimed != count:
            raise SystemExit(f"{claimed} of {count} decisions are in the database")


async def time_presses(decide: Callable[[str], Awaitable[bool]], count: int, waiting: int) -> Run:
    """Let `count` buyers press, `waiting` at a time; every one must win."""
    users = iter([str(uuid.uuid4()) for _ in range(count)])
    latencies_ms: list[float] = []
    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(waiting):
            tasks.create_task(_press_all(users, decide, latencies_ms))
    return Run(count / (time.perf_counter() - started), latencies_ms)


async def _press_all(
    users: Iterator[str], decide: Callable[[str], Awaitable[bool]], latencies_ms: list[float]
) -> None:
    """Press for one user after the other, as one of those who wait."""
    for user_id in users:
        pressed = time.perf_counter()
        if not await decide(user_id):
            raise SystemExit("a request did not win; the figures would mean nothing")
        latencies_ms.append((time.perf_counter() - pressed) * 1000)
