"""Let one, two and four processes press for one pool: more of them must not make it slower.

Each process has its own reservation core with its own connections, as gateways have. Inside the
measured path: the same as in `core`, and what the processes cost each other on two cores and on the
pool's one row. Decisions a second are of all processes together, from the first press to the last
answer of the slowest.
"""

from __future__ import annotations

import statistics
import sys
import time

from tests.bench.children import Child
from tests.bench.reserve.core import DECISIONS, WAITING, Bench

PROCESSES = (1, 2, 4)
ROUNDS = 3
DONE_TIMEOUT_S = 120.0


async def run_processes(bench: Bench, database_url: str, count: int) -> float:
    """Return the decisions a second of `count` processes together."""
    sale_id, pool_id = await bench.new_pool(DECISIONS)
    command = [sys.executable, "-m", "tests.bench.reserve.presser", database_url, sale_id]
    shares = [str(DECISIONS // count), str(WAITING // count)]
    children = [Child([*command, *shares]) for _ in range(count)]
    try:
        for child in children:
            child.hear("ready")
        started_s = time.perf_counter()
        for child in children:
            child.tell("go")
        for child in children:
            child.hear("done", DONE_TIMEOUT_S)
        took_s = time.perf_counter() - started_s
    finally:
        for child in children:
            child.stop()
    await bench.check_claimed(pool_id, DECISIONS)
    return DECISIONS / took_s


async def compare_processes(bench: Bench, database_url: str) -> dict[str, int]:
    """Return decisions a second by number of processes, the median of some rounds."""
    rates: dict[int, list[float]] = {count: [] for count in PROCESSES}
    for number in range(1, ROUNDS + 1):
        for count in PROCESSES:
            rates[count].append(await run_processes(bench, database_url, count))
        line = ", ".join(f"{count}: {rates[count][-1]:,.0f}" for count in PROCESSES)
        print(f"round {number}: decisions/s by processes {line}", flush=True)
    return {str(count): round(statistics.median(found)) for count, found in rates.items()}
