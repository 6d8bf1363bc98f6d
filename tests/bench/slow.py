"""Let 5 % of a crowd read 1 KB/s, and see whether the others or the memory notice.

One gateway as in `make bench-fanout`, with the log in memory and a real Redis: sale events and chat
go publish, Redis, link, room, socket; chat waits for its tick as it always does. Runs without and
with slow readers alternate; the ratio is the median over the pairs of the others' p99 of sale
events, which come at uneven moments, so that no run hangs on where in a tick they happen to fall.
Memory is bounded when it grows by no more than what the limits grant the slow readers. At the end
of a run the slow read freely, and everybody's sale lane is judged. The last run is long enough for
slow readers to be sent away (4108) and to come back.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from typing import Any

import msgspec

from realtime.gateway.limits import GatewayLimits
from tests.bench.compiled import NoCompilerError
from tests.bench.crowd_client import CrowdClient
from tests.bench.fanout.__main__ import PREFIX, own_redis, tell
from tests.bench.fanout.field import CROWD_CORE, Contender, gateway

# As many as staff may make in a room: a p99 of fewer would be the one worst event of a run.
SALE_EVENTS_PER_S = 20
CHAT_LINES_PER_S = 100
SETTLE_S = 40.0
SAMPLE_EVERY_S = 0.25
RATIO_MAX = 1.25


class Run(msgspec.Struct, frozen=True):
    """One run of one crowd."""

    p99_ms: float
    chat_p99_ms: float
    resident_bytes: int
    verdict: dict[str, Any]
    sale_events: int

    @property
    def missed(self) -> int:
        """Events that somebody did not get, by whatever way."""
        found = self.verdict
        unseen = (found["clients"] - found["joined"]) * self.sale_events
        return int(found["missed"] + found["differing"] + found["malformed"] + unseen)


class Peak:
    """The most memory that a process was seen to have, sampled in the background."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._ended = threading.Event()
        self.resident_bytes = 0
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Return the peak."""
        self._ended.set()
        self._thread.join()
        return self.resident_bytes

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY_S):
            now = self._contender.server.resident_bytes()
            self.resident_bytes = max(self.resident_bytes, now)


def run_once(contender: Contender, clients: int, slow_percent: int, seconds: float) -> Run:
    """Load one crowd for a while, then let everybody catch up and judge what they saw."""
    crowd: CrowdClient = contender.second_crowd(clients, "--slow-percent", str(slow_percent))
    peak = Peak(contender)
    try:
        crowd.wait_until_ready()
        before = contender.server.ask("offset", "offset")["offset"]
        contender.server.tell(f"mix {SALE_EVENTS_PER_S} {CHAT_LINES_PER_S}")
        time.sleep(1)
        crowd.window()
        time.sleep(seconds)
        window = crowd.window()
        contender.server.tell("stop")
        time.sleep(0.5)
        after = contender.server.ask("offset", "offset")["offset"]
        crowd.tell("thaw")
        verdict = crowd.verdict(after, within_s=SETTLE_S) | {"clients": clients}
    finally:
        crowd.stop()
        resident_bytes = peak.stop()
    return Run(
        p99_ms=window["sale"]["p99_ms"],
        chat_p99_ms=window["chat"]["p99_ms"],
        resident_bytes=resident_bytes,
        verdict=verdict,
        sale_events=after - before,
    )


def bench(flags: argparse.Namespace, redis_url: str) -> None:
    """Run the pairs and the long run, and print the figures."""
    percent = flags.slow_percent
    calm, crowded = [], []
    # The contender's own crowd is one client that only watches.
    with Contender(gateway(redis_url, PREFIX), 1) as contender:
        run_once(contender, flags.clients, 0, 2.0)  # Warms up; not counted.
        for number in range(1, flags.pairs + 1):
            calm.append(run_once(contender, flags.clients, 0, flags.seconds))
            crowded.append(run_once(contender, flags.clients, percent, flags.seconds))
            tell(
                f"pair {number}: the others' p99 of sale events {calm[-1].p99_ms:.1f} ms without,"
                f" {crowded[-1].p99_ms:.1f} ms with slow readers (chat"
                f" {calm[-1].chat_p99_ms:.0f} and {crowded[-1].chat_p99_ms:.0f} ms, with its tick)"
            )
        tell(f"a long run of {flags.long_s:.0f} s …")
        long = run_once(contender, flags.clients, percent, flags.long_s)
    print(msgspec.json.encode(figures(flags, calm, crowded, long)).decode())


def figures(
    flags: argparse.Namespace, calm: list[Run], crowded: list[Run], long: Run
) -> dict[str, Any]:
    """Return the last line, and tell what it does not live up to."""
    ratio = statistics.median(b.p99_ms / a.p99_ms for a, b in zip(calm, crowded, strict=True))
    runs = [*calm, *crowded, long]
    slow = flags.clients * flags.slow_percent // 100
    # The first run had no slow readers before it, whose memory may stay with the allocator.
    growth = max(run.resident_bytes for run in [*crowded, long]) - calm[0].resident_bytes
    granted = slow * GatewayLimits().close_bytes
    missed = sum(run.missed for run in runs)
    if ratio > RATIO_MAX:
        tell(f"missed: the ratio is {ratio:.2f}; at most {RATIO_MAX} is expected")
    if missed:
        tell(f"missed: {missed} sale events did not reach somebody")
    if growth > granted:
        tell(f"missed: memory grew by {growth:,} bytes; at most {granted:,} are granted")
    codes = [run.verdict["codes"].get("4108", 0) for run in runs]
    return {
        "clients": flags.clients,
        "slow": slow,
        "others_p99_ms": round(statistics.median(run.p99_ms for run in calm), 2),
        "others_p99_ms_with_slow": round(statistics.median(run.p99_ms for run in crowded), 2),
        "ratio_median": round(ratio, 2),
        "rss_growth_bytes": growth,
        "rss_growth_bytes_max": granted,
        "sale_events": sum(run.sale_events for run in runs),
        "sale_missed": missed,
        "seconds": round(sum([flags.seconds] * 2 * flags.pairs) + flags.long_s, 1),
        "duplicates": sum(run.verdict["duplicates"] for run in runs),
        "snapshots": sum(run.verdict["snapshots"] for run in runs),
        "replayed": sum(run.verdict["replayed"] for run in runs),
        "closed_too_slow": sum(codes),
    }


def main() -> None:
    """Read the flags, start a Valkey, measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.slow", description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--slow-percent", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a run")
    parser.add_argument("--long-s", type=float, default=40.0, help="length of the last run")
    flags = parser.parse_args()
    tell(
        f"{flags.clients:,} clients on core {CROWD_CORE}, {flags.slow_percent} % of them at 1 KB/s;"
        f" {SALE_EVENTS_PER_S} sale events and {CHAT_LINES_PER_S} chat lines a second"
    )
    try:
        with own_redis() as url:
            bench(flags, url)
    except NoCompilerError as error:
        raise SystemExit(f"nothing could be measured: {error}") from None


if __name__ == "__main__":
    main()
