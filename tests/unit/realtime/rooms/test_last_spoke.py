"""Who spoke when, for as long as slow mode asks."""

from __future__ import annotations

from realtime.rooms.last_spoke import LastSpoke


def test_the_newest_line_counts_whatever_the_order_they_are_heard_in() -> None:
    spoke = LastSpoke()
    spoke.note([("ann", 5_000), ("ann", 4_000)], slow_s=10)
    assert spoke.at_ms("ann") == 5_000
    assert spoke.at_ms("bob") == 0


def test_whoever_may_speak_again_is_forgotten() -> None:
    spoke = LastSpoke()
    spoke.note([("ann", 1_000), ("bob", 5_000)], slow_s=10)
    spoke.note([("cid", 11_000)], slow_s=10)
    assert (spoke.at_ms("ann"), spoke.at_ms("bob"), spoke.at_ms("cid")) == (0, 5_000, 11_000)


def test_without_slow_mode_nobody_is_remembered() -> None:
    spoke = LastSpoke()
    spoke.note([("ann", 1_000)], slow_s=10)
    spoke.note([("bob", 2_000)], slow_s=0)
    assert (spoke.at_ms("ann"), spoke.at_ms("bob")) == (0, 0)
