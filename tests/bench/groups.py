"""Measure 10,000 people who join teams of 3 at once; the last line is one JSON object.

Inside the measured path: the group-buy service of two gateways' cores, each in a process of its own
as gateways are, its batcher, the driver, PostgreSQL with fsync on, COMMIT. Outside: sockets, HTTP,
and authorisation, which is the payment provider's time. Plain reservations are measured in the same
way, in turn, so that the ratio is of this machine at this moment.

*All at once*: everybody presses in the same moment, in gateways that do not know the sale yet.
`joins_per_s`, `vs_reservations` and `p99_ms` are of this burst. Its p99 is a queue's: the last one
is answered when all are, so it is 10,000 divided by the joins a second, and no less than plain
reservations take, whose own is `reservations_p99_ms`. *1,000 waiting* (`p99_ms_of_1000_waiting`),
for the record: the same people, but each presses when another has been answered, which is how
`tests.bench.reserve` measures its p99.

`overfilled` are teams with more seats than they need, `stranded` are seats that their team does not
count, or that open teams wait for and no unit is left for. `coupon_claims_per_s` is of
`tests.bench.coupons`, everybody winning, on the same server afterwards; `coupon_vs_reservations` is
its ratio.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson
import uvloop

from commerce.insight.audit.service import audit
from commerce.sales.group_buys.campaigns import finish_campaign
from server.db.database import PgDatabase, open_pool
from server.db.migrate import migrate
from server.ops.embedded import Embedded
from tests.bench import coupons
from tests.bench.children import Child
from tests.support import databases
from tests.support.grouping import open_group_buy
from tests.support.shop import Shop, arm_flash, make_shop

PEOPLE = 10_000
NEED = 3
# Whole teams for everybody; the last one stays open.
UNITS = -(-PEOPLE // NEED) * NEED
GATEWAYS = 2
WAITING = 1_000
ROUNDS = 3
DONE_TIMEOUT_S = 60.0
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


class Run(msgspec.Struct, frozen=True):
    """Answers a second of all gateways together, and the 99th percentile of the wait."""

    per_s: float
    p99_ms: float


def press(gateways: Sequence[Child], what: str, sale_id: str, waiting: int) -> Run:
    """Let everybody press, `waiting` of them at a time; they press at each gateway alike."""
    for gateway in gateways:
        gateway.tell(f"{what} {sale_id} {PEOPLE // len(gateways)} {waiting // len(gateways)}")
    for gateway in gateways:
        gateway.hear("ready")
    began = time.perf_counter()
    for gateway in gateways:
        gateway.tell("go")
    waited_ms: list[float] = []
    for gateway in gateways:
        waited_ms += gateway.hear("done", DONE_TIMEOUT_S)["waited_ms"]
    took_s = time.perf_counter() - began
    return Run(PEOPLE / took_s, statistics.quantiles(waited_ms, n=100)[98])


class Bench:
    """One shop behind several gateways."""

    def __init__(self, database: PgDatabase, gateways: Sequence[Child], shop: Shop) -> None:
        self.database, self.gateways, self.shop = database, gateways, shop
        self.overfilled = self.stranded = 0

    async def run_reservations(self) -> Run:
        """Reserve plainly, all at once."""
        async with self.database.transaction() as transaction:
            await transaction.execute("UPDATE sales SET state = 'ended' WHERE kind = 'flash'")
        sale = await arm_flash(self.database, self.shop, quantity=UNITS)
        return press(self.gateways, "reserve", sale, PEOPLE)

    async def run_joins(self, waiting: int) -> Run:
        """Join any team, and count what is wrong afterwards."""
        sale = await open_group_buy(self.database, self.shop, need=NEED, quantity=UNITS)
        run = press(self.gateways, "join", sale, waiting)
        async with self.database.transaction() as transaction:
            row = await transaction.fetchrow(COUNT_WRONG, sale)
            await finish_campaign(transaction, sale, "end")
        self.overfilled += row["overfilled"]
        self.stranded += int(row["stranded"])
        return run


async def measure(url: str, rounds: int) -> dict[str, Any]:
    """Measure in turn, after a round that warms caches and plans."""
    await migrate(url)
    database = PgDatabase(await open_pool(url))
    shop = await make_shop(database, stock=UNITS * 3 * (rounds + 1))
    command = [sys.executable, "-m", "tests.bench.group_gateway", url]
    gateways = [Child(command) for _ in range(GATEWAYS)]
    bench = Bench(database, gateways, shop)
    plain, joins, steady = [], [], []
    try:
        for number in range(rounds + 1):
            reserved, joined = await bench.run_reservations(), await bench.run_joins(PEOPLE)
            waited = await bench.run_joins(WAITING)
            if number:
                plain.append(reserved)
                joins.append(joined)
                steady.append(waited)
                text = f"{joined.per_s:,.0f} joins/s, {reserved.per_s:,.0f} reservations/s"
                print(f"round {number}: {text}", file=sys.stderr, flush=True)
    finally:
        for gateway in gateways:
            gateway.stop()
    violations = (await audit(database)).violations
    assert violations == [], violations
    await database.close()
    ratios = [join.per_s / reserve.per_s for join, reserve in zip(joins, plain, strict=True)]
    return {
        "joins_per_s": round(statistics.median(run.per_s for run in joins)),
        "vs_reservations": round(statistics.median(ratios), 2),
        "p99_ms": round(statistics.median(run.p99_ms for run in joins), 1),
        "reservations_p99_ms": round(statistics.median(run.p99_ms for run in plain), 1),
        "p99_ms_of_1000_waiting": round(statistics.median(run.p99_ms for run in steady), 1),
        "overfilled": bench.overfilled,
        "stranded": bench.stranded,
    }


def main() -> int:
    """Run on servers of its own; 1 when a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.groups", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds that count")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        servers = Embedded(Path(folder))
        servers.start(say=lambda line: print(line, file=sys.stderr))
        try:
            assert servers.database_url is not None
            figures = uvloop.run(measure(servers.database_url, rounds))
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
