"""Token buckets: a pace for each key, and a bounded memory."""

from __future__ import annotations

import pytest

from commerce.goods.press_rules.buckets import Buckets


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        """Return the moment, in ms."""
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_one_seconds_worth_at_once_then_the_pace(clock: Clock) -> None:
    buckets = Buckets(clock)
    assert [buckets.take(("s", "u"), 3) for _ in range(4)] == [0, 0, 0, 334]
    clock.now_ms += 333
    assert buckets.take(("s", "u"), 3) == 1
    clock.now_ms += 1
    assert buckets.take(("s", "u"), 3) == 0


def test_refused_presses_cost_nothing_more(clock: Clock) -> None:
    buckets = Buckets(clock)
    buckets.take(("s", "u"), 1)
    for _ in range(50):
        clock.now_ms += 10
        buckets.take(("s", "u"), 1)
    clock.now_ms = 1_000
    assert buckets.take(("s", "u"), 1) == 0


def test_keys_do_not_share(clock: Clock) -> None:
    buckets = Buckets(clock)
    assert buckets.take(("s", "u"), 1) == 0
    assert buckets.take(("s", "v"), 1) == 0
    assert buckets.take(("t", "u"), 1) == 0
    assert buckets.take(("s", "u"), 1) > 0


def test_memory_is_bounded_whatever_comes(clock: Clock) -> None:
    buckets = Buckets(clock, buckets_max=100)
    for number in range(10_000):
        buckets.take(("s", str(number)), 1)
        assert len(buckets) <= 101
    clock.now_ms += 1_000
    for number in range(200):
        buckets.take(("s", f"later {number % 2}"), 1)
    assert len(buckets) <= 2


def test_what_is_forgotten_was_full(clock: Clock) -> None:
    buckets = Buckets(clock)
    buckets.take(("s", "u"), 1)
    clock.now_ms += 999
    buckets.take(("s", "v"), 1)
    assert len(buckets) == 2
    clock.now_ms += 1
    buckets.take(("s", "w"), 1)
    assert len(buckets) == 2
    assert buckets.take(("s", "u"), 1) == 0
