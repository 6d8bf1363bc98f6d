"""The auditor finds what is wrong, says how much, and keeps what the console's light reads."""

from __future__ import annotations

from commerce.insight.audit.service import audit, audit_and_keep, read_latest
from commerce.insight.audit.store import CHECKS, VIOLATIONS_SHOWN_MAX
from server.db.database import PgDatabase
from tests.support.shop import make_shop


async def test_every_offender_counts_and_the_first_are_named(database: PgDatabase) -> None:
    """A pool without its journal row breaks a check; a report stays short with many of them."""
    await make_shop(database)
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO stock (pool_id, sku, sale_id, total, version)"
            " SELECT gen_random_uuid(), 'lost', gen_random_uuid(), 1, 1 FROM generate_series(1, 30)"
        )

    report = await audit(database)

    [violation] = report.violations
    assert (violation["check"], violation["count"]) == ("journal_adds_up", 30)
    assert len(violation["rows"]) == VIOLATIONS_SHOWN_MAX
    assert violation["rows"][0]["journal_rows"] == 0
    assert not report.ok
    assert report.oversold == 0
    assert report.checked["checks"] == len(CHECKS)


async def test_the_last_report_is_read_and_old_ones_go(database: PgDatabase) -> None:
    """Good reports stay for a day, others for a month."""
    day_ms = 86_400_000
    async with database.transaction() as transaction:
        await transaction.executemany(
            "INSERT INTO audit_reports (at_ms, ok, report) VALUES (clock_ms() - $1, $2, '{}')",
            [(2 * day_ms, True), (3 * day_ms, False), (31 * day_ms, False)],
        )

    await audit_and_keep(database)

    async with database.reading() as connection:
        latest = await read_latest(connection)
        kept = await connection.fetch("SELECT ok FROM audit_reports ORDER BY at_ms")
    assert latest is not None
    assert latest[1].ok
    assert [row["ok"] for row in kept] == [False, True]
