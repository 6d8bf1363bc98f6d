"""A room's long log is read in pieces: none too large, nothing missed in any, nothing invented."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from commerce.insight.audit import rounds, service
from commerce.insight.audit.model import AuditReport
from commerce.insight.audit.rounds import look_at_a_slice, look_at_changes
from server.db.database import PgDatabase
from tests.integration.commerce.test_audit_pieces import (
    OFF,
    broken,
    change,
    rounds_until_done,
    whole_turn,
)

# Three whole pieces and one that is not.
PIECE, ROWS = 10, 35
# Within each piece, at both sides of a border, the first and the last row.
PLACES = (1, 5, 10, 11, 15, 20, 21, 30, 31, 35)
LOSE = "DELETE FROM room_events WHERE room_id = $1 AND log_offset = $2"
PUT_BACK = (
    "INSERT INTO room_events (room_id, log_offset, type, payload) VALUES ($1, $2, 'test', '{}')"
)
COMPLAINT = {"log_is_gapless"}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ten events of a log too many for every step."""
    monkeypatch.setattr(service, "ROWS_A_CHUNK_MAX", PIECE)
    monkeypatch.setattr(rounds, "ROWS_A_SLICE_MAX", PIECE)
    monkeypatch.setattr(rounds, "ROWS_A_ROUND_MAX", PIECE)


async def fill_log(database: PgDatabase, rows: int = ROWS) -> str:
    """Make a room's log of so many events, and return the room's id."""
    room = str(uuid.uuid4())
    async with database.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO room_log_heads (room_id, log_offset) VALUES ($1, $2)", room, rows
        )
        await transaction.execute(
            "INSERT INTO room_events (room_id, log_offset, type, payload)"
            " SELECT $1, n, 'test', '{}' FROM generate_series(1, $2::bigint) n",
            room,
            rows,
        )
    return room


async def append(database: PgDatabase, room: str) -> None:
    """Tell one more event, as the kernel does: log and head in one transaction."""
    await change(
        database,
        "WITH h AS (UPDATE room_log_heads SET log_offset = log_offset + 1"
        " WHERE room_id = $1 RETURNING log_offset)"
        " INSERT INTO room_events (room_id, log_offset, type, payload)"
        " SELECT $1, h.log_offset, 'test', '{}' FROM h",
        args=(room,),
    )


async def events_read(database: PgDatabase) -> int:
    """Return how many events were read so far, by anybody."""
    async with database.pool.acquire() as connection:
        await connection.fetchval("SELECT pg_stat_force_next_flush()")
        await connection.fetchval("SELECT 1")
        return int(
            await connection.fetchval(
                "SELECT t.seq_tup_read + (SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i"
                " WHERE i.relid = t.relid) FROM pg_stat_user_tables t"
                " WHERE t.relname = 'room_events'"
            )
        )


def count_of(report: AuditReport) -> int:
    """Return in how many rooms a log does not add up."""
    return sum(one.count for one in report.violations if {one.check} == COMPLAINT)


async def test_a_lost_event_in_any_piece_and_at_its_borders_is_found(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the full run, and by the turn though nothing marks it; a room for each place."""
    monkeypatch.setattr(rounds, "ROWS_A_ROUND_MAX", 10_000)
    rooms = [await fill_log(database) for _ in (*PLACES, "a healthy one")]
    assert broken(await service.audit(database)) == set()
    assert broken(await rounds_until_done(database)) == set()

    for room, place in zip(rooms, PLACES, strict=False):
        await change(database, OFF, LOSE, args=(room, place))

    assert count_of(await service.audit(database)) == len(PLACES)
    assert broken(await look_at_changes(database)) == set()
    assert count_of(await whole_turn(database)) == len(PLACES)


async def test_an_event_that_is_lost_while_its_log_is_read_is_found(database: PgDatabase) -> None:
    """A deletion begins the log anew, also behind what was read already; so does its mending."""
    for place in (5, 10, 11, 35):
        room = await fill_log(database)
        first = await look_at_changes(database)
        assert (first.behind, first.checked["rows_read_whole"]) == (1, PIECE)
        second = await look_at_changes(database)
        assert (broken(second), second.behind) == (set(), 1)

        await change(database, LOSE, args=(room, place))

        assert count_of(await rounds_until_done(database)) == 1
        assert count_of(await rounds_until_done(database)) == 1
        await change(database, PUT_BACK, args=(room, place))
        assert broken(await rounds_until_done(database)) == set()


async def test_events_between_two_pieces_are_counted_once(database: PgDatabase) -> None:
    """By the rounds and by the turn, at the log's first sight and ever after."""
    room = await fill_log(database)
    report = await look_at_changes(database)
    while report.behind:
        assert broken(report) == set()
        await append(database, room)
        report = await look_at_changes(database)
        assert report.checked["rows_read_whole"] <= PIECE
    for _ in range(30):
        await append(database, room)
        await look_at_a_slice(database)
        assert broken(await look_at_changes(database)) == set()
    assert broken(await whole_turn(database)) == set()


async def test_no_step_reads_more_than_a_piece(database: PgDatabase) -> None:
    """The turn and the rounds each read their limit; a control reads the log at once."""
    await fill_log(database, 1_001)
    steps: list[int] = []

    async def count(work: Callable[[], Any]) -> Any:
        before = await events_read(database)
        done = await work()
        steps.append(await events_read(database) - before)
        return done

    report = await count(lambda: look_at_changes(database))
    while report.behind:
        report = await count(lambda: look_at_changes(database))
    assert len(steps) > 1_001 // PIECE
    while report.turn.walk != "coupons":
        await count(lambda: look_at_a_slice(database))
        report = await look_at_changes(database)
    assert len(steps) > 2 * 1_001 // PIECE
    # Another look-up of an index ends with the row behind the last one, and the log's end is read.
    assert max(steps) <= PIECE + 2

    steps.clear()
    await whole_turn(database)
    rounds.ROWS_A_SLICE_MAX = 10_000  # The fixture takes it back.
    while (await look_at_changes(database)).turn.walk != "coupons":
        await count(lambda: look_at_a_slice(database))
    assert max(steps) >= 1_001


async def test_a_full_run_goes_through_a_log_in_chunks(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told meanwhile is right; what is lost in a later chunk is seen; progress goes on."""
    room = await fill_log(database)
    chunk, chunks = service._audit_chunk, []

    async def tell_and_go_on(*args: Any) -> Any:
        await append(database, room)
        chunks.append(args[1].name)
        return await chunk(*args)

    monkeypatch.setattr(service, "_audit_chunk", tell_and_go_on)
    seen: list[str] = []
    report = await service.audit(database, lambda walk, done, total: seen.append(walk))
    assert broken(report) == set()
    assert chunks.count("logs") > ROWS // PIECE
    assert seen.count("logs") == chunks.count("logs")

    async def lose_and_go_on(*args: Any) -> Any:
        if args[1].name == "logs" and args[3]:  # Something was read already.
            await change(database, LOSE, args=(room, ROWS))
        return await chunk(*args)

    monkeypatch.setattr(service, "_audit_chunk", lose_and_go_on)
    assert broken(await service.audit(database)) == COMPLAINT
