"""The auditor reads what changed and no more, misses no late commit, and says how old it is."""

from __future__ import annotations

import asyncio
import io
import uuid

import pytest

from commerce.insight.audit import rounds, store
from commerce.insight.audit.checks import CHECKS
from commerce.insight.audit.model import OFFENDERS_SHOWN_MAX
from commerce.insight.audit.rounds import look_at_a_slice, look_at_changes
from commerce.insight.audit.service import audit, audit_and_keep, describe_latest, read_latest
from server.db.database import PgDatabase
from server.ops.reports import describe_audit
from server.wiring.audit import ProgressBar
from tests.support.shop import make_shop

# Holds that were there before; their pool is far larger than what a test changes.
OLD_HOLDS = 20_000
INSERT_HOLDS = """
    INSERT INTO reservations (id, pool_id, sale_id, user_id, qty, unit_price_minor, version, seq,
        decided_at_ms, shown_until_ms, release_at_ms)
    SELECT gen_random_uuid(), $1, $2, gen_random_uuid(), 1, 100, 2, n, 1, 1, 9000000000000
    FROM generate_series(1, $3) n
"""


async def fill_pool(database: PgDatabase, holds: int) -> str:
    """Make a pool with holds that agree with it, and return its id."""
    pool, sale = str(uuid.uuid4()), str(uuid.uuid4())
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO stock (pool_id, sku, sale_id, total, claimed, version)"
            " VALUES ($1, 'sku', $2, $3, $3, 1)",
            pool,
            sale,
            holds,
        )
        await transaction.execute(
            "INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason,"
            " at_ms) VALUES ($1, 1, $2, $2, 'test', 1)",
            pool,
            holds,
        )
        await transaction.execute(INSERT_HOLDS, pool, sale, holds)
        await transaction.execute(
            "INSERT INTO sale_buyers (sale_id, user_id, qty)"
            " SELECT sale_id, user_id, qty FROM reservations WHERE pool_id = $1",
            pool,
        )
    return pool


async def free_some(database: PgDatabase, pool: str, count: int) -> None:
    """Free holds as the core does."""
    async with database.transaction() as transaction:
        await transaction.execute(
            "SELECT id FROM free_reservations($1, ARRAY(SELECT id FROM reservations"
            " WHERE pool_id = $1 AND state = 'held' LIMIT $2), ARRAY['held'], 'released',"
            " clock_ms())",
            pool,
            count,
        )


async def rows_read_by(database: PgDatabase, connection_count: int = 1) -> int:
    """Return how many rows of reservations and buyers' sums were read so far, by anybody."""
    connections = [await database.pool.acquire() for _ in range(connection_count)]
    for connection in connections:
        await connection.fetchval("SELECT pg_stat_force_next_flush()")
        await connection.fetchval("SELECT 1")
    read = await connections[0].fetchval(
        "SELECT sum(t.seq_tup_read + coalesce(t.idx_tup_fetch, 0)"
        " + (SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid))"
        " FROM pg_stat_user_tables t WHERE t.relname IN ('reservations', 'sale_buyers')"
    )
    for connection in connections:
        await database.pool.release(connection)
    return int(read)


async def test_a_round_reads_what_changed_and_not_the_rest(database: PgDatabase) -> None:
    """Fifty changes among 20,000 cost some hundred rows; without the kept sums, all of them."""
    pool = await fill_pool(database, OLD_HOLDS)
    while (await look_at_changes(database)).behind:
        pass
    await free_some(database, pool, 50)

    before = await rows_read_by(database)
    report = await look_at_changes(database)
    read = await rows_read_by(database) - before

    assert (report.ok, report.checked["buyers"], report.checked["rows_read_whole"]) == (True, 50, 0)
    assert 50 <= read <= 1_000

    async with database.transaction() as transaction:
        await transaction.execute("DELETE FROM audit_pools")
    await free_some(database, pool, 50)
    before = await rows_read_by(database)
    report = await look_at_changes(database)
    assert report.checked["rows_read_whole"] > OLD_HOLDS - 200
    assert await rows_read_by(database) - before > OLD_HOLDS - 200


async def test_a_transaction_that_commits_late_is_not_skipped(database: PgDatabase) -> None:
    """What began before a round and commits after it is the next round's."""
    pool = await fill_pool(database, 10)
    await look_at_changes(database)
    async with database.transaction() as late:
        await late.execute(
            "UPDATE reservations SET qty = 5 WHERE id ="
            " (SELECT id FROM reservations WHERE pool_id = $1 LIMIT 1)",
            pool,
        )
        await free_some_elsewhere(database)
        report = await look_at_changes(database)
        assert (report.ok, report.behind) == (True, 0)

    report = await look_at_changes(database)

    assert {one.check for one in report.violations} == {
        "oversold",
        "claimed_is_live",
        "buyer_adds_up",
    }


