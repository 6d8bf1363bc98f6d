"""Audit everything on command, keep the continuous audit going, and read what it says.

A full run goes in chunks, each of them one REPEATABLE READ snapshot: every invariant lies within
a pool, a buyer, an order or a log, so it is judged at one instant, also while a sale runs; one
snapshot over all chunks would keep VACUUM from the hot rows for as long as the run takes.

A journal or a room's log longer than a chunk is read in several, and judged in the last of them:
the stock row and the reservations, or the log's head, and the rest of the rows are of that one
snapshot, and what earlier chunks have read is in it too, unchanged, because a journal and a log
only grow at their ends, in the order of their numbers. So a write between two chunks is read by a
later one, and invents no violation. The exception is a hand that changes such rows during the run:
run it again then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from commerce.insight.audit import pieces, store
from commerce.insight.audit.checks import BY_NAME, CHECKS
from commerce.insight.audit.model import (
    OFFENDERS_SHOWN_MAX,
    AuditReport,
    Broken,
    Keys,
    Offender,
    Piece,
    Severity,
)
from commerce.insight.audit.rounds import (
    ROUNDS_IN_A_ROW_MAX,
    look_at_a_slice,
    look_at_changes,
)
from commerce.insight.audit.walks import START, WALKS, Walk, next_step
from commerce.kernel.ports import Connection, Database

# Rows of one chunk of a full run: some 100 ms, so that no snapshot of it is older.
ROWS_A_CHUNK_MAX = 50_000
COUNTS = """
    SELECT (SELECT count(*) FROM stock) AS stock,
        (SELECT count(*) FROM sale_buyers) AS sale_buyers,
        (SELECT count(*) FROM reservations) AS reservations,
        (SELECT count(*) FROM orders) AS orders,
        (SELECT count(*) FROM room_log_heads) AS room_log_heads,
        (SELECT count(*) FROM stock_journal) AS stock_journal,
        (SELECT count(*) FROM payments) AS payments,
        (SELECT count(*) FROM coupons) AS coupons,
        (SELECT count(*) FROM coupon_claims) AS coupon_claims,
        (SELECT count(*) FROM room_events) AS room_events
"""

Progress = Callable[[str, int, int], None]
"""Told (walk, keys done, keys in all) after every chunk; the last one has them equal."""


def _ignore(walk: str, done: int, total: int) -> None:
    """Show no progress."""


async def audit(database: Database, progress: Progress = _ignore) -> AuditReport:
    """Check every invariant over everything, from the rows alone."""
    async with database.reading() as connection:
        now_ms, turn, _ = await store.select_turn(connection)
        counts = dict(await connection.fetchrow(COUNTS))
        offenders = await store.select_offenders(
            connection, "clock", Keys(), is_kept=False, now_ms=now_ms
        )
    read: dict[str, Piece] = {}
    total, done = sum(counts[walk.table] for walk in WALKS), 0
    for walk in WALKS:
        cursor: tuple[str, str] | None = START
        while cursor is not None:
            cursor, passed = await _audit_chunk(database, walk, cursor, read, offenders)
            done += passed
            progress(walk.name, min(done, total), total)
    progress("done", total, total)
    return AuditReport(
        ok=not any(BY_NAME[one.check].severity == "violation" for one in offenders),
        checked={"checks": len(CHECKS), **_named(counts)},
        violations=_summed(offenders, "violation"),
        warnings=_summed(offenders, "warning"),
        at_ms=now_ms,
        turn=turn,
    )


async def _audit_chunk(
    database: Database,
    walk: Walk,
    cursor: tuple[str, str],
    read: dict[str, Piece],
    offenders: list[Offender],
) -> tuple[tuple[str, str] | None, int]:
    """Audit the next keys in a snapshot of their own; returns (where to go on, how many).

    Where a journal or log is not at its end yet, that is the same place and 0; `read` has how far.
    """
    async with database.reading() as connection:
        await store.only_look_up(connection)
        step = await next_step(connection, walk, cursor, weight_max=ROWS_A_CHUNK_MAX)
        ids = getattr(step.keys, walk.kind)
        if not await pieces.finish(connection, walk.kind, ids, read, rows_max=ROWS_A_CHUNK_MAX):
            return cursor, 0
        if walk.kind in pieces.READINGS:
            step.keys.pieces = {id: read.pop(id) for id in ids if id in read}
        if len(step.keys):
            offenders += await store.select_offenders(
                connection, walk.kind, step.keys, is_kept=False, now_ms=0
            )
    return step.cursor, step.passed


def _named(counts: dict[str, int]) -> dict[str, int]:
    names = {
        "stock": "pools",
        "stock_journal": "journal_rows",
        "sale_buyers": "buyers",
        "room_log_heads": "rooms",
    }
    return {names.get(table, table): count for table, count in counts.items()}


def _summed(offenders: list[Offender], severity: Severity) -> list[Broken]:
    mine = [one for one in offenders if BY_NAME[one.check].severity == severity]
    return [
        Broken(
            name,
            count,
            [one.row for one in mine if one.check == name][:OFFENDERS_SHOWN_MAX],
            BY_NAME[name].says,
        )
        for name, count in sorted(Counter(one.check for one in mine).items())
    ]


async def audit_and_keep(database: Database) -> AuditReport:
    """Job: look at all that changed, then at a slice of everything; keep the last report.

    What changed comes first: a slice that fails, or that takes longer than the job may, must not
    keep the auditor from the present. What the slice finds is in the next round's report.
    """
    report = await look_at_changes(database)
    for _ in range(ROUNDS_IN_A_ROW_MAX - 1):
        if not report.behind:
            break
        report = await look_at_changes(database)
    await look_at_a_slice(database)
    return report


async def describe_latest(connection: Connection) -> dict[str, Any]:
    """Return the last round as `GET /api/audit` answers it; before the first, nothing is ok."""
    latest = await read_latest(connection)
    if latest is None:
        return {"ok": False, "checked": {}, "violations": [], "at_ms": None}
    now_ms, report = latest
    answer: dict[str, Any] = msgspec.to_builtins(report)
    for one in answer["violations"]:
        one["sale"] = await store.select_sale_of(connection, one["rows"][0])
    return {**answer, "oversold": report.oversold, "now_ms": now_ms}


async def read_latest(connection: Connection) -> tuple[int, AuditReport] | None:
    """Return (now in Unix ms, the report of the last round)."""
    latest = await store.select_latest(connection)
    if latest is None:
        return None
    report, now_ms = latest
    return now_ms, msgspec.json.decode(report, type=AuditReport)
