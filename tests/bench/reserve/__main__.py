"""Measure the reservation core in four places; the last line is one JSON object.

`core`: next to one transaction a request, and a Redis script for the record. `processes`: one, two
and four of them on one pool. `sockets`: 5,000 people who press at once, and the latch. Each module
says what was inside the measured path. After every run the stock is counted, every answer over
sockets is held against the journal, and the auditor has the last word: exits with 1 when anything
was oversold or disagrees, however good the figures are.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvloop

from commerce.insight.audit.service import audit
from server.db.database import (
    RESERVE_CONNECTIONS_MAX,
    PgDatabase,
    open_pool,
    open_reserve_pool,
)
from server.db.migrate import migrate
from server.ops.embedded import Embedded
from tests.bench.compiled import NoCompilerError
from tests.bench.reserve import core, sockets
from tests.bench.reserve.processes import PROCESSES, compare_processes
from tests.bench.reserve.processes import ROUNDS as PROCESS_ROUNDS
from tests.support.program import Program
from tests.support.shop import make_shop

EXPECTED: dict[str, tuple[str, float]] = {
    "ratio": ("at least", 15),
    "decisions_per_s": ("at least", 20_000),
    "processes_worst": ("at least", 0.7),
    "gone_ms": ("at most", 1_000),
    "ack_p99_ms": ("at most", 300),
    "refused_p99_ms": ("at most", 500),
    "latch_per_core_s": ("at least", 12_000),
    "oversold": ("at most", 0),
    "violations": ("at most", 0),
}


def misses(figures: dict[str, Any]) -> list[str]:
    """Say what the figures do not live up to; what was not measured is no miss."""
    found = []
    for name, (bound, value) in EXPECTED.items():
        figure = figures.get(name)
        if figure is None:
            continue
        if (figure < value) if bound == "at least" else (figure > value):
            found.append(f"{name} is {figure:,}; {bound} {value:,} is expected")
    return found


def is_unsafe(figures: dict[str, Any]) -> bool:
    """Say whether anything was oversold, or the auditor or a journal disagrees."""
    return any(figures[name] > 0 for name in ("oversold", "violations"))


@contextmanager
def own_servers() -> Iterator[Embedded]:
    """Run PostgreSQL and Valkey of the benchmark's own."""
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        servers = Embedded(Path(folder))
        servers.start(say=lambda line: print(line, file=sys.stderr))
        try:
            yield servers
        finally:
            servers.stop()


async def measure_core(servers: Embedded, rounds: int) -> dict[str, Any]:
    """Measure without sockets."""
    url, redis_url = servers.database_url, servers.redis_url
    assert url is not None
    assert redis_url is not None
    await migrate(url)
    database = PgDatabase(await open_pool(url))
    connections = await open_reserve_pool(url)
    runs = 1 + rounds + PROCESS_ROUNDS * len(PROCESSES)
    stock = runs * core.DECISIONS + rounds * core.BASELINE_DECISIONS
    bench = core.Bench(database, connections, await make_shop(database, stock=stock))
    await bench.run_batched()  # Warms caches and plans; not counted.
    batched, baseline, gate = [], [], []
    for number in range(1, rounds + 1):
        batched.append(await bench.run_batched())
        baseline.append(await bench.run_baseline())
        gate.append(await bench.run_gate(redis_url))
        print(
            f"round {number}: batched {batched[-1].per_s:,.0f}/s (p99 {batched[-1].p99_ms:.1f} ms),"
            f" baseline {baseline[-1].per_s:,.0f}/s, a Redis script {gate[-1].per_s:,.0f}/s",
            flush=True,
        )
    processes = await compare_processes(bench, url)
    violations = len((await audit(database)).violations)
    await connections.close()
    await database.close()
    ratios = [a.per_s / b.per_s for a, b in zip(batched, baseline, strict=True)]
    return {
        "decisions_per_s": round(statistics.median(run.per_s for run in batched)),
        "baseline_per_s": round(statistics.median(run.per_s for run in baseline)),
        "ratio": round(statistics.median(ratios), 1),
        "p99_ms": round(statistics.median(run.p99_ms for run in batched), 1),
        "redis_lua_per_s": round(statistics.median(run.per_s for run in gate)),
        "processes_per_s": processes,
        "processes_worst": round(min(processes.values()) / max(processes.values()), 2),
        "oversold": bench.oversold,
        "violations": violations,
    }


def measure_sockets(servers: Embedded) -> dict[str, Any]:
    """Measure over sockets, with the real program."""
    assert servers.database_url is not None
    assert servers.redis_url is not None
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        environment = {
            "PORT": "0",
            "DATA": folder,
            "HUBBUB_GATEWAYS": "2",
            "HUBBUB_DATABASE_URL": servers.database_url,
            "HUBBUB_REDIS_URL": servers.redis_url,
        }
        program = Program("serve", "--demo", environment=environment)
        try:
            program.wait_until_ready()
            rounds, problems, violations = asyncio.run(sockets.race(servers, program))
        finally:
            program.stop()
    for problem in problems:
        print(f"wrong: {problem}", flush=True)
    figures: dict[str, Any] = {
        name: round(statistics.median(one[name] for one in rounds), 1) for name in rounds[0]
    }
    return {
        "clients": sockets.CLIENTS,
        "units": sockets.UNITS,
        **figures,
        "violations": violations + len(problems),
    }


def main() -> None:
    """Read the flags, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reserve", description=__doc__)
    parser.add_argument("--rounds", type=int, default=core.ROUNDS, help="rounds of the core")
    parser.add_argument("--only", choices=("core", "sockets"), help="leave the other out")
    flags = parser.parse_args()
    print(
        f"{platform.machine()}, Python {platform.python_version()}, PostgreSQL with fsync on,"
        f" {RESERVE_CONNECTIONS_MAX} connections, {core.WAITING:,} waiting,"
        f" {core.DECISIONS:,} decisions",
        flush=True,
    )
    figures: dict[str, Any] = {"oversold": 0, "violations": 0}
    parts: Sequence[tuple[str, Callable[[Embedded], dict[str, Any]]]] = (
        ("core", lambda servers: uvloop.run(measure_core(servers, flags.rounds))),
        ("sockets", measure_sockets),
    )
    for name, measure in parts:
        if flags.only not in (None, name):
            continue
        try:
            with own_servers() as servers:
                found = measure(servers)
        except NoCompilerError as error:
            print(f"{name} could not be measured: {error}", flush=True)
            continue
        found["violations"] += figures["violations"]
        figures |= found
    for miss in misses(figures):
        print(f"missed: {miss}", flush=True)
    print(orjson.dumps(figures).decode())
    if is_unsafe(figures):
        sys.exit(1)


if __name__ == "__main__":
    main()
