"""Counters that wrap and restart become ones that only grow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime.video.timelines import IndexLine, TimestampLine, nearest


def test_sequence_numbers_go_on_over_the_wrap() -> None:
    """65534, 65535, 0, 1 are four steps."""
    line = IndexLine()
    assert [line.map(sequence) for sequence in (65534, 65535, 0, 1)] == [0, 1, 2, 3]


def test_a_late_packet_gets_its_own_index() -> None:
    """A repair does not move the head."""
    line = IndexLine()
    assert [line.map(sequence) for sequence in (10, 12, 11, 13)] == [0, 2, 1, 3]


def test_a_new_source_goes_on_after_the_head() -> None:
    """Whatever number it begins with; its own stragglers from before that are refused."""
    line = IndexLine()
    line.map(10)
    line.map(11)
    line.restart()
    assert [line.map(sequence) for sequence in (65500, 65501, 65499)] == [2, 3, None]


@given(first=st.integers(0, 65535), steps=st.lists(st.integers(1, 2000), max_size=200))
def test_indexes_follow_the_true_distance(first: int, steps: list[int]) -> None:
    """Over any number of wraps, gaps included."""
    line = IndexLine()
    assert line.map(first) == 0
    true = 0
    for step in steps:
        true += step
        assert line.map((first + true) & 0xFFFF) == true


def test_timestamps_go_on_over_the_wrap_and_a_change_of_source() -> None:
    """A new source is placed by the time that passed."""
    line = TimestampLine(90_000)
    start = (1 << 32) - 3000
    assert line.map(start, 0.0) == start
    assert line.map(0, 0.033) == start + 3000
    line.restart()
    assert line.map(77, 1.033) == start + 3000 + 90_000
    assert line.map(77 + 3000, 1.066) == start + 3000 + 93_000


def test_two_sources_never_share_a_timestamp() -> None:
    """Even when the second begins in the same instant."""
    line = TimestampLine(90_000)
    first = line.map(5, 1.0)
    line.restart()
    assert line.map(5, 1.0) > first


def test_placing_a_timestamp_does_not_move_the_line() -> None:
    """A report may be ahead of the packets."""
    line = TimestampLine(90_000)
    line.map(1000, 0.0)
    assert line.place(1_000_000) == 1_000_000
    assert line.head == 1000


@given(st.integers(-(10**9), 10**9), st.integers(0, 65535))
def test_nearest_is_congruent_and_near(reference: int, value: int) -> None:
    """The definition."""
    found = nearest(value, reference=reference, span=1 << 16)
    assert found % (1 << 16) == value
    assert -(1 << 15) <= found - reference < 1 << 15
