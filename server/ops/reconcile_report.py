"""The words of `hubbub reconcile`: since when, and the report for a person or a program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from server.ops.errors import EXIT_USAGE, OperationalError

DAYS = re.compile(r"[0-9]{1,4}", re.ASCII)


def parse_since(text: str, now: datetime) -> int:
    """Return a moment in Unix ms from days back or an ISO 8601 time (UTC unless it says so).

    Raises OperationalError.
    """
    if DAYS.fullmatch(text):
        return int((now - timedelta(days=int(text))).timestamp() * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        line = f"--since is {text!r}; it must be days back or a time like 2026-11-01."
        raise OperationalError(line, exit_code=EXIT_USAGE) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp() * 1000))


def describe(report: Mapping[str, Any]) -> list[str]:
    """Return the report in lines; amounts in minor units."""
    lines = [
        f"{one['kind']}: {one['provider']} payment {one['payment']}"
        f" ({one['provider_ref'] or 'not there'}): ours {one['ours'] or 'none'},"
        f" theirs {one['theirs'] or 'none'}"
        for one in report["differences"]
    ]
    lines += [
        f"{one['currency']}: in {one['ours_in_minor']} (theirs {one['theirs_in_minor']}),"
        f" out {one['ours_out_minor']} (theirs {one['theirs_out_minor']})"
        for one in report["sums"]
    ]
    count = len(report["differences"])
    verdict = "nothing differs" if report["ok"] else f"{count} difference(s)"
    return [*lines, f"{report['compared']} payments compared: {verdict}"]
