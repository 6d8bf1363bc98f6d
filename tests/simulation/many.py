"""Play many seeds on every core of the machine, and stop at the first that fails.

Invariant: memory does not grow with the number of seeds: a task is a few hundred of them and its
answer is their sums, and a process that has played `SEEDS_A_LIFE` makes room for a fresh one. Each
seed is played as if alone, whatever its process has played before.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.simulation.cores import bring_along, take_core
from tests.simulation.sale import Verdict, simulate

SEEDS_A_TASK = {"model": 100, "postgres": 2}
SEEDS_A_LIFE = {"model": 20_000, "postgres": 400}
# A sale that is over leaves few cycles; looking for them all the time took a third of it.
COLLECTED_AFTER = 50
# Of the server that dies with the simulation: nothing has to outlive it, and a sale's tables are so
# small that to plan each query anew, or to compile it, takes longer than to run it.
FOR_MANY_SALES = (
    "fsync = off",
    "full_page_writes = off",
    "jit = off",
    "plan_cache_mode = force_generic_plan",
)
Play = Callable[[int], Verdict]


class Task(msgspec.Struct, frozen=True):
    """Seeds to play, from `first` on."""

    first: int
    seeds: int


class Outcome(msgspec.Struct, frozen=True):
    """What a task showed; `failed` is its first seed that went wrong, the last one played then."""

    seeds: int
    faults: int
    failed: Verdict | None = None


class Server(msgspec.Struct, frozen=True):
    """A database server of the simulation's own, and its folder."""

    url: str
    folder: Path


class _Process:
    """What a process keeps between its tasks."""

    play: Play = staticmethod(simulate)


def play_all(core: str, *, first: int, seeds: int, processes: int) -> Iterator[Outcome]:
    """Play the seeds, many at once, and yield what each task showed, in no order."""
    size = SEEDS_A_TASK[core]
    ends = range(first, first + seeds, size)
    tasks = [Task(one, min(size, first + seeds - one)) for one in ends]
    with _setting(core) as server:
        # A fresh interpreter each: a fork would take open connections along.
        context = multiprocessing.get_context("spawn")
        with context.Pool(
            processes,
            initializer=_begin_process,
            initargs=(server,),
            maxtasksperchild=SEEDS_A_LIFE[core] // size,
        ) as pool:
            yield from pool.imap_unordered(play_task, tasks)


def count_processes() -> int:
    """Return how many simulations this machine plays at once."""
    return len(os.sched_getaffinity(0))


def play_task(task: Task) -> Outcome:
    """Play a task's seeds, up to the first that fails."""
    faults = 0
    for number in range(task.seeds):
        verdict = _Process.play(task.first + number)
        faults += verdict.faults
        if verdict.problems:
            return Outcome(number + 1, faults, verdict)
        if number % COLLECTED_AFTER == COLLECTED_AFTER - 1:
            gc.collect()
    return Outcome(task.seeds, faults)


def _begin_process(server: Server | None) -> None:
    # What was imported stays: a collection that looks at it takes as long as several sales.
    gc.freeze()
    gc.disable()
    if server is not None:
        gc.enable()
        take_core(server.folder)
        _Process.play = staticmethod(play_on_one_database(server.url))


@contextmanager
def _setting(core: str) -> Iterator[Server | None]:
    """Start what a core needs; give its server, if it has one."""
    if core == "model":
        yield None
        return
    from server.ops.embedded import Embedded
    from tests.support import databases
    from tests.support.folders import make_folder

    data = make_folder("hubbub-sim-")
    servers = Embedded(data, with_redis=False)
    servers.start(say=lambda line: None)
    try:
        assert servers.database_url is not None
        databases.make_template(servers.database_url)
        for setting in FOR_MANY_SALES:
            line = f"ALTER SYSTEM SET {setting}"
            databases.run_apart(databases.execute(servers.database_url, line))
        databases.run_apart(databases.execute(servers.database_url, "SELECT pg_reload_conf()"))
        yield Server(servers.database_url, data)
    finally:
        servers.stop()
        shutil.rmtree(data, ignore_errors=True)


def play_on_one_database(server_url: str) -> Play:
    """Return what plays seeds one after the other on a database that only this process uses."""
    from tests.simulation.core import ProviderDesk
    from tests.simulation.postgres_core import PostgresCore
    from tests.support import databases

    # What the services say about faults is not news here.
    logging.disable(logging.CRITICAL)
    url = databases.clone(server_url, databases.TEMPLATE_NAME)
    kept: list[PostgresCore] = []

    def make(desk: ProviderDesk, start_ms: int, buyers: int, units: int) -> PostgresCore:
        if kept:
            kept[0].reopen(desk, start_ms, buyers, units)
            bring_along(kept[0].backends())
        else:
            kept.append(_OpenCore(url, desk, start_ms, buyers, units))
        return kept[0]

    class _OpenCore(PostgresCore):
        """A core that stays open when a sale is over; the end of the server closes it."""

        def close(self) -> None:
            """Stay open."""

    # Outside the main thread a loop sets up no signals, which it does each time that it runs.
    aside = ThreadPoolExecutor(max_workers=1)
    return lambda seed: aside.submit(simulate, seed, make).result()
