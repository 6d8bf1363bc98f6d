"""Everything scheduled comes due once, not before its second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime.gateway.wheel import TimingWheel


def test_items_come_due_in_their_second() -> None:
    wheel: TimingWheel[str] = TimingWheel(100)
    wheel.schedule("late", 103)
    wheel.schedule("past", 50)
    assert wheel.turn(100) == []
    assert wheel.turn(101) == ["past"]
    assert wheel.turn(102) == []
    assert wheel.turn(103) == ["late"]


def test_a_clock_that_jumps_ahead_makes_everything_due() -> None:
    wheel: TimingWheel[int] = TimingWheel(0)
    wheel.schedule(1, 5)
    wheel.schedule(2, 10)
    assert wheel.turn(1_000_000) == [1, 2]


def test_a_clock_that_goes_back_makes_nothing_due_twice() -> None:
    wheel: TimingWheel[int] = TimingWheel(10)
    wheel.schedule(1, 11)
    assert wheel.turn(11) == [1]
    assert wheel.turn(5) == []
    wheel.schedule(2, 6)
    assert wheel.turn(12) == [2]


@given(st.lists(st.integers(0, 50)), st.lists(st.integers(0, 9), min_size=1))
def test_nothing_is_lost_and_nothing_is_early(dues: list[int], steps: list[int]) -> None:
    wheel: TimingWheel[int] = TimingWheel(0)
    for due in dues:
        wheel.schedule(due, due)
    now, seen = 0, []
    for step in [*steps, 60]:
        now += step
        items = wheel.turn(now)
        assert all(item <= now for item in items)
        seen += items
    assert sorted(seen) == sorted(dues)
