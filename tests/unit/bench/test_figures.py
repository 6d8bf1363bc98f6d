"""The benchmarks' last lines tell misses, and never make up what was not measured."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench import recovery
from tests.bench.fanout.figures import OURS, Level, misses, per_cpu_ratios
from tests.bench.fanout.rounds import Latency, Load, median_ratio


def load(frames_per_s: float, busy: float = 1.0) -> Load:
    return Load(frames_per_s, frames_per_s, busy, 0.5)


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    ours, theirs = [load(10), load(20), load(90)], [load(10), load(10), load(10)]
    assert median_ratio(ours, theirs) == 2.0
    assert median_ratio(ours, None) is None
    assert median_ratio(ours, [load(0), load(5), load(0)]) == 4.0
    assert median_ratio(ours, [load(0), load(0), load(0)]) is None


def test_who_did_not_run_is_null() -> None:
    level = Level(1000, {OURS: [load(50_000)], "c_loop": [load(80_000)]}, Latency(1, 2, 3))
    line = level.figures()
    assert (line["vs_c_loop"], line["vs_nchan"]) == (0.62, None)
    assert level.pass_ms == 20.0
    assert level.p99_in_passes == 0.15
    assert Level(9, level.loads, Latency(0, None, None)).p99_in_passes is None
    assert misses(line) == ["vs_c_loop is 0.62; at least 0.7 is expected"]


def test_rates_a_cpu_second_do_not_care_how_much_of_the_core_there_was() -> None:
    level = Level(1, {OURS: [load(10, 0.2)], "c_loop": [load(50, 1.0)]}, Latency(1, 2, 3))
    assert per_cpu_ratios(level.per_cpu())["vs_c_loop"] == 1.0


def test_too_much_is_a_miss_too() -> None:
    assert len(misses({"bytes_per_connection": 9000, "p99_ms": 24.9, "p99_in_passes": None})) == 1


def seen(**changed: Any) -> dict[str, Any]:
    counts = dict.fromkeys(
        (
            "missed",
            "duplicates",
            "differing",
            "malformed",
            "replayed",
            "snapshots",
            "covered",
            "unplaced",
            "epoch_changes",
            "rewinds",
        ),
        0,
    )
    rest: dict[str, Any] = {"cuts": 9, "lost": 0, "codes": {}, "joined": 10}
    replay = {"p50_ms": 1.0, "p99_ms": 2.0}
    return counts | rest | {"expected": 1_000_000, "replay": replay} | changed


def line_of(**changed: Any) -> dict[str, Any]:
    return recovery.figures(seen(**changed), clients=10, sale_events=100_000, seconds=1.0)


@pytest.mark.parametrize(
    ("changed", "percent"),
    [({}, 100.0), ({"missed": 1}, 99.99), ({"joined": 9, "expected": 900_000}, 90.0)],
)
def test_a_hundred_percent_means_that_nothing_is_missing(
    changed: dict[str, Any], percent: float
) -> None:
    line = line_of(**changed)
    assert line["delivered_percent"] == percent
    assert bool(recovery.misses(line)) == (percent < 100)


def test_a_duplicate_or_another_event_is_a_miss() -> None:
    assert recovery.misses(line_of(duplicates=1)) == ["no event comes twice"]
    assert recovery.misses(line_of(differing=1)) == ["everybody sees the same events"]
    assert recovery.misses(line_of(unplaced=1)) == ["every event has its place"]
    assert recovery.misses(line_of(epoch_changes=1)) == ["every event has its place"]
    assert recovery.misses(line_of(cuts=0)) == ["clients were cut"]
