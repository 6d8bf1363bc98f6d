"""Who is asked, what a claim is worth, and that nobody is counted twice."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.delivery.rules import BOUNDS_MS, Tally, is_asked, judge_delay

MOMENTS = st.integers(0, 20_000)


def test_bins_are_fine_first_and_hold_every_promise_at_an_end() -> None:
    assert list(BOUNDS_MS) == sorted(set(BOUNDS_MS))
    assert BOUNDS_MS[0] == 10
    assert BOUNDS_MS[-1] == 2000
    assert {50, 100, 200, 400, 800, 1600} < set(BOUNDS_MS)


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_in_a_small_room_everybody_is_asked(present: int, chance: float) -> None:
    assert is_asked(present=present, asked_max=200, chance=chance)


@pytest.mark.parametrize("present", [201, 1000, 20_000])
def test_in_a_large_room_the_newest_is_asked_as_often_as_anybody(present: int) -> None:
    source = random.Random(1)
    drawn = sum(
        is_asked(present=present, asked_max=200, chance=source.random()) for _ in range(20_000)
    )
    assert drawn == pytest.approx(20_000 * 200 / present, rel=0.2)


@given(drawn=st.none() | st.integers(-(10**12), 10**12), at=MOMENTS, written=MOMENTS, more=MOMENTS)
def test_no_claim_leaves_what_is_possible(
    drawn: int | None, at: int, written: int, more: int
) -> None:
    received = written + more
    delay = judge_delay(drawn, at_ms=at, written_ms=written, received_ms=received)
    assert 0 <= delay <= max(0, received - at)
    if written >= at:
        assert delay >= written - at


def test_an_honest_claim_is_believed() -> None:
    assert judge_delay(1_120, at_ms=1_000, written_ms=1_030, received_ms=1_200) == 120


def test_a_claim_is_cut_to_what_this_process_knows() -> None:
    early = judge_delay(1_000, at_ms=1_000, written_ms=1_030, received_ms=1_200)
    late = judge_delay(9_000, at_ms=1_000, written_ms=1_030, received_ms=1_200)
    none = judge_delay(None, at_ms=1_000, written_ms=1_030, received_ms=1_200)
    assert (early, late, none) == (30, 200, 200)


def test_a_database_clock_that_is_ahead_makes_no_negative_delay() -> None:
    assert judge_delay(1_005, at_ms=1_010, written_ms=1_000, received_ms=1_006) == 0


@given(st.lists(st.integers(0, 5_000)))
def test_every_acknowledgement_is_in_one_bin_whose_end_it_does_not_pass(delays: list[int]) -> None:
    tally = Tally(1, at_ms=0, written_ms=0)
    for delay in delays:
        tally.acknowledge(delay, 10_000)
    assert tally.acked == len(delays)
    assert tally.delays_ms == sum(delays)
    low = -1
    for bound, count in zip(BOUNDS_MS, tally.bins, strict=False):
        assert count == sum(low < delay <= bound for delay in delays)
        low = bound
    assert tally.bins[-1] == sum(delay > BOUNDS_MS[-1] for delay in delays)


def test_a_count_is_final_in_time_and_when_the_clock_was_set_back() -> None:
    tally = Tally(1, at_ms=0, written_ms=5_000)
    assert not tally.is_due(5_000, 3_000)
    assert not tally.is_due(7_999, 3_000)
    assert tally.is_due(8_000, 3_000)
    assert tally.is_due(4_999, 3_000)
