"""The continuous audit: rounds over what changed, and a turn over everything in slices.

Invariants: a round is one transaction over one instant, and takes away the marks of that instant
alone; what it reads is bounded by the named limits below, but for the sum over one pool's live
reservations, which its indexes give. A long journal and a long log are read in pieces
(`pieces.py`). A finding stays until its row was looked at again and is right.
"""

from __future__ import annotations

import msgspec

from commerce.insight.audit import pieces, store
from commerce.insight.audit.checks import BY_NAME, CHECKS
from commerce.insight.audit.model import (
    OFFENDERS_SHOWN_MAX,
    UNREAD,
    AuditReport,
    Broken,
    Keys,
    Kind,
    Marks,
    Offender,
    Piece,
    Severity,
)
from commerce.insight.audit.walks import BY_NAME as WALK_BY_NAME
from commerce.insight.audit.walks import START, next_step, next_walk
from commerce.kernel.ports import Connection, Database

# A round keeps below 100 ms with these on a small machine; what is more waits for the next.
MARKS_A_ROUND_MAX = 2_000
BUYERS_A_ROUND_MAX = 2_500
# Rows of pools and logs whose sums are not kept yet, or that somebody tampered with.
ROWS_A_ROUND_MAX = 20_000
FINDINGS_A_ROUND_MAX = 100
# A slice of the turn; every round takes one along.
ROWS_A_SLICE_MAX = 10_000
# While a rush is on, rounds follow one another without a rest, but not for ever.
ROUNDS_IN_A_ROW_MAX = 5
KINDS: tuple[Kind, ...] = ("pool", "buyer", "order", "room", "coupon")


async def look_at_changes(database: Database) -> AuditReport:
    """Audit all that changed since the last round, and keep the report."""
    async with database.transaction() as transaction:
        await store.begin_alone(transaction)
        now_ms, turn, _ = await store.select_turn(transaction)
        marks = await store.take_marks(
            transaction, marks_max=MARKS_A_ROUND_MAX, weight_max=BUYERS_A_ROUND_MAX
        )
        again = await store.select_findings_due(transaction, FINDINGS_A_ROUND_MAX)
        keys = marks.keys
        for kind in KINDS:
            getattr(keys, kind).update(getattr(again, kind))
        await store.follow(transaction, keys)
        read = await _bring(transaction, "pool", marks, again.pool)
        read += await _bring(transaction, "room", marks, again.room)
        await _check(transaction, keys, now_ms)
        clock = await store.select_offenders(
            transaction, "clock", keys, is_kept=True, now_ms=now_ms
        )
        await store.replace_findings(transaction, "clock", keys, clock, now_ms=now_ms)
        found = await store.select_findings(transaction, OFFENDERS_SHOWN_MAX)
        checked = {"checks": len(CHECKS), "marks": marks.rows, "rows_read_whole": read}
        report = AuditReport(
            ok=all(BY_NAME[name].severity != "violation" for name in found if name in BY_NAME),
            checked=checked | {f"{kind}s": len(getattr(keys, kind)) for kind in KINDS},
            violations=_broken(found, "violation"),
            warnings=_broken(found, "warning"),
            mode="incremental",
            at_ms=now_ms,
            behind=await store.count_marks(transaction) + await pieces.count_owed(transaction),
            turn=turn,
        )
        await store.insert_report(
            transaction, at_ms=now_ms, ok=report.ok, report=msgspec.json.encode(report).decode()
        )
    return report


