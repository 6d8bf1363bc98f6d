"""Turn what was measured into the benchmark's last line. Pure: a miss is told, never hidden.

What was not measured is null, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tests.bench.fanout.rounds import Latency, Load, median_load, median_ratio

OURS = "hubbub"
RIVALS = ("c_loop", "websockets_broadcast", "starlette", "python_socketio", "nchan")
EXPECTED_AT_LEAST = {
    "vs_c_loop": 0.70,
    "vs_nchan": 1.3,
    "vs_starlette": 1.6,
    "vs_python_socketio": 8.0,
    "lines_per_s": 1_000_000,
}
EXPECTED_AT_MOST = {"bytes_per_connection": 8192, "p99_ms": 25.0, "p99_in_passes": 3.0}


class Level(msgspec.Struct, frozen=True):
    """Everything measured with so many viewers."""

    viewers: int
    loads: Mapping[str, Sequence[Load]]
    latency: Latency

    @property
    def pass_ms(self) -> float:
        """How long one frame to everybody takes our gateway at saturation."""
        return self.viewers / median_load(self.loads[OURS]).frames_per_s * 1000

    @property
    def p99_in_passes(self) -> float | None:
        """How many such times the slowest hundredth of frames waited at half the load."""
        late_ms = self.latency.p99_ms
        return None if late_ms is None else round(late_ms / self.pass_ms, 2)

    def figures(self) -> dict[str, Any]:
        """Return this level's keys of the last line."""
        ours = self.loads[OURS]
        found: dict[str, Any] = {"frames_per_s": round(median_load(ours).frames_per_s)}
        for rival in RIVALS:
            found[f"vs_{rival}"] = rounded(median_ratio(ours, self.loads.get(rival)), 2)
        found["p50_ms"] = rounded(self.latency.p50_ms, 2)
        found["p99_ms"] = rounded(self.latency.p99_ms, 2)
        return found

    def per_cpu(self) -> dict[str, float]:
        """Return each contender's frames for a second of its own processor time."""
        return {
            name: round(median_load(runs).frames_per_cpu_s) for name, runs in self.loads.items()
        }


def per_cpu_ratios(per_cpu: Mapping[str, float]) -> dict[str, float]:
    """Return our frames a CPU second over the others': it holds on a machine that is shared."""
    return {f"vs_{name}": round(per_cpu[OURS] / rate, 2) for name, rate in per_cpu.items() if rate}


def rounded(value: float | None, digits: int) -> float | None:
    """Round what was measured."""
    return None if value is None else round(value, digits)


def misses(line: Mapping[str, Any]) -> list[str]:
    """Say which expectations the last line does not meet; what was not measured is no miss."""
    found = []
    for key, least in EXPECTED_AT_LEAST.items():
        if line.get(key) is not None and line[key] < least:
            found.append(f"{key} is {line[key]:,}; at least {least:,} is expected")
    for key, most in EXPECTED_AT_MOST.items():
        if line.get(key) is not None and line[key] > most:
            found.append(f"{key} is {line[key]:,}; at most {most:,} is expected")
    return found
