"""The tick stretches with the crowd, a long pass and a lagging loop, within its limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime.rooms.limits import RoomLimits
from realtime.rooms.tick import next_slice, next_tick_ms

LIMITS = RoomLimits()


def pause_ms(
    members: int, *, floor_ms: int = 100, pass_ms: float = 0.0, lag_ms: float = 0.0
) -> int:
    return next_tick_ms(members, floor_ms=floor_ms, pass_ms=pass_ms, lag_ms=lag_ms, limits=LIMITS)


def test_a_small_room_is_refreshed_ten_times_a_second() -> None:
    assert pause_ms(0) == 100
    assert pause_ms(2000) == 100


def test_a_crowd_stretches_the_tick() -> None:
    assert pause_ms(10_000) == 500


def test_a_long_pass_stretches_the_tick_to_twice_its_length() -> None:
    assert pause_ms(10, pass_ms=180) == 360


def test_a_lagging_loop_stretches_the_tick() -> None:
    assert pause_ms(10, lag_ms=50) == 200


def test_a_process_under_load_ticks_no_faster_than_its_floor() -> None:
    assert pause_ms(10, floor_ms=500) == 500


def test_the_tick_never_exceeds_a_second() -> None:
    assert pause_ms(100_000, pass_ms=900, lag_ms=900) == 1000


def test_a_slice_shrinks_to_what_its_time_allows() -> None:
    assert next_slice(512, took_ms=8.0, limits=LIMITS) == 256


def test_a_quick_slice_at_most_doubles() -> None:
    assert next_slice(128, took_ms=0.01, limits=LIMITS) == 256


@given(st.integers(64, 2048), st.floats(0, 1000))
def test_a_slice_stays_within_its_limits(members: int, took_ms: float) -> None:
    assert 64 <= next_slice(members, took_ms=took_ms, limits=LIMITS) <= 2048
