"""Each part of `make bench-video` runs, on a small scale, and counts what really came."""

from __future__ import annotations

import pytest

from tests.bench.video.capacity import measure, measure_loss
from tests.bench.video.figures import fit

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["fast", "plain"])
def test_a_way_of_sending_is_measured(mode: str) -> None:
    levels = measure(mode, [2, 12], 1.0)

    assert [level.viewers for level in levels] == [2, 12]
    assert all(level.silent == 0 for level in levels)
    assert all(level.verifier_fps > 1 for level in levels)
    # On a busy machine two short windows may lie anywhere, but no server is free of charge.
    assert fit(levels).base + fit(levels).per_viewer * 7 > 0


def test_loss_is_measured() -> None:
    assert measure_loss(0.05, 2.0) > 5


def test_aiortcs_relay_is_measured() -> None:
    (level,) = measure("mediarelay", [1], 1.5)

    assert level.silent == 0
    assert level.least_fps > 1
    assert level.cpu_share > 0
