"""Play many seeds: `python -m tests.simulation [SEEDS] [--from S] [--core model|postgres]`.

Prints progress; the first seed that fails is printed with what is wrong and its last events, and
the exit status is 1.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.simulation.sale import Verdict, simulate

SHOWN_PROBLEMS_MAX = 10


@contextmanager
def simulators(core: str) -> Iterator[object]:
    """Give a function that plays one seed on the core that was asked for."""
    if core == "model":
        yield simulate
        return
    from server.ops.embedded import Embedded
    from tests.simulation.postgres_core import make_postgres_core
    from tests.support import databases

    # What the services say about faults is not news here.
    logging.disable(logging.CRITICAL)
    data = Path(tempfile.mkdtemp(prefix="hubbub-sim-"))
    servers = Embedded(data)
    servers.start(say=lambda line: None)
    assert servers.database_url is not None
    template = databases.make_template(servers.database_url)

    def play(seed: int) -> Verdict:
        assert servers.database_url is not None
        url = databases.clone(servers.database_url, template)
        try:
            return simulate(seed, make_postgres_core(url))
        finally:
            databases.drop(servers.database_url, url)

    try:
        yield play
    finally:
        servers.stop()
        shutil.rmtree(data, ignore_errors=True)


def describe(verdict: Verdict) -> str:
    """Return what a seed that failed has to say."""
    problems = "\n".join(f"  - {one}" for one in verdict.problems[:SHOWN_PROBLEMS_MAX])
    events = "\n".join(f"  {one}" for one in verdict.trace)
    return f"seed {verdict.seed} fails:\n{problems}\nits last events:\n{events}"


def main(arguments: list[str]) -> int:
    """Play the seeds that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", nargs="?", type=int, default=1_000)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--core", choices=["model", "postgres"], default="model")
    wish = parser.parse_args(arguments)
    started_s = shown_s = time.monotonic()
    faults = 0
    with simulators(wish.core) as play:
        for number in range(1, wish.seeds + 1):
            verdict = play(wish.first + number - 1)  # type: ignore[operator]
            faults += verdict.faults
            if verdict.problems:
                print(describe(verdict))
                return 1
            if time.monotonic() - shown_s > 1 or number == wish.seeds:
                shown_s = time.monotonic()
                rate = number / (shown_s - started_s)
                line = f"{number:,} of {wish.seeds:,} sales, {faults:,} faults, {rate:.0f} a second"
                print(line, file=sys.stderr, flush=True)
    print(f"{wish.seeds:,} sales on the {wish.core} core, from seed {wish.first}: all whole")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
