"""The ring holds the newest events, contiguous."""

from __future__ import annotations

import pytest

from realtime.recovery.ring import Ring


def filled(count: int) -> Ring:
    ring = Ring(100, entries_max=4)
    for offset in range(101, 101 + count):
        ring.append(offset, b"%d" % offset)
    return ring


def test_an_empty_ring_replays_nothing_to_a_client_that_has_everything() -> None:
    ring = filled(0)
    assert (ring.first, ring.newest, ring.since(101)) == (101, 100, [])


def test_the_oldest_events_leave_when_the_ring_is_full() -> None:
    ring = filled(6)
    assert (ring.first, ring.newest) == (103, 106)
    assert ring.since(105) == [b"105", b"106"]


def test_an_event_out_of_order_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        filled(2).append(104, b"")


def test_asking_for_more_than_the_ring_holds_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        filled(6).since(102)


def test_a_reset_ring_starts_elsewhere() -> None:
    ring = filled(3)
    ring.reset(7)
    assert (ring.first, ring.newest) == (8, 7)
