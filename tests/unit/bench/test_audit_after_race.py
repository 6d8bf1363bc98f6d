"""A benchmark counts what an audit found after its race, not before."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.bench.reserve import sockets
from tests.support.api import Caller

BEFORE = {"at_ms": 90, "now_ms": 100, "behind": 0, "violations": []}
BEHIND = {"at_ms": 110, "now_ms": 111, "behind": 3, "violations": []}
AFTER = {"at_ms": 120, "now_ms": 121, "behind": 0, "violations": ["oversold"]}


class Operator:
    """Answers with one report after the other; the last one stays."""

    def __init__(self, *reports: dict[str, Any]) -> None:
        self._reports = list(reports)

    async def call(self, method: str, path: str) -> dict[str, Any]:
        """Return the next report."""
        assert (method, path) == ("GET", "/api/audit")
        return self._reports.pop(0) if len(self._reports) > 1 else self._reports[0]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "AUDIT_PAUSE_S", 0.0)


async def test_an_audit_from_before_the_race_is_not_taken() -> None:
    """Nor one that has not come to the end of what changed."""
    problems: list[str] = []
    operator = cast("Caller", Operator(BEFORE, BEFORE, BEHIND, AFTER))
    assert await sockets.read_audit(operator, problems) == AFTER
    assert problems == []


async def test_no_audit_in_time_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark without an audit has not shown that it sold nothing twice."""
    monkeypatch.setattr(sockets, "AUDIT_TIMEOUT_S", 0.0)
    problems: list[str] = []
    assert await sockets.read_audit(cast("Caller", Operator(BEFORE)), problems) == BEFORE
    assert problems == ["no audit of a moment after the race came in time"]
