"""Play many seeds: `python -m tests.simulation [SEEDS] [--from S] [--core model|postgres]`.

All cores of the machine play. Prints how far it is; a seed that fails is printed with what is
wrong and its last events, the rest is left, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

from tests.simulation.many import count_processes, play_all
from tests.simulation.sale import Verdict
from tests.simulation.world import START_MS

SHOWN_PROBLEMS_MAX = 10
SHOWN_EVERY_S = 1.0
# Where nobody watches, an hour is not thousands of lines.
LOGGED_EVERY_S = 30.0


class Progress:
    """How far it is, how fast, and how long it will take, on one line of a terminal."""

    def __init__(self, seeds: int) -> None:
        self.seeds = seeds
        self.played = self.faults = 0
        self._started_s = self._shown_s = time.monotonic()
        self._is_watched = sys.stderr.isatty()

    def add(self, seeds: int, faults: int) -> None:
        """Count what was played, and show it now and then."""
        self.played += seeds
        self.faults += faults
        now_s = time.monotonic()
        pause_s = SHOWN_EVERY_S if self._is_watched else LOGGED_EVERY_S
        if now_s - self._shown_s > pause_s or self.played == self.seeds:
            self._shown_s = now_s
            self.show(now_s)

    def show(self, now_s: float) -> None:
        """Write the line."""
        rate = self.played / max(now_s - self._started_s, 1e-3)
        left_s = (self.seeds - self.played) / rate
        line = (
            f"{self.played:,} of {self.seeds:,} sales, {self.faults:,} faults, "
            f"{rate:.1f} a second, {left_s / 60:.0f} min left"
        )
        is_over = self.played == self.seeds
        end = "\r" if self._is_watched and not is_over else "\n"
        print(f"{line:<78}", end=end, file=sys.stderr, flush=True)


def describe(verdict: Verdict) -> str:
    """Return what a seed that failed has to say."""
    problems = "\n".join(f"  - {one}" for one in verdict.problems[:SHOWN_PROBLEMS_MAX])
    events = "\n".join(
        f"  {(at_ms - START_MS) / 1000:9.3f} s  {what}" for at_ms, what in verdict.trace
    )
    return f"seed {verdict.seed} fails:\n{problems}\nits last events:\n{events}"


def main(arguments: list[str]) -> int:
    """Play the seeds that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", nargs="?", type=int, default=1_000)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--core", choices=["model", "postgres"], default="model")
    parser.add_argument("--processes", type=int, default=count_processes())
    wish = parser.parse_args(arguments)
    # As Ctrl-C: a database of ours is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    progress = Progress(wish.seeds)
    outcomes = play_all(
        wish.core, first=wish.first, seeds=wish.seeds, processes=min(wish.processes, wish.seeds)
    )
    for outcome in outcomes:
        if outcome.failed is not None:
            outcomes.close()
            print(describe(outcome.failed))
            print(f"again: make simulate SEEDS=1 FROM={outcome.failed.seed} CORE={wish.core}")
            return 1
        progress.add(outcome.seeds, outcome.faults)
    print(f"{wish.seeds:,} sales on the {wish.core} core, from seed {wish.first}: all whole")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
