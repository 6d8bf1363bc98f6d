"""The video benchmark's arithmetic, on numbers that are known."""

from __future__ import annotations

import pytest

from tests.bench.video.figures import Figures, Level, fit, misses


def level(viewers: int, cpu_share: float) -> Level:
    return Level(viewers, cpu_share, 30.0, 30.0, 1.5e6, 0)


def test_the_line_goes_through_points_that_lie_on_one() -> None:
    line = fit([level(50, 0.15), level(100, 0.25), level(150, 0.35)])

    assert line.per_viewer == pytest.approx(0.002)
    assert line.base == pytest.approx(0.05)
    # What the publisher costs is not left out of the core.
    assert line.viewers_per_core == 475


def test_two_points_are_enough_and_noise_is_balanced() -> None:
    assert fit([level(1, 0.5), level(2, 0.9)]).per_viewer == pytest.approx(0.4)
    noisy = fit([level(50, 0.16), level(100, 0.23), level(150, 0.36)])
    assert noisy.per_viewer == pytest.approx(0.002)


def test_each_miss_is_named_and_what_was_not_run_is_none() -> None:
    assert misses(Figures()) == []
    assert misses(Figures(viewers_per_core=500, first_frame_ms=500.0, fps=29.0)) == []
    assert [
        miss.split()[0] for miss in misses(Figures(499, 299, 99.9, 28.9, 501.0, 300.1, 27.9))
    ] == [
        "viewers_per_core",
        "viewers_per_core_plain",
        "cpu_vs_mediarelay",
        "fps",
        "fps_at_5_percent_loss",
        "first_frame_ms",
        "glass_to_glass_ms",
    ]
