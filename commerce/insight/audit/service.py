"""Check every invariant over one instant of the live tables."""

from __future__ import annotations

from typing import Any

import msgspec

from commerce.insight.audit import store
from commerce.kernel.ports import Connection, Database


class AuditReport(msgspec.Struct, frozen=True):
    """`checked` counts rows and checks; each violation names its check and its rows."""

    ok: bool
    checked: dict[str, int]
    violations: list[dict[str, Any]]

    @property
    def oversold(self) -> int:
        """Return how many pools sold more than they had."""
        return sum(one["count"] for one in self.violations if one["check"] == "oversold")


async def audit(database: Database) -> AuditReport:
    """Run every check in one REPEATABLE READ transaction."""
    violations = []
    async with database.reading() as connection:
        checked = await store.select_counts(connection)
        for check in store.CHECKS:
            count, rows = await store.select_violations(connection, check)
            if count:
                violations.append({"check": check, "count": count, "rows": rows})
    return AuditReport(
        ok=not violations,
        checked={"checks": len(store.CHECKS), **checked},
        violations=violations,
    )


async def audit_and_keep(database: Database) -> None:
    """Job: audit and store the report, for the light on the console."""
    report = await audit(database)
    async with database.transaction() as transaction:
        await store.insert_report(
            transaction, ok=report.ok, report=msgspec.json.encode(report).decode()
        )


async def read_latest(connection: Connection) -> tuple[int, AuditReport] | None:
    """Return when (Unix ms) the last audit was, and its report."""
    latest = await store.select_latest(connection)
    if latest is None:
        return None
    at_ms, report = latest
    return at_ms, msgspec.json.decode(report, type=AuditReport)
