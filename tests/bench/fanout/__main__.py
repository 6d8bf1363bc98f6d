"""Measure how many frames a second reach a room from one core, next to other ways to do it.

Two cores: the server on one, the crowd on the other. Inside the measured path: composing and
framing the line, the pass over the members, transports, the kernel. Outside: TLS, PostgreSQL.
The last line is one JSON object; what this machine could not measure is null in it.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from server.ops.embedded import Embedded
from tests.bench.compiled import NoCompilerError
from tests.bench.fanout.field import Contender, Recipe, gateway, others, send_loop
from tests.bench.fanout.figures import OURS, Level, misses, per_cpu_ratios
from tests.bench.fanout.gateway_alone import measure_idle, measure_lines, measure_link
from tests.bench.fanout.rounds import hold_pace, median_load, run_rounds

PREFIX = "bench:"
LEVELS = (1_000, 5_000)


def tell(line: str) -> None:
    """Say something to a person."""
    print(line, flush=True)


class Plan(msgspec.Struct, frozen=True):
    """How long and how much."""

    rounds: int
    seconds: float
    idle_connections: int
    idle_s: float
    redis_url: str


def measure_level(recipes: list[Recipe], viewers: int, plan: Plan) -> Level:
    """Load everybody with so many viewers, then hold everybody at half its own best."""
    tell(f"{viewers:,} viewers, frames of 160 bytes:")
    # A pass over a large crowd takes the slowest a second; a window holds more than one.
    seconds = plan.seconds * (1 if viewers == LEVELS[0] else 1.5)
    with ExitStack() as stack:
        contenders = [stack.enter_context(Contender(recipe, viewers)) for recipe in recipes]
        loads = run_rounds(contenders, rounds=plan.rounds, seconds=seconds, tell=tell)
        ours = None
        for contender in contenders:
            name = contender.recipe.name
            load = median_load(loads[name])
            latency = hold_pace(contender, load.frames_per_s / 2, 2 * seconds)
            tell(
                f"  {name}: {load.frames_per_s:,.0f} frames/s (server core {load.server_busy:.0%},"
                f" crowd core {load.crowd_busy:.0%} busy, {load.frames_per_cpu_s:,.0f} a CPU"
                f" second); at half of it {latency}"
            )
            if name == OURS:
                ours = latency
    assert ours is not None
    return Level(viewers, loads, ours)


def measure_alone(plan: Plan, level: Level) -> dict[str, Any]:
    """Measure what only our gateway is asked."""
    recipe = gateway(plan.redis_url, PREFIX)
    with Contender(recipe, LEVELS[0], "--lines") as contender:
        lines = measure_lines(contender, 2 * plan.seconds)
        link = measure_link(contender, plan.redis_url, PREFIX)
    frame_us = 1e6 / median_load(level.loads[OURS]).frames_per_cpu_s
    tell(
        f"frames of 8 lines: {lines.lines_per_s:,.0f} lines/s in"
        f" {lines.frames_per_s:,.0f} frames/s\n"
        f"Redis link: {link.us_per_message:.0f} µs of the core a message; one frame to one viewer"
        f" {frame_us:.1f} µs: reading a message costs as much as writing it to"
        f" {link.us_per_message / frame_us:.0f} viewers"
    )
    bytes_each = None
    if plan.idle_connections:
        tell(f"holding {plan.idle_connections:,} idle viewers for {plan.idle_s:.0f} s …")
        bytes_each = round(measure_idle(recipe, plan.idle_connections, plan.idle_s))
        tell(f"resident memory for each idle viewer: {bytes_each:,} bytes")
    return {
        "bytes_per_connection": bytes_each,
        "lines_per_s": round(lines.lines_per_s),
        "frames_per_s_of_lines": round(lines.frames_per_s),
        "link_us_per_message": round(link.us_per_message, 1),
        "frame_cpu_us": round(frame_us, 2),
    }


def field(redis_url: str) -> list[Recipe]:
    """Return who takes part; our own gateway comes first."""
    recipes = [gateway(redis_url, PREFIX), send_loop(), *others()]
    missing = {"nchan"} - {recipe.name for recipe in recipes}
    for name in missing:
        tell(f"{name}: not installed")
    return recipes


def bench(plan: Plan) -> None:
    """Run everything and print the figures."""
    recipes = field(plan.redis_url)
    small, large = (measure_level(recipes, viewers, plan) for viewers in LEVELS)
    alone = measure_alone(plan, small)
    line: dict[str, Any] = {"viewers": list(LEVELS), **small.figures(), **alone}
    line["at_5000"] = large.figures() | {"bytes_per_connection": alone["bytes_per_connection"]}
    line["p99_in_passes"] = large.p99_in_passes
    line["frames_per_cpu_s"] = small.per_cpu()
    line["per_cpu_s"] = per_cpu_ratios(small.per_cpu())
    line["at_5000"]["per_cpu_s"] = per_cpu_ratios(large.per_cpu())
    for miss in misses(line):
        tell(f"missed: {miss}")
    print(msgspec.json.encode(line).decode())


@contextmanager
def own_redis() -> Iterator[str]:
    """Run a Valkey of the benchmark's own."""
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        servers = Embedded(Path(folder), with_database=False)
        servers.start(say=lambda text: print(text, file=sys.stderr))
        assert servers.redis_url is not None
        try:
            yield servers.redis_url
        finally:
            servers.stop()


def main() -> None:
    """Read the flags, start a Valkey, measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fanout", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="windows of each contender")
    parser.add_argument("--seconds", type=float, default=1.2, help="length of a window")
    parser.add_argument("--idle-connections", type=int, default=15_000, help="0 leaves it out")
    parser.add_argument("--idle-s", type=float, default=60.0, help="how long they are held")
    flags = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the server, one for the crowd")
    tell(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    try:
        with own_redis() as url:
            bench(
                Plan(flags.rounds, flags.seconds, flags.idle_connections, flags.idle_s, url),
            )
    except NoCompilerError as error:
        raise SystemExit(f"nothing could be measured: {error}") from None


if __name__ == "__main__":
    main()
