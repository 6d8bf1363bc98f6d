"""State is conflated: one newest value a key, with versions that only go up."""

from __future__ import annotations

from realtime.rooms.state import StateLane


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
