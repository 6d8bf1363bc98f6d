"""Counters start at zero and are not shared."""

from __future__ import annotations

from realtime.protocol.counters import Counters


def test_closes_are_counted_by_code_and_by_process() -> None:
    counters, others = Counters(), Counters()
    counters.count_close(4200)
    counters.count_close(4200)
    assert counters.closes == {4200: 2}
    assert others.closes == {}
