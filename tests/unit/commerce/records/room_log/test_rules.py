"""Staff announce at most twenty things a second; what moves a sale never waits."""

from __future__ import annotations

from commerce.records.room_log.rules import EVENTS_PER_S_MAX, is_paced, pace_retry_ms


def test_a_short_log_is_never_paced() -> None:
    assert pace_retry_ms(None, 1_000_000) == 0


def test_the_twenty_first_within_a_second_waits_for_the_rest_of_it() -> None:
    assert EVENTS_PER_S_MAX == 20
    assert pace_retry_ms(1_000_000, 1_000_400) == 600


def test_after_a_second_it_goes_on() -> None:
    assert pace_retry_ms(1_000_000, 1_001_000) == 0


def test_a_clock_that_was_set_back_makes_nobody_wait_for_long() -> None:
    assert pace_retry_ms(9_000_000, 1_000_000) == 1000


def test_what_moves_a_sale_or_a_show_is_never_paced() -> None:
    assert is_paced(["chat.deleted"])
    assert is_paced(["show.unpinned", "show.pinned"])
    assert not is_paced(["flash.closed"])
    for stop in ("coupon.halted", "coupon.unhalted"):
        assert not is_paced([stop])
    assert not is_paced(["bag.changed", "room.state"])
