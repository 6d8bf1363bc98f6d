"""A client's sale lane: every event once and in order, and no loss passes unseen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtests.sale_lane import SYNC_AFTER_MS, SYNC_AGAIN_MS, Event, SaleLane, digest


def event(offset: int) -> Event:
    return ("show.pinned", {"item": f"i{offset}"}, 1000 + offset)


def events(first: int, last: int) -> list[Event]:
    return [event(offset) for offset in range(first, last + 1)]


def make_lane(offset: int = 5) -> SaleLane:
    lane = SaleLane()
    lane.snapshot("e1", offset)
    return lane


def test_events_in_order_are_applied_once() -> None:
    lane = make_lane()
    assert lane.take(6, events(6, 8), 0) == events(6, 8)
    assert lane.offset == 8
    assert lane.events == {offset: digest(event(offset)) for offset in (6, 7, 8)}
    assert (lane.repeats, lane.conflicts, lane.gaps) == (0, 0, 0)


def test_an_event_that_comes_twice_is_counted_and_not_applied() -> None:
    lane = make_lane()
    lane.take(6, events(6, 6), 0)
    assert lane.take(6, events(6, 7), 0) == events(7, 7)
    assert lane.repeats == 1


def test_a_second_version_of_an_offset_is_a_conflict() -> None:
    lane = make_lane()
    lane.take(6, events(6, 6), 0)
    lane.take(6, [event(60)], 0)
    assert lane.conflicts == 1


def test_a_gap_is_not_jumped_over() -> None:
    lane = make_lane()
    assert lane.take(7, events(7, 8), 0) == []
    assert (lane.offset, lane.gaps, lane.is_behind) == (5, 1, True)


def test_what_is_missing_is_asked_for_after_its_time_and_not_before() -> None:
    lane = make_lane()
    lane.notice(6, 100)
    assert lane.next_sync(100 + SYNC_AFTER_MS - 1) is None
    assert lane.next_sync(100 + SYNC_AFTER_MS) == ("e1", 5)
    assert lane.next_sync(100 + SYNC_AFTER_MS + 1) is None
    assert lane.next_sync(100 + SYNC_AFTER_MS + SYNC_AGAIN_MS) == ("e1", 5)
    assert lane.syncs == 2


def test_what_arrives_in_time_is_not_asked_for() -> None:
    lane = make_lane()
    lane.notice(6, 0)
    lane.take(6, events(6, 6), SYNC_AFTER_MS - 1)
    assert lane.next_sync(10 * SYNC_AFTER_MS) is None


def test_an_answer_to_sync_may_cross_a_live_event() -> None:
    lane = make_lane()
    lane.notice(7, 0)
    assert lane.next_sync(SYNC_AFTER_MS) is not None
    lane.take(6, events(6, 6), SYNC_AFTER_MS)
    lane.take(6, events(6, 7), SYNC_AFTER_MS)
    assert (lane.offset, lane.repeats) == (7, 0)


def test_a_later_snapshot_covers_what_was_missed() -> None:
    lane = make_lane()
    lane.take(6, events(6, 6), 0)
    lane.snapshot("e1", 9)
    assert lane.covered == [(6, 9)]
    assert lane.take(10, events(10, 10), 0) == events(10, 10)


def test_a_snapshot_older_than_what_was_seen_is_a_conflict() -> None:
    lane = make_lane()
    lane.take(6, events(6, 7), 0)
    lane.snapshot("e1", 6)
    assert lane.conflicts == 1


def test_another_epoch_starts_afresh() -> None:
    lane = make_lane()
    lane.take(6, events(6, 6), 0)
    lane.snapshot("e2", 2)
    assert (lane.based_at, lane.events, lane.position) == (2, {}, ("e2", 2))


def test_a_returning_client_waits_for_its_replay() -> None:
    lane = make_lane()
    lane.greet(7, 0)
    assert lane.is_behind
    assert lane.next_sync(SYNC_AFTER_MS) is None
    lane.take(6, events(6, 7), SYNC_AFTER_MS)
    assert not lane.is_behind


def test_nothing_is_applied_before_the_first_snapshot() -> None:
    lane = SaleLane()
    assert lane.take(1, events(1, 2), 0) == []
    assert lane.position is None


@given(st.lists(st.tuples(st.integers(6, 20), st.integers(0, 5))))
def test_whatever_arrives_the_events_stay_gapless(frames: list[tuple[int, int]]) -> None:
    lane = make_lane()
    for first, more in frames:
        lane.take(first, events(first, first + more), 0)
    assert sorted(lane.events) == list(range(6, lane.offset + 1))
    assert all(lane.events[offset] == digest(event(offset)) for offset in lane.events)
