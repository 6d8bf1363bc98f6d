"""The version checker finds every kind of lie, and passes an honest sale."""

from __future__ import annotations

import pytest

from loadtests.journal_check import Step, Told, check_journal

# Two units: stocked, both taken by version 3, one given back, taken again.
STEPS = [
    Step(1, 0, 2, 1_000),
    Step(2, 1, 0, 2_000),
    Step(3, 1, 0, 3_000),
    Step(4, -1, 0, 6_000),
    Step(5, 1, 0, 7_000),
]
GRANTED = {"a": 2, "b": 3, "c": 5}


def won(id: str, version: int) -> Told:
    return Told("reserved", version, id, 1_900, 2_100)


def lost(
    version: int | None, pressed_ms: float, answered_ms: float, code: str = "held_out"
) -> Told:
    return Told(code, version, None, pressed_ms, answered_ms)


def test_an_honest_sale_has_no_problem() -> None:
    told = [
        won("a", 2),
        won("b", 3),
        lost(3, 3_001, 3_002),
        lost(3, 6_100, 6_200),  # The latch may be as old as it promises.
        lost(5, 9_000, 9_001, "sold_out"),
        lost(None, 500, 501, "not_open"),
    ]
    assert check_journal(STEPS, GRANTED, told) == []


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (won("z", 2), "acknowledged reservation(s) are not committed (z)"),
        (won("a", 3), "told another version (a: 3, committed as 2)"),
        (lost(4, 6_100, 6_200), "not true of the version they name (held_out of version 4"),
        (lost(3, 8_000, 8_001), "not alive during the call"),
        (lost(5, 3_000, 3_001), "not alive during the call"),
        (lost(9, 8_000, 8_001), "a version that does not exist"),
        (lost(None, 8_000, 8_001), "a version that does not exist"),
    ],
)
def test_each_lie_is_found(told: Told, words: str) -> None:
    (problem,) = check_journal(STEPS, GRANTED, [told])
    assert words in problem


def test_one_unit_promised_twice_is_found() -> None:
    told = [Told("reserved", 2, "a", 1_900, 2_100, key) for key in ("k1", "k1", "k2")]
    assert check_journal(STEPS, GRANTED, told[:2]) == []
    (problem,) = check_journal(STEPS, GRANTED, told)
    assert "promised to two presses" in problem


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([Step(1, 0, 1, 0), Step(3, 1, 0, 1)], "version 3 where 2 belongs"),
        ([Step(1, 0, 1, 0), Step(2, 2, 0, 1)], "version 2 has 2 claimed of 1"),
        ([Step(1, 0, 1, 0), Step(2, -1, 0, 1)], "version 2 has -1 claimed of 1"),
        ([Step(1, 0, 1, 5), Step(2, 1, 0, 1)], "times go back"),
    ],
)
def test_a_journal_that_is_not_sound_is_said_so(steps: list[Step], words: str) -> None:
    assert words in check_journal(steps, {}, [])[0]
