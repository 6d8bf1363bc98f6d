"""Since when: a moment as a person gives it on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

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
