"""Since when, and the report in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server.ops.errors import EXIT_USAGE, OperationalError
from server.ops.reconcile_report import describe, parse_since

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


def test_the_report_is_a_line_a_difference_a_currency_and_a_verdict() -> None:
    difference = {
        "kind": "other_amount",
        "provider": "stripe",
        "payment": "p",
        "provider_ref": None,
        "ours": "9 CNY",
        "theirs": "",
    }
    sums = {
        "currency": "CNY",
        "ours_in_minor": 9,
        "ours_out_minor": 0,
        "theirs_in_minor": 8,
        "theirs_out_minor": 1,
    }
    report = {"ok": False, "compared": 3, "differences": [difference], "sums": [sums]}
    assert describe(report) == [
        "other_amount: stripe payment p (not there): ours 9 CNY, theirs none",
        "CNY: in 9 (theirs 8), out 0 (theirs 1)",
        "3 payments compared: 1 difference(s)",
    ]
    calm = {"ok": True, "compared": 0, "differences": [], "sums": []}
    assert describe(calm) == ["0 payments compared: nothing differs"]
