"""The ladder climbs when a process is hot for long, descends when it is calm for longer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime.rooms.ladder import (
    Ladder,
    LadderLimits,
    Load,
    Rung,
    chat_share,
    next_ladder,
    shortest_tick_ms,
)

LIMITS = LadderLimits()
HOT = Load(busy=0.9, lag_ms=0)
LATE = Load(busy=0.1, lag_ms=150)
BETWEEN = Load(busy=0.7, lag_ms=60)
CALM = Load(busy=0.2, lag_ms=1)


def after(ladder: Ladder, *loads: Load) -> Ladder:
    for load in loads:
        ladder = next_ladder(ladder, load, LIMITS)
    return ladder


def test_a_short_burst_changes_nothing() -> None:
    assert after(Ladder(), HOT, HOT, CALM, HOT, HOT).rung is Rung.CALM


def test_three_hot_looks_climb_one_rung() -> None:
    assert after(Ladder(), HOT, HOT, HOT).rung is Rung.CHAT
    assert after(Ladder(), *[HOT] * 6).rung is Rung.STATE


def test_a_late_loop_is_hot_whatever_the_processor_says() -> None:
    assert after(Ladder(), LATE, LATE, LATE).rung is Rung.CHAT


def test_a_loop_that_is_a_little_late_closes_no_doors() -> None:
    assert after(Ladder(), *[LATE] * 30).rung is Rung.STATE
    assert after(Ladder(), *[Load(busy=0.1, lag_ms=500)] * 9).rung is Rung.DOORS


def test_the_doors_are_the_last_rung() -> None:
    assert after(Ladder(), *[HOT] * 30).rung is Rung.DOORS


def test_five_calm_looks_descend_one_rung() -> None:
    top = Ladder(Rung.DOORS)
    assert after(top, *[CALM] * 4).rung is Rung.DOORS
    assert after(top, *[CALM] * 5).rung is Rung.STATE
    assert after(top, *[CALM] * 15).rung is Rung.CALM


def test_between_hot_and_calm_it_stays() -> None:
    assert after(Ladder(Rung.STATE), *[BETWEEN] * 20).rung is Rung.STATE
    assert after(Ladder(Rung.STATE), *([CALM] * 4 + [BETWEEN]) * 3).rung is Rung.STATE


@given(st.lists(st.sampled_from([HOT, LATE, BETWEEN, CALM]), max_size=60))
def test_it_moves_one_rung_at_a_time(loads: list[Load]) -> None:
    ladder = Ladder()
    for load in loads:
        moved = next_ladder(ladder, load, LIMITS)
        assert abs(moved.rung - ladder.rung) <= 1
        ladder = moved


def test_each_rung_gives_up_what_it_says() -> None:
    assert [chat_share(rung, LIMITS) for rung in Rung] == [1.0, 0.25, 0.25, 0.25]
    assert [shortest_tick_ms(rung, 100, LIMITS) for rung in Rung] == [100, 100, 500, 500]
