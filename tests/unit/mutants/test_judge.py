"""`make mutants` is only as good as its judgement of who may live."""

from __future__ import annotations

import pytest

from tests.mutants.__main__ import (
    EXPLAINED,
    Explanation,
    Survivor,
    changed_line,
    judge,
    read_explained,
    read_survivor,
)

LIVES = Survivor("m.rules.x_decide__mutmut_3", "m.rules.decide", "return a or b")


def test_a_survivor_without_a_reason_fails() -> None:
    assert judge([LIVES], []) == ["no test kills m.rules.x_decide__mutmut_3\n    return a or b"]


def test_a_reason_has_to_fit_the_function_and_the_whole_line() -> None:
    fits = Explanation(["m.*.decide", "m.rules.dec*"], r"return a \w+ b", "because")
    assert judge([LIVES], [fits]) == []
    for other in (Explanation(["m.rules.other"], ".*", ""), Explanation(["*"], "return a", "")):
        assert len(judge([LIVES], [other])) == 2


def test_a_reason_that_nothing_needs_fails() -> None:
    assert judge([], [Explanation(["m.decide"], "x", "old")]) == [
        "nothing needs the explanation of m.decide: x"
    ]


def test_every_reason_on_file_is_a_sentence() -> None:
    explained = read_explained(EXPLAINED.read_text(encoding="utf-8"))
    assert explained
    assert all(one.reason.endswith(".") and len(one.reason) > 20 for one in explained)


@pytest.mark.parametrize(
    ("id", "function"),
    [
        ("m.rules.x_decide__mutmut_3", "m.rules.decide"),
        ("m.rules.x__why__mutmut_1", "m.rules._why"),
        ("m.rules.xǁ_Seatsǁtake__mutmut_5", "m.rules._Seats.take"),
    ],
)
def test_a_survivor_is_read_of_functions_and_of_methods(id: str, function: str) -> None:
    for fate in ("survived", "no tests"):
        assert read_survivor(f"    {id}: {fate}") == (id, function)
    for fate in ("killed", "timeout"):
        assert read_survivor(f"    {id}: {fate}") is None


def test_a_mutant_is_known_by_the_line_it_changes_or_takes_away() -> None:
    head = "--- rules.py\n+++ rules.py\n@@ -1,4 +1,4 @@\n def f():\n"
    assert changed_line(f"{head}-    return 1\n+    return 2\n") == "return 2"
    assert changed_line(f"{head}     raise Error(\n-        reason,\n     )\n") == "- reason,"
    with pytest.raises(ValueError, match="without a change"):
        changed_line(head)
