"""The watch on one connection sees gaps, repeats and steps back, and allows what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.conformance.lane import LaneWatch
from tests.unit.loadtests.conformance.test_shapes import GOOD_STATE

LIMITS = {"frame_bytes": 4096, "chat_chars": 200, "commands_in_flight": 8}


def hello(rec: str = "fresh", epoch: str = "one", offset: int = 5) -> list[Any]:
    fields = {"conn": "g1-1", "user": None, "hb_s": 20, "now_ms": 1, "limits": LIMITS}
    return ["h", {**fields, "epoch": epoch, "offset": offset, "rec": rec}]


def sale(first: int, *texts: str) -> list[Any]:
    return ["S", first, [["announcement", {"text": text}, 1] for text in texts]]


def watch(*frames: list[Any], position: tuple[str, int] | None = None) -> LaneWatch:
    lane = LaneWatch(position)
    for frame in frames:
        lane.take(frame)
    return lane


SNAPSHOT = ["Z", "one", 5, GOOD_STATE]


def test_a_sound_connection_has_no_problems() -> None:
    lane = watch(
        hello(),
        SNAPSHOT,
        sale(6, "a", "b"),
        ["K", 7, {"likes": [1, 3]}],
        sale(8, "c"),
        ["K", 8, {"likes": [1, 3], "later": [9, {}]}],
        ["p", 8],
        ["later", 1],
        ["D", "later.news", {}],
    )
    assert (lane.shape_problems, lane.sale_problems, lane.state_problems) == ([], [], [])
    assert lane.position == ("one", 8)
    assert sorted(lane.events) == [6, 7, 8]


def test_a_replay_goes_on_where_the_client_was() -> None:
    lane = watch(hello("replayed", offset=6), sale(5, "a", "b"), position=("one", 4))
    assert lane.sale_problems == []
    assert watch(hello("replayed"), sale(6, "b"), position=("one", 4)).sale_problems == [
        "S begins at 6 after 4"
    ]


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        ((sale(7, "a"),), "S begins at 7 after 5"),
        ((sale(5, "a"),), "S begins at 5 after 5"),
        ((sale(6, "a"), sale(6, "a")), "S begins at 6 after 6"),
        ((sale(6),), "S 6 is empty"),
    ],
)
def test_what_breaks_the_sale_lane_is_noted(frames: tuple[list[Any], ...], problem: str) -> None:
    assert watch(hello(), SNAPSHOT, *frames).sale_problems == [problem]


def test_an_event_before_any_state_is_noted() -> None:
    assert watch(hello(), sale(6, "a")).sale_problems == ["S 6 came before a Z or a replayed hello"]


def test_what_was_asked_for_again_is_no_repeat_but_must_be_the_same() -> None:
    lane = watch(hello(), SNAPSHOT, sale(6, "a", "b"))
    lane.rewind(5)
    lane.take(sale(6, "a", "b"))
    assert lane.sale_problems == []
    lane.rewind(5)
    lane.take(sale(6, "another", "b"))
    assert lane.sale_problems == ["offset 6 was told as two different events"]


def test_each_question_may_be_answered_once_whatever_comes_between() -> None:
    lane = watch(hello(), SNAPSHOT, sale(6, "a", "b"))
    lane.rewind(5)
    lane.rewind(6)
    for frame in (sale(8, "c"), sale(6, "a", "b"), sale(9, "d"), sale(7, "b")):
        lane.take(frame)
    assert lane.sale_problems == []
    lane.take(sale(6, "a", "b"))
    assert lane.sale_problems == ["S begins at 6 after 9"]


def test_a_replay_into_another_epoch_is_noted() -> None:
    lane = watch(hello("replayed", epoch="two"), position=("one", 4))
    assert lane.sale_problems == ["replayed from epoch one into two"]


def test_a_version_that_goes_down_is_noted() -> None:
    lane = watch(hello(), SNAPSHOT, ["K", 5, {"likes": [4, 1]}], ["K", 5, {"likes": [3, 2]}])
    assert lane.state_problems == ["likes went from version 4 to 3"]


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ((SNAPSHOT,), "a 'Z' frame came before the hello"),
        ((hello(), hello()), "a second hello came"),
        ((["h", {}],), "h frame: $[1].conn is missing"),
        ((hello(), SNAPSHOT, ["S", 6, [["announcement", {}, 1]]]), "announcement: $.text"),
        ((hello(), ["L", 5, [["id"]], 0]), "L frame: $[2][0]"),
    ],
)
def test_a_frame_of_another_shape_is_noted(frames: tuple[list[Any], ...], words: str) -> None:
    assert any(words in problem for problem in watch(*frames).shape_problems)


def test_a_stock_is_the_newest_that_was_told_or_else_that_of_the_snapshot() -> None:
    state = GOOD_STATE | {"sales": [{"id": "s", "stock": [5, 0, 0]}]}
    lane = LaneWatch()
    assert lane.stock("s") is None
    lane.state = state
    assert lane.stock("s") == [5, 0, 0]
    lane.take(hello())
    lane.take(["K", 5, {"stock:s": [1, [4, 1, 0]]}])
    assert lane.stock("s") == [4, 1, 0]
