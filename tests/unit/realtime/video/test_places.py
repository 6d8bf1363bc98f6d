"""Who has not connected holds a place only as long as nobody else needs it."""

from __future__ import annotations

from collections import Counter

import pytest

from realtime.video.places import (
    CONNECTING_S,
    UNCONNECTED_OF_CROWD_MAX,
    Unconnected,
    crowd_of,
    is_crowd_full,
    makes_way,
    oldest_of_crowd,
)

NOW_S = 100.0


def held(crowd: str | None, count: int, *, age_s: float = 0.5) -> list[Unconnected]:
    """So many sessions of a crowd, the first the oldest."""
    return [
        Unconnected(f"{crowd}-{number}", crowd, NOW_S - age_s + number / 1000)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("address", "crowd"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_crowd_is_an_address_or_a_lines_network(address: str, crowd: str) -> None:
    assert crowd_of(address) == crowd


def test_a_crowd_is_full_with_those_whose_answer_is_being_made() -> None:
    others = held("b", 100)
    mine = held("a", UNCONNECTED_OF_CROWD_MAX - 1)
    assert not is_crowd_full("a", [*mine, *others], Counter())
    assert is_crowd_full("a", [*mine, *others], Counter(a=1))
    assert not is_crowd_full(None, held(None, 1000), Counter())


def test_of_a_full_crowd_only_an_old_session_makes_way() -> None:
    young = held("a", UNCONNECTED_OF_CROWD_MAX, age_s=CONNECTING_S - 0.1)
    assert oldest_of_crowd("a", young, NOW_S) is None
    old = [*young, Unconnected("old", "a", NOW_S - CONNECTING_S), *held("b", 1, age_s=9)]
    assert oldest_of_crowd("a", old, NOW_S) == "old"


def test_the_largest_crowd_makes_way_at_once_for_somebody_else() -> None:
    there = [*held("b", 2, age_s=2), *held("a", 9, age_s=1)]
    assert makes_way("c", there, NOW_S) == "a-0"
    assert makes_way(None, there, NOW_S) == "a-0"


def test_a_crowd_does_not_push_out_its_own_or_its_equals() -> None:
    """Else everybody of a fresh crowd would end somebody who is about to connect."""
    there = [*held("a", 9, age_s=1), *held("b", 8, age_s=1)]
    assert makes_way("a", there, NOW_S) is None
    assert makes_way("b", there, NOW_S) is None


def test_the_oldest_makes_way_once_it_hardly_connects_any_more() -> None:
    there = [*held("a", 1, age_s=CONNECTING_S), *held("b", 2)]
    assert makes_way("b", there, NOW_S) == "a-0"
    assert makes_way("b", [], NOW_S) is None