async def look_at_a_slice(database: Database) -> None:
    """Audit the next keys of the turn from their rows; changed by nobody, they carry no mark.

    The turn waits at a long journal or log until slices have read it to its end.
    """
    async with database.transaction() as transaction:
        await store.begin_alone(transaction)
        now_ms, turn, at = await store.select_turn(transaction)
        walk = WALK_BY_NAME.get(turn.walk) or next_walk("")
        assert walk is not None
        step = await next_step(
            transaction, walk, (at[0], at[1]) if at else START, weight_max=ROWS_A_SLICE_MAX
        )
        if step.cursor is not None:
            if not await _add_up(transaction, step.keys):
                return
            await store.step_turn(transaction, walk.name, step.cursor, step.passed)
            await _check(transaction, step.keys, now_ms)
        elif (following := next_walk(walk.name)) is not None:
            await store.step_turn(transaction, following.name, (), 0)
        else:
            await store.end_turn(transaction, now_ms)


async def _add_up(transaction: Connection, keys: Keys) -> bool:
    """Keep the sums of a slice's pools and logs; False when one goes on in the next slice."""
    for kind in pieces.READINGS:
        ids = getattr(keys, kind)
        if not ids:
            continue
        read = await pieces.select_pieces(transaction, kind, ids)
        if not await pieces.finish(transaction, kind, ids, read, rows_max=ROWS_A_SLICE_MAX):
            await pieces.keep_pieces(transaction, kind, read, is_owed=False)
            return False
        await store.keep_sums(transaction, kind, ids, read)
        await pieces.forget(transaction, kind, ids)
    return True


async def _bring(transaction: Connection, kind: Kind, marks: Marks, again: set[str]) -> int:
    """Bring the sums of pools, or of logs, to this instant; return how many rows that read anew.

    What is not known yet, was tampered with or was found wrong is read from its first row, the
    small ones first; the first that does not fit is read as far as it does, and what is left of it
    and of the others is owed to the next round.
    """
    deltas = marks.live if kind == "pool" else marks.events
    await pieces.forget(transaction, kind, marks.deep)
    owed = await pieces.select_owed(transaction, kind, MARKS_A_ROUND_MAX)
    owed |= {id for id in deltas if id in marks.deep}
    ids = {*deltas, *again, *owed}
    known = await pieces.select_pieces(transaction, kind, ids)
    done: dict[str, Piece] = {}
    late: list[str] = []
    read = 0
    for id, size, is_kept in await store.select_sizes(transaction, kind, ids):
        is_wanted = not is_kept or id in owed
        if not is_wanted and not (id in again and size <= ROWS_A_ROUND_MAX // 10):
            continue
        piece, room = known.get(id, UNREAD), ROWS_A_ROUND_MAX - read
        if size - piece.rows <= room:
            done[id] = piece
            read += size - piece.rows
        elif is_wanted and room:
            after, is_end = await pieces.read_on(transaction, kind, id, piece, rows_max=room)
            if is_end:
                done[id] = after
            else:
                await pieces.keep_pieces(transaction, kind, {id: after}, is_owed=True)
            read = ROWS_A_ROUND_MAX
        elif is_wanted:
            late.append(id)
    await store.advance_sums(
        transaction, kind, {id: delta for id, delta in deltas.items() if id not in done}
    )
    await store.keep_sums(transaction, kind, done, done)
    await pieces.forget(transaction, kind, done)
    await pieces.owe(transaction, kind, late)
    getattr(marks.keys, kind).update(owed)
    return read


async def _check(transaction: Connection, keys: Keys, now_ms: int) -> list[Offender]:
    """Ask every check about the keys, and keep what breaks one."""
    offenders: list[Offender] = []
    for kind in KINDS:
        if not getattr(keys, kind):
            continue
        found = await store.select_offenders(transaction, kind, keys, is_kept=True, now_ms=now_ms)
        await store.replace_findings(transaction, kind, keys, found, now_ms=now_ms)
        offenders += found
    return offenders


def _broken(
    found: dict[str, tuple[int, int, list[dict[str, object]]]], severity: Severity
) -> list[Broken]:
    return [
        Broken(name, count, rows, BY_NAME[name].says, since_ms)
        for name, (count, since_ms, rows) in found.items()
        if name in BY_NAME and BY_NAME[name].severity == severity
    ]
