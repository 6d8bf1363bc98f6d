"""Keep what the continuous audit last said at hand, so that metrics ask no database."""

from __future__ import annotations

from collections.abc import Callable

from commerce.insight.audit.service import read_latest
from commerce.kernel.ports import Database
from server.metrics import AuditSeen


class AuditWatch:
    """The newest report that this process has read."""

    def __init__(self, database: Database, monotonic_ms: Callable[[], int]) -> None:
        self._database = database
        self._monotonic_ms = monotonic_ms
        self.seen: AuditSeen | None = None

    async def look(self) -> None:
        """Job: read the newest report; while PostgreSQL is away the one before it gets older."""
        async with self._database.reading() as connection:
            latest = await read_latest(connection)
        if latest is None:
            return
        now_ms, report = latest
        self.seen = AuditSeen(
            age_ms=max(0, now_ms - report.at_ms),
            violations=sum(one.count for one in report.violations),
            warnings=sum(one.count for one in report.warnings),
            behind=report.behind,
            read_at_ms=self._monotonic_ms(),
        )