async def free_some_elsewhere(database: PgDatabase) -> None:
    """Change another pool, later than the transaction that is open, and commit sooner."""
    await free_some(database, await fill_pool(database, 10), 5)


async def test_a_round_with_too_much_to_do_says_so_and_is_right(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marks that are left are counted; a pool with some of them left is still judged exactly."""
    pool = await fill_pool(database, 50)
    await look_at_changes(database)
    monkeypatch.setattr(rounds, "MARKS_A_ROUND_MAX", 2)
    for _ in range(5):
        await free_some(database, pool, 1)

    reports = [await look_at_changes(database) for _ in range(3)]

    assert [report.behind for report in reports] == [3, 1, 0]
    assert all(report.ok for report in reports)


async def test_two_workers_take_turns(database: PgDatabase) -> None:
    """Rounds and slices at once, over a pool that changes, count no mark twice."""
    pool = await fill_pool(database, 60)
    for _ in range(6):
        await asyncio.gather(
            look_at_changes(database),
            look_at_a_slice(database),
            free_some(database, pool, 3),
            look_at_changes(database),
            look_at_a_slice(database),
        )
    report = await look_at_changes(database)

    assert (report.ok, report.behind) == (True, 0)
    async with database.reading() as connection:
        kept = await connection.fetchrow(
            "SELECT a.live, k.claimed FROM audit_pools a JOIN stock k USING (pool_id)"
            " WHERE a.pool_id = $1",
            pool,
        )
    assert tuple(kept) == (42, 42)


async def test_every_offender_counts_and_the_first_are_named(database: PgDatabase) -> None:
    """A pool without its journal row breaks a check; a report stays short with many of them."""
    await make_shop(database)
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO stock (pool_id, sku, sale_id, total, version)"
            " SELECT gen_random_uuid(), 'lost', gen_random_uuid(), 1, 1 FROM generate_series(1, 30)"
        )

    for report in (await audit(database), await look_at_changes(database)):
        [violation] = report.violations
        assert (violation.check, violation.count) == ("journal_adds_up", 30)
        assert len(violation.rows) == OFFENDERS_SHOWN_MAX
        assert violation.rows[0]["journal_rows"] == 0
        assert not report.ok
        assert report.oversold == 0
        assert report.checked["checks"] == len(CHECKS)
        assert "violation journal_adds_up ×30" in describe_audit(report)


async def test_the_last_report_is_read_and_old_ones_go(database: PgDatabase) -> None:
    """Good reports stay for a day, others for a month."""
    day_ms = 86_400_000
    async with database.reading() as connection:
        assert (await describe_latest(connection))["ok"] is False
    async with database.transaction() as transaction:
        await transaction.executemany(
            "INSERT INTO audit_reports (at_ms, ok, report) VALUES (clock_ms() - $1, $2, '{}')",
            [(2 * day_ms, True), (3 * day_ms, False), (31 * day_ms, False)],
        )

    await audit_and_keep(database)

    async with database.reading() as connection:
        latest = await read_latest(connection)
        kept = await connection.fetch("SELECT ok FROM audit_reports ORDER BY at_ms")
        described = await describe_latest(connection)
    assert latest is not None
    assert latest[1].ok
    assert latest[0] - latest[1].at_ms < 60_000
    assert [row["ok"] for row in kept] == [False, True]
    assert described["now_ms"] >= described["at_ms"]


async def test_changes_are_looked_at_though_the_slice_fails(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes one pool too large for a slice does not stop the auditor."""
    await fill_pool(database, 3)

    async def run_out_of_time(_: PgDatabase) -> None:
        raise TimeoutError

    monkeypatch.setattr("commerce.insight.audit.service.look_at_a_slice", run_out_of_time)

    with pytest.raises(TimeoutError):
        await audit_and_keep(database)

    async with database.reading() as connection:
        assert await store.count_marks(connection) == 0
        latest = await read_latest(connection)
    assert latest is not None
    assert latest[1].checked["pools"] == 1


async def test_a_full_run_in_small_chunks_sees_all_and_tells_how_far_it_is(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every key is passed once, however small the chunks; the last figures are equal."""
    await fill_pool(database, 30)
    await fill_pool(database, 30)
    monkeypatch.setattr("commerce.insight.audit.service.ROWS_A_CHUNK_MAX", 7)
    told: list[tuple[str, int, int]] = []

    report = await audit(database, lambda *progress: told.append(progress))

    assert report.ok
    assert told[-1] == ("done", 122, 122)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert [done for walk, done, _ in told if walk == "logs"][-1] == 122
    async with database.reading() as connection:
        assert await store.count_marks(connection) > 0, "a full run leaves the marks alone"


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    """A log is not filled with bars, and a terminal ends with a whole one."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        bar = ProgressBar(stream)
        for done in range(101):
            bar.show("orders", done, 100)
        bar.show("done", 100, 100)
    assert terminal.getvalue().endswith("100% of 100 · 0 s\x1b[K\n")
    assert file.getvalue() == ""
