"""Since when, and the report in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from commerce.insight.audit.model import AuditReport
from commerce.orders.reconciliation.model import Difference, Reconciliation, Sums
from server.ops.errors import EXIT_USAGE, OperationalError
from server.ops.reports import as_json, describe_reconciliation
from server.ops.since import parse_since

NOW = datetime(2026, 11, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("7", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("0", NOW),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:00+08:00", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_since_is_days_or_a_time(text: str, wanted: datetime) -> None:
    assert parse_since(text, NOW) == int(wanted.timestamp() * 1000)


def test_since_is_nothing_else() -> None:
    with pytest.raises(OperationalError, match="--since is 'last week'") as refusal:
        parse_since("last week", NOW)
    assert refusal.value.exit_code == EXIT_USAGE


def make_report(**fields: Any) -> Reconciliation:
    """Return a report of nothing since the 1st, with some fields changed."""
    values: dict[str, Any] = {
        "ok": True,
        "since_ms": 1_793_491_200_000,
        "at_ms": 1_794_000_000_000,
        "compared": 0,
        "older": 0,
        "counts": {},
        "differences": [],
        "truncated": False,
        "sums": [],
    }
    return Reconciliation(**{**values, **fields})


def test_the_report_is_a_line_a_difference_a_currency_and_a_verdict() -> None:
    difference = Difference("other_amount", "stripe", "p", None, None, "9 CNY", "")
    report = make_report(
        ok=False,
        compared=3,
        older=4,
        counts={"captured_not_paid": 1, "other_amount": 2},
        differences=[difference],
        truncated=True,
        sums=[Sums("CNY", 9, 0, 8, 1)],
    )
    assert describe_reconciliation(report).split("\n") == [
        "other_amount: stripe payment p (not there): ours 9 CNY, theirs none",
        "and 2 more; in all captured_not_paid ×1, other_amount ×2",
        "CNY: in 9 (theirs 8), out 0 (theirs 1)",
        "3 payments since 2026-11-01T00:00:00+00:00 compared: 3 difference(s)",
        "4 older ones were not compared; --since takes an earlier time",
    ]
    assert describe_reconciliation(make_report()).split("\n") == [
        "0 payments since 2026-11-01T00:00:00+00:00 compared: nothing differs"
    ]


def test_both_reports_are_written_as_json_alike() -> None:
    for report in (make_report(), AuditReport(ok=True, checked={"pools": 1}, violations=[])):
        text = as_json(report)
        assert text.startswith('{\n  "ok": true,\n')
        assert msgspec.json.decode(text, type=type(report)) == report
