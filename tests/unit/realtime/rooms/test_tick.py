"""The tick stretches with the crowd and with a lagging loop, within its limits."""

from __future__ import annotations

from realtime.rooms.limits import RoomLimits
from realtime.rooms.tick import next_tick_ms

LIMITS = RoomLimits()


def test_a_small_room_is_refreshed_ten_times_a_second() -> None:
    assert next_tick_ms(0, lag_ms=0, limits=LIMITS) == 100
    assert next_tick_ms(2000, lag_ms=0, limits=LIMITS) == 100


def test_a_crowd_stretches_the_tick() -> None:
    assert next_tick_ms(10_000, lag_ms=0, limits=LIMITS) == 500


def test_a_lagging_loop_stretches_the_tick() -> None:
    assert next_tick_ms(10, lag_ms=50, limits=LIMITS) == 200


def test_the_tick_never_exceeds_a_second() -> None:
    assert next_tick_ms(100_000, lag_ms=900, limits=LIMITS) == 1000
