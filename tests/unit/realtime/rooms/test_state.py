"""State is conflated: one newest value a key, with versions that only go up."""

from __future__ import annotations

from realtime.rooms.state import GONE_MAX, StateLane


def test_only_the_newest_value_of_a_key_goes_out() -> None:
    lane = StateLane()
    lane.put("viewers", 1)
    lane.put("viewers", 2)
    assert lane.take_changes() == {"viewers": (2, 2)}
    assert lane.take_changes() == {}


def test_an_equal_value_is_no_change() -> None:
    lane = StateLane()
    assert lane.put("stock:s", [1, 2, 3])
    assert not lane.put("stock:s", [1, 2, 3])
    assert lane.version == 1


def test_since_tells_what_a_snapshot_may_have_missed() -> None:
    lane = StateLane()
    lane.put("likes", 1)
    version = lane.version
    lane.put("viewers", 5)
    assert lane.since(version) == {"viewers": (2, 5)}
    assert set(lane.since(0)) == {"likes", "viewers"}
    assert lane.get("likes") == 1
    assert lane.get("other") is None


def test_what_is_gone_is_told_to_who_comes_back_and_not_for_ever() -> None:
    """One person who opens and leaves teams must not fill the lane for everybody else."""
    lane = StateLane()
    lane.put("stock:s", [1, 2, 3])
    lane.take_changes()
    for n in range(3 * GONE_MAX):
        lane.put(f"group:{n}", [1, 3])
        lane.put(f"group:{n}", None)
        assert lane.take_changes() == {f"group:{n}": (2 * n + 3, None)}
    told = lane.since(0)
    assert len(told) == GONE_MAX + 1
    assert "stock:s" in told
    assert f"group:{3 * GONE_MAX - 1}" in told
    assert not lane.put("group:0", None)


def test_nothing_that_is_gone_is_forgotten_before_it_was_told() -> None:
    lane = StateLane()
    for n in range(GONE_MAX + 2):
        lane.put(f"group:{n}", [1, 3])
    lane.take_changes()
    for n in range(GONE_MAX + 2):
        lane.put(f"group:{n}", None)
    assert len(lane.take_changes()) == GONE_MAX + 2
    lane.put("group:a", [1, 3])
    lane.put("group:a", None)
    assert len(lane.since(0)) == GONE_MAX


def test_a_key_that_comes_back_is_not_forgotten() -> None:
    lane = StateLane()
    lane.put("group:a", [1, 3])
    lane.put("group:a", None)
    lane.put("group:a", [2, 3])
    for n in range(GONE_MAX + 1):
        lane.put(f"group:{n}", [1, 3])
        lane.put(f"group:{n}", None)
        lane.take_changes()
    assert lane.get("group:a") == [2, 3]
