"""Load all contenders in turn, several times over, and keep the medians.

All are up with their crowds connected; one publishes at a time, the others rest, so that whatever
else the machine does hits everybody alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import msgspec
import psutil

from tests.bench.fanout.field import Contender

# Passes on their way at saturation: enough that neither core ever waits for the other.
PASSES_MAX = 8
SETTLE_S = 0.4
# Who has been stopped may still work off what it took on; the next in turn must not pay for it.
REST_LOOK_S = 0.2
REST_BUSY_MAX = 0.05
REST_S_MAX = 30.0


class Load(msgspec.Struct, frozen=True):
    """What one contender did in one window."""

    frames_per_s: float
    lines_per_s: float
    server_busy: float
    crowd_busy: float

    @property
    def frames_per_cpu_s(self) -> float:
        """Frames for each second of the server's processor time; 0 when it was not measured."""
        return self.frames_per_s / self.server_busy if self.server_busy > 0 else 0.0


class Latency(msgspec.Struct, frozen=True):
    """Publish to receive at a fixed pace, in milliseconds; None when nothing arrived in time."""

    frames_per_s: float
    p50_ms: float | None
    p99_ms: float | None

    def __str__(self) -> str:
        if self.p50_ms is None or self.p99_ms is None:
            return "not measured, nothing arrived in time"
        return f"p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"


def saturate(contender: Contender, seconds: float) -> Load:
    """Let one contender publish as fast as its crowd receives."""
    server = psutil.Process(contender.server_pid)
    # A crowd that is quicker than its server sleeps between two frames, and the kernel wakes it at
    # the server's expense: that would measure how fast the crowd is.
    contender.crowd.tell("awake")
    contender.server.tell(f"load {PASSES_MAX}")
    time.sleep(SETTLE_S)
    contender.window()
    cpu_before = cpu_s(server)
    time.sleep(seconds)
    window = contender.window()
    cpu_used = cpu_s(server) - cpu_before
    contender.server.tell("stop")
    contender.crowd.tell("asleep")
    come_to_rest(server)
    took_s = window["seconds"]
    return Load(
        frames_per_s=window["frames"] / took_s,
        lines_per_s=window["lines"] / took_s,
        server_busy=cpu_used / took_s,
        crowd_busy=window["work_s"] / took_s,
    )


def hold_pace(contender: Contender, frames_per_s: float, seconds: float) -> Latency:
    """Let one contender publish at a fixed pace, and return how late its frames were."""
    if frames_per_s <= 0:
        return Latency(0.0, None, None)
    contender.crowd.tell("awake")
    contender.server.tell(f"pace {frames_per_s / contender.clients:.6f}")
    time.sleep(SETTLE_S)
    contender.window()
    time.sleep(seconds)
    window = contender.window()
    contender.server.tell("stop")
    contender.crowd.tell("asleep")
    come_to_rest(psutil.Process(contender.server_pid))
    lane = max((window["sale"], window["chat"]), key=lambda histogram: int(histogram["count"]))
    rate = window["frames"] / window["seconds"]
    if lane["count"] == 0:
        return Latency(rate, None, None)
    return Latency(rate, lane["p50_ms"], lane["p99_ms"])


def come_to_rest(server: psutil.Process) -> None:
    """Wait until a stopped contender has worked off its backlog, for a bounded time."""
    ends_s = time.monotonic() + REST_S_MAX
    while time.monotonic() < ends_s:
        before_s = cpu_s(server)
        time.sleep(REST_LOOK_S)
        if cpu_s(server) - before_s <= REST_BUSY_MAX * REST_LOOK_S:
            return


def cpu_s(process: psutil.Process) -> float:
    """Return the processor time a process has used, in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


def run_rounds(
    contenders: Sequence[Contender],
    *,
    rounds: int,
    seconds: float,
    tell: Callable[[str], None],
) -> dict[str, list[Load]]:
    """Saturate everybody in turn, `rounds` times, each round beginning with another."""
    loads: dict[str, list[Load]] = {contender.recipe.name: [] for contender in contenders}
    for number in range(rounds):
        first = number % len(contenders)
        for contender in [*contenders[first:], *contenders[:first]]:
            loads[contender.recipe.name].append(saturate(contender, seconds))
        rates = ", ".join(f"{name} {runs[-1].frames_per_s:,.0f}" for name, runs in loads.items())
        tell(f"  round {number + 1}: frames/s: {rates}")
    return loads


def median_load(loads: Sequence[Load]) -> Load:
    """Return the medians of several windows."""
    return Load(
        frames_per_s=statistics.median(load.frames_per_s for load in loads),
        lines_per_s=statistics.median(load.lines_per_s for load in loads),
        server_busy=statistics.median(load.server_busy for load in loads),
        crowd_busy=statistics.median(load.crowd_busy for load in loads),
    )


def median_ratio(ours: Sequence[Load], theirs: Sequence[Load] | None) -> float | None:
    """Return the median over the rounds of our rate over theirs; None when they did not run.

    A round in which a contender did not finish a single frame tells no ratio.
    """
    rounds = zip(ours, theirs or (), strict=bool(theirs))
    ratios = [a.frames_per_s / b.frames_per_s for a, b in rounds if b.frames_per_s > 0]
    return statistics.median(ratios) if ratios else None
