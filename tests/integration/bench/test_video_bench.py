"""Each part of `make bench-video` runs, on a small scale, and counts what really came."""

from __future__ import annotations

import pytest

from tests.bench.video.capacity import measure

pytestmark = pytest.mark.slow


def test_aiortcs_relay_is_measured() -> None:
    (level,) = measure("mediarelay", [1], 1.5)

    assert level.silent == 0
    assert level.least_fps > 1
    assert level.cpu_share > 0
