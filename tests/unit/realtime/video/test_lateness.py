"""What an operator reads of a full core: the worst of the last seconds."""

from __future__ import annotations

import pytest

from realtime.video.config import VideoCounters
from realtime.video.lateness import KEPT_A_SECOND, doze, note_late


def test_the_worst_is_kept() -> None:
    counters = VideoCounters()
    for late_s in (0.010, 0.080, 0.020, -0.001):
        note_late(counters, late_s)
    assert counters.late_ms == pytest.approx(80)


async def test_a_loop_that_wakes_late_is_noted_and_what_was_before_it_fades() -> None:
    counters = VideoCounters(late_ms=1000.0)
    woken = iter((5.0, 5.01))
    await doze(0.01, lambda: next(woken), counters)
    assert counters.late_ms == pytest.approx(1000 * KEPT_A_SECOND**0.01)
    woken = iter((6.0, 8.01))
    await doze(0.01, lambda: next(woken), counters)
    assert counters.late_ms == pytest.approx(2000)
