"""A long journal is read in pieces: none too large, nothing missed in any, nothing invented."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from commerce.insight.audit import rounds, service
from commerce.insight.audit.model import AuditReport
from commerce.insight.audit.rounds import look_at_a_slice, look_at_changes
from server.db.database import PgDatabase

# Three whole pieces and one that is not; nothing is claimed at the end.
PIECE, ROWS = 10, 35
# Within each piece, at both sides of a border, the first and the last row.
PLACES = (1, 5, 10, 11, 15, 20, 21, 30, 31, 35)
FAULTS = {
    "gap": "DELETE FROM stock_journal WHERE pool_id = $1 AND version = $2",
    "wrong sum": "UPDATE stock_journal SET claimed_delta = claimed_delta + 1"
    " WHERE pool_id = $1 AND version = $2",
    "wrong total": "UPDATE stock_journal SET total_delta = total_delta + 1"
    " WHERE pool_id = $1 AND version = $2",
}
OFF = "SET LOCAL session_replication_role = replica"


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ten rows of a journal too many for every step."""
    monkeypatch.setattr(service, "ROWS_A_CHUNK_MAX", PIECE)
    monkeypatch.setattr(rounds, "ROWS_A_SLICE_MAX", PIECE)
    monkeypatch.setattr(rounds, "ROWS_A_ROUND_MAX", PIECE)


async def fill_journal(database: PgDatabase, rows: int = ROWS) -> str:
    """Make a pool of five whose units were claimed and freed by turns, and return its id."""
    pool = str(uuid.uuid4())
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO stock (pool_id, sku, total, version) VALUES ($1::uuid, $1::text, 5, $2)",
            pool,
            rows,
        )
        await transaction.execute(
            "INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason,"
            " at_ms) SELECT $1, n, CASE WHEN n = 1 THEN 0 WHEN n % 2 = 0 THEN 1 ELSE -1 END,"
            " CASE n WHEN 1 THEN 5 ELSE 0 END, 'test', n FROM generate_series(1, $2) n",
            pool,
            rows,
        )
    return pool


async def change(database: PgDatabase, *statements: str, args: tuple[Any, ...] = ()) -> None:
    """Run statements in one transaction, the last one with parameters."""
    async with database.transaction() as transaction:
        for statement in statements[:-1]:
            await transaction.execute(statement)
        await transaction.execute(statements[-1], *args)


async def append_two(database: PgDatabase, pool: str) -> None:
    """Claim a unit and free it, as the core does: journal and stock in one transaction."""
    await change(
        database,
        "WITH k AS (UPDATE stock SET version = version + 2 WHERE pool_id = $1 RETURNING version)"
        " INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)"
        " SELECT $1, k.version - 1 + n, 1 - 2 * n, 0, 'test', 1"
        " FROM k CROSS JOIN generate_series(0, 1) n",
        args=(pool,),
    )


async def rounds_until_done(database: PgDatabase) -> AuditReport:
    """Look at changes until nothing is left; returns the last report."""
    report = await look_at_changes(database)
    for _ in range(300):
        if not report.behind:
            break
        report = await look_at_changes(database)
    assert not report.behind
    return report


async def whole_turn(database: PgDatabase) -> AuditReport:
    """Go over everything once more, and report."""
    before = (await look_at_changes(database)).turn
    assert before is not None
    for _ in range(300):
        await look_at_a_slice(database)
        report = await look_at_changes(database)
        assert report.turn is not None
        if report.turn.last_ended_at_ms != before.last_ended_at_ms:
            return report
    raise AssertionError("the turn does not end")


def broken(report: AuditReport) -> set[str]:
    """Return the checks that a report complains about."""
    return {one.check for one in report.violations}


async def journal_rows_read(database: PgDatabase) -> int:
    """Return how many rows of the journal were read so far, by anybody."""
    async with database.pool.acquire() as connection:
        await connection.fetchval("SELECT pg_stat_force_next_flush()")
        await connection.fetchval("SELECT 1")
        return int(
            await connection.fetchval(
                "SELECT t.seq_tup_read + (SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i"
                " WHERE i.relid = t.relid) FROM pg_stat_user_tables t"
                " WHERE t.relname = 'stock_journal'"
            )
        )


def count_of(report: AuditReport) -> int:
    """Return in how many pools a journal does not add up."""
    return sum(one.count for one in report.violations if one.check == "journal_adds_up")


