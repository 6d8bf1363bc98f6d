"""Measure 10,000 people who join teams of 3 at once; the last line is one JSON object.

Inside the measured path: the group-buy service of two gateways' cores, its batcher, the driver,
PostgreSQL with fsync on, COMMIT. Outside: sockets, HTTP, and authorisation, which is the payment
provider's time. Plain reservations are measured in the same way, in turn, so that the ratio is of
this machine at this moment. `overfilled` are teams with more seats than they need, `stranded` are
seats that their team does not count, or that open teams wait for and no unit is left for.
`coupon_claims_per_s` is of `tests.bench.coupons`, everybody winning, on the same server afterwards;
`coupon_vs_reservations` is its ratio.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import uvloop

from commerce.goods.inventory.service import InventoryService
from commerce.insight.audit.service import audit
from commerce.sales.group_buys.campaigns import finish_campaign
from commerce.sales.group_buys.service import GroupBuys
from server.db.database import PgDatabase, open_pool, open_reserve_pool
from server.db.migrate import migrate
from server.ops.embedded import Embedded
from server.wiring.sources import monotonic_ms
from tests.bench import coupons
from tests.support import databases
from tests.support.grouping import open_group_buy
from tests.support.shop import Shop, Silence, arm_flash, make_shop

PEOPLE = 10_000
NEED = 3
# Whole teams for everybody; the last one stays open.
UNITS = -(-PEOPLE // NEED) * NEED
GATEWAYS = 2
ROUNDS = 3
EXPECTED = {"vs_reservations": 0.6, "p99_ms": 500, "overfilled": 0, "stranded": 0}

COUNT_WRONG = """
    SELECT count(*) FILTER (WHERE q.live > g.need) AS overfilled,
        coalesce(sum(abs(q.live - g.joined)), 0)
            + greatest(0, promised_to_groups($1) - (SELECT k.total - k.claimed FROM stock k
                JOIN sales s ON s.pool_id = k.pool_id WHERE s.id = $1)) AS stranded
    FROM buy_groups g CROSS JOIN LATERAL (
        SELECT count(*) AS live FROM reservations r
        WHERE r.group_id = g.id AND r.state IN ('held', 'paying', 'sold')
    ) q WHERE g.sale_id = $1
"""

Press = Callable[[int, str], Awaitable[object]]


async def time_all(press: Press) -> tuple[float, float]:
    """Let everybody press at once; return (answers a second, p99 in ms)."""
    users = [str(uuid.uuid4()) for _ in range(PEOPLE)]
    took_ms: list[float] = []

    async def one(n: int, user: str) -> None:
        began = time.perf_counter()
        await press(n % GATEWAYS, user)
        took_ms.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(one(n, user) for n, user in enumerate(users)))
    return PEOPLE / (time.perf_counter() - began), statistics.quantiles(took_ms, n=100)[98]


class Bench:
    """One shop behind several gateways' cores."""

    def __init__(self, database: PgDatabase, cores: Sequence[InventoryService], shop: Shop) -> None:
        self.database, self.cores, self.shop = database, cores, shop
        self.groups = [GroupBuys(database, core) for core in cores]
        self.overfilled = self.stranded = 0

    async def run_reservations(self) -> tuple[float, float]:
        """Reserve plainly."""
        async with self.database.transaction() as transaction:
            await transaction.execute("UPDATE sales SET state = 'ended' WHERE kind = 'flash'")
        sale = await arm_flash(self.database, self.shop, quantity=UNITS)

        async def press(gateway: int, user: str) -> object:
            return await self.cores[gateway].reserve(user_id=user, sale_id=sale, qty=1, key="k")

        return await time_all(press)

    async def run_joins(self) -> tuple[float, float]:
        """Join any team, and count what is wrong afterwards."""
        sale = await open_group_buy(self.database, self.shop, need=NEED, quantity=UNITS)

        async def press(gateway: int, user: str) -> object:
            return await self.groups[gateway].join(user_id=user, sale_id=sale, key="k")

        figures = await time_all(press)
        async with self.database.transaction() as transaction:
            row = await transaction.fetchrow(COUNT_WRONG, sale)
            await finish_campaign(transaction, sale, "end")
        self.overfilled += row["overfilled"]
        self.stranded += int(row["stranded"])
        return figures


async def measure(url: str) -> dict[str, Any]:
    """Measure in turn, after a round that warms caches and plans."""
    await migrate(url)
    database = PgDatabase(await open_pool(url))
    pools = [await open_reserve_pool(url) for _ in range(GATEWAYS)]
    cores = [InventoryService(pool, database, Silence(), monotonic_ms) for pool in pools]
    shop = await make_shop(database, stock=UNITS * 2 * (ROUNDS + 1))
    bench = Bench(database, cores, shop)
    plain, joins = [], []
    for number in range(ROUNDS + 1):
        reserved, joined = await bench.run_reservations(), await bench.run_joins()
        if number:
            plain.append(reserved)
            joins.append(joined)
            text = f"round {number}: {joined[0]:,.0f} joins/s, {reserved[0]:,.0f} reservations/s"
            print(text, file=sys.stderr, flush=True)
    violations = (await audit(database)).violations
    assert violations == [], violations
    for pool in pools:
        await pool.close()
    await database.close()
    ratios = [join[0] / reserve[0] for join, reserve in zip(joins, plain, strict=True)]
    return {
        "joins_per_s": round(statistics.median(join[0] for join in joins)),
        "vs_reservations": round(statistics.median(ratios), 2),
        "p99_ms": round(statistics.median(join[1] for join in joins), 1),
        "overfilled": bench.overfilled,
        "stranded": bench.stranded,
    }


def main() -> int:
    """Run on servers of its own; 1 when a figure is missed."""
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        servers = Embedded(Path(folder))
        servers.start(say=lambda line: print(line, file=sys.stderr))
        try:
            assert servers.database_url is not None
            figures = uvloop.run(measure(servers.database_url))
            apart = databases.clone(servers.database_url, "template1")
            claims = uvloop.run(coupons.measure(apart, rounds=1))
        finally:
            servers.stop()
    is_met = figures["vs_reservations"] >= EXPECTED["vs_reservations"] and all(
        figures[name] <= EXPECTED[name] for name in ("p99_ms", "overfilled", "stranded")
    )
    figures["coupon_claims_per_s"] = claims["coupon_claims_per_s"]
    figures["coupon_vs_reservations"] = claims["ratio"]
    print(orjson.dumps(figures).decode())
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
