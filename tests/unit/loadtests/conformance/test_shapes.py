"""A shape names what is missing or wrong, and nothing that is merely new."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.conformance.matching import ANYTHING, Each, Maybe, OneOf, find_mismatch
from loadtests.conformance.shapes import FRAMES, LINE, STATE

GOOD_STATE = {
    "room": "demo",
    "show": None,
    "pinned": None,
    "bag": [],
    "sales": [],
    "drops": [],
    "groups": [],
    "announcement": None,
    "viewers": 2,
    "likes": 3,
    "modes": {},
    "chat": [["id", "user", "name", "text", [], 1]],
    "host": {"id": "h", "name": "Host", "avatar": None},
    "poster": None,
}


def test_what_is_documented_fits() -> None:
    assert find_mismatch(GOOD_STATE, STATE) is None
    assert find_mismatch(["Z", "epoch", 4, GOOD_STATE], FRAMES["Z"]) is None


def test_what_is_new_fits_too() -> None:
    assert find_mismatch({**GOOD_STATE, "later": 1, "modes": {"slow_s": 5}}, STATE) is None
    assert find_mismatch(["id", "user", "name", "text", ["vip"], 1, "later"], LINE) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"viewers": "2"}, '$.viewers is "2", not a whole number'),
        ({"viewers": True}, "$.viewers is true, not a whole number"),
        ({"viewers": 2.0}, "$.viewers is 2.0, not a whole number"),
        ({"chat": [["id"]]}, '$.chat[0] is ["id"], not an array of 6 or more'),
        ({"host": {"id": "h"}}, "$.host.name is missing"),
        ({"host": None}, "$.host is null, not an object"),
        ({"bag": 7}, "$.bag is 7, not an array or object"),
    ],
)
def test_a_mismatch_is_named_by_its_path(change: dict[str, Any], words: str) -> None:
    assert find_mismatch(GOOD_STATE | change, STATE) == words


def test_a_missing_field_is_named() -> None:
    state = {name: value for name, value in GOOD_STATE.items() if name != "likes"}
    assert find_mismatch(state, STATE) == "$.likes is missing"


def test_the_small_words_of_shapes() -> None:
    assert find_mismatch(None, Maybe(int)) is None
    assert find_mismatch("x", Maybe(int)) is not None
    assert find_mismatch("a", OneOf(("a", "b"))) is None
    assert find_mismatch("c", OneOf(("a", "b"))) == '$ is "c", not one of a, b'
    assert find_mismatch({"k": 1, "l": "x"}, Each(int)) == '$.l is "x", not a whole number'
    assert find_mismatch(object, ANYTHING) is None
    assert find_mismatch({}, {"x?": int}) is None
    assert find_mismatch({"x": "y"}, {"x?": int}) is not None