async def test_a_fault_in_any_piece_and_at_its_borders_is_found(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the full run, and by the turn though nothing marks it; a pool for each fault and place."""
    monkeypatch.setattr(rounds, "ROWS_A_ROUND_MAX", 10_000)
    faults = [(fault, place) for fault in FAULTS.values() for place in PLACES]
    pools = [await fill_journal(database) for _ in (*faults, "a healthy one")]
    assert broken(await service.audit(database)) == set()
    assert broken(await rounds_until_done(database)) == set()

    for pool, (fault, place) in zip(pools, faults, strict=False):
        await change(database, OFF, fault, args=(pool, place))

    assert count_of(await service.audit(database)) == len(faults)
    assert broken(await look_at_changes(database)) == set()
    assert count_of(await whole_turn(database)) == len(faults)


async def test_a_marked_fault_is_found_by_the_rounds(database: PgDatabase) -> None:
    """A journal that was tampered with is read anew, also behind what was read already."""
    for place in (5, 10, 11, 35):
        pool = await fill_journal(database)
        first = await look_at_changes(database)
        assert (first.behind, first.checked["rows_read_whole"]) == (1, PIECE)
        second = await look_at_changes(database)
        assert (broken(second), second.behind) == (set(), 1)

        await change(database, FAULTS["gap"], args=(pool, place))

        assert count_of(await rounds_until_done(database)) == 1
        assert count_of(await rounds_until_done(database)) == 1
        await change(
            database,
            "INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason,"
            " at_ms) SELECT $1, $2, 1 - 2 * ($2::bigint % 2), 0, 'test', 1",
            args=(pool, place),
        )
        await change(
            database,
            "UPDATE stock_journal SET reason = 'mended' WHERE pool_id = $1 AND version = $2",
            args=(pool, place),
        )
        assert broken(await rounds_until_done(database)) == set()


async def test_units_below_zero_in_one_piece_are_found_after_the_next(
    database: PgDatabase,
) -> None:
    """Sums that are right again at the border still were wrong within."""
    pool = await fill_journal(database)
    for place, delta in ((13, -2), (17, 2)):
        await change(
            database,
            OFF,
            "UPDATE stock_journal SET claimed_delta = claimed_delta + $3"
            " WHERE pool_id = $1 AND version = $2",
            args=(pool, place, delta),
        )

    report = await service.audit(database)

    assert broken(report) == {"never_below_or_above"}
    assert report.violations[0].rows[0]["version"] == 13
    assert broken(await whole_turn(database)) == {"never_below_or_above"}


async def test_no_step_reads_more_than_a_piece(database: PgDatabase) -> None:
    """The turn, the rounds and the chunks each read their limit; a control reads it at once."""
    await fill_journal(database, 1_001)
    await fill_journal(database, 3)
    steps: list[int] = []

    async def count(work: Callable[[], Any]) -> Any:
        before = await journal_rows_read(database)
        done = await work()
        steps.append(await journal_rows_read(database) - before)
        return done

    report = await count(lambda: look_at_changes(database))
    while report.behind:
        report = await count(lambda: look_at_changes(database))
    assert len(steps) > 1_001 // PIECE
    while report.turn.walk in ("", "pools"):
        await count(lambda: look_at_a_slice(database))
        report = await look_at_changes(database)
    assert len(steps) > 2 * 1_001 // PIECE
    # Another look-up of an index ends with the row behind the last one.
    assert max(steps) <= PIECE + 1

    steps.clear()
    rounds.ROWS_A_SLICE_MAX = 10_000  # The fixture takes it back.
    report = await whole_turn(database)
    await count(lambda: look_at_a_slice(database))
    await count(lambda: look_at_a_slice(database))
    assert max(steps) >= 1_001


async def test_writes_between_the_chunks_invent_no_violation(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that grows while it is read is right, and what it grew by is read too."""
    pool = await fill_journal(database)
    chunk, chunks = service._audit_chunk, []

    async def sell_and_go_on(*args: Any) -> Any:
        await append_two(database, pool)
        chunks.append(args[1].name)
        return await chunk(*args)

    monkeypatch.setattr(service, "_audit_chunk", sell_and_go_on)
    report = await service.audit(database)
    assert broken(report) == set()
    assert chunks.count("pools") > 4

    async def sell_wrongly(*args: Any) -> Any:
        if args[1].name == "pools" and args[3]:  # Something was read already.
            await change(database, FAULTS["wrong sum"], args=(pool, ROWS + 2 * len(chunks)))
        return await chunk(*args)

    monkeypatch.setattr(service, "_audit_chunk", sell_wrongly)
    assert "journal_adds_up" in broken(await service.audit(database))


async def test_a_journal_row_of_a_person_needs_its_adjustment(database: PgDatabase) -> None:
    """Stock that somebody added is found without the row that says who; a stocking is nobody's."""
    pool = await fill_journal(database, 3)
    await change(
        database,
        "UPDATE stock_journal SET reason = 'carved_in' WHERE pool_id = $1 AND version = 1",
        args=(pool,),
    )
    assert broken(await rounds_until_done(database)) == set()

    for reason in ("restocked", "written_off", "carved_in"):
        await change(
            database,
            "UPDATE stock_journal SET reason = $2 WHERE pool_id = $1 AND version = 3",
            args=(pool, reason),
        )
        assert broken(await rounds_until_done(database)) == {"adjustment_is_in_the_journal"}
        assert broken(await service.audit(database)) == {"adjustment_is_in_the_journal"}
