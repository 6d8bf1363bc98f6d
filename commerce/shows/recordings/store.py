"""SQL of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commerce.kernel.ports import Connection
from commerce.shows.recordings.model import Pin, RecordedPart, Recording

# A show is one row whichever process records it: the next one goes on where one was killed.
UPSERT_RECORDING = """
    INSERT INTO recordings AS r (show_id, room_id, state, clock_ahead_ms)
    SELECT id, room_id, 'recording', $2 FROM shows WHERE id = $1 AND status = 'live'
    ON CONFLICT (show_id) DO UPDATE SET state = 'recording', reason = NULL, ended_at_ms = NULL
    WHERE r.state <> 'removed' RETURNING r.clock_ahead_ms
"""
UPSERT_PARTS = """
    INSERT INTO recording_parts AS p (show_id, no, kind, codecs, width, height, from_ms, to_ms)
    SELECT $1, q.* FROM unnest(
        $2::int[], $3::text[], $4::text[], $5::int[], $6::int[], $7::bigint[], $8::bigint[]) q
    ON CONFLICT (show_id, no) DO UPDATE SET to_ms = excluded.to_ms
    WHERE p.to_ms < excluded.to_ms
"""
UPDATE_SIZE = "UPDATE recordings SET size_bytes = $2 WHERE show_id = $1"
END_RECORDING = """
    UPDATE recordings SET state = CASE WHEN $2::text IS NULL THEN 'complete' ELSE 'cut' END,
        reason = $2, ended_at_ms = clock_ms()
    WHERE show_id = $1 AND state = 'recording' RETURNING show_id
"""
# What a process left that was killed, once its show is over.
SELECT_LEFT_OPEN = """
    SELECT r.show_id FROM recordings r JOIN shows s ON s.id = r.show_id
    WHERE r.state = 'recording' AND s.status <> 'live'
"""
SELECT_RECORDING = """
    SELECT show_id, room_id, state, reason, clock_ahead_ms, size_bytes FROM recordings
    WHERE show_id = $1 AND state <> 'removed'
"""
SELECT_PARTS = """
    SELECT no, kind, codecs, width, height, from_ms, to_ms FROM recording_parts
    WHERE show_id = $1 ORDER BY no
"""
SELECT_PINS = """
    SELECT p.item_id AS item, i.no, v.title, v.title_zh, p.from_ms, p.to_ms
    FROM pins p
    JOIN bag_items i ON i.id = p.item_id
    JOIN named_variants v ON v.sku = i.sku
    WHERE p.show_id = $1 ORDER BY p.from_ms LIMIT 500
"""
SELECT_LIVE = """
    SELECT s.id AS show_id, s.room_id, r.state,
        (SELECT max(p.from_ms) FROM pins p WHERE p.show_id = s.id) AS pinned_at_ms
    FROM shows s LEFT JOIN recordings r ON r.show_id = s.id WHERE s.status = 'live'
"""
SELECT_TOTAL_BYTES = "SELECT coalesce(sum(size_bytes), 0)::bigint FROM recordings"
SELECT_REMOVED = """
    SELECT show_id FROM recordings WHERE state = 'removed' AND show_id = ANY($1::uuid[])
"""
SELECT_EXPIRED = """
    SELECT show_id FROM recordings
    WHERE state IN ('complete', 'cut') AND ended_at_ms < clock_ms() - $1::bigint
    ORDER BY ended_at_ms LIMIT 20
"""
REMOVE_RECORDING = """
    UPDATE recordings SET state = 'removed', reason = $2, size_bytes = 0
    WHERE show_id = $1 AND state IN ('complete', 'cut') RETURNING show_id
"""


async def begin_recording(
    connection: Connection, show_id: str, *, clock_ahead_ms: int
) -> int | None:
    """Say that a live show is recorded; return how far its files' clock is behind, None unless.

    A show that is recorded anew keeps the first process's clock: its files are dated by that.
    """
    ahead: int | None = await connection.fetchval(UPSERT_RECORDING, show_id, clock_ahead_ms)
    return ahead


async def upsert_parts(
    connection: Connection, show_id: str, parts: Sequence[RecordedPart], *, size_bytes: int
) -> None:
    """Keep how far parts have come."""
    columns = [[getattr(part, name) for part in parts] for name in RecordedPart.__struct_fields__]
    await connection.execute(UPSERT_PARTS, show_id, *columns)
    await connection.execute(UPDATE_SIZE, show_id, size_bytes)


async def end_recording(connection: Connection, show_id: str, reason: str | None) -> bool:
    """Say that a recording is over, or why it was cut short; False when it was."""
    return await connection.fetchval(END_RECORDING, show_id, reason) is not None


async def select_left_open(connection: Connection) -> list[str]:
    """Return shows that are over and still count as being recorded."""
    return [str(row["show_id"]) for row in await connection.fetch(SELECT_LEFT_OPEN)]


async def find_recording(connection: Connection, show_id: str) -> Recording | None:
    """Return a show's recording with its parts, or None where nothing is kept."""
    row = await connection.fetchrow(SELECT_RECORDING, show_id)
    if row is None:
        return None
    parts = [RecordedPart(**dict(part)) for part in await connection.fetch(SELECT_PARTS, show_id)]
    return Recording(**_texts(row), parts=parts)


async def select_pins(connection: Connection, show_id: str) -> list[Pin]:
    """Return what was explained in a show, in order."""
    return [Pin(**_texts(row)) for row in await connection.fetch(SELECT_PINS, show_id)]


async def select_live(connection: Connection) -> list[tuple[str, str, str | None, int | None]]:
    """Return (show, room, state of its recording, time of its last pin) of every live show."""
    return [
        (str(row["show_id"]), str(row["room_id"]), row["state"], row["pinned_at_ms"])
        for row in await connection.fetch(SELECT_LIVE)
    ]


async def select_total_bytes(connection: Connection) -> int:
    """Return what the files of all recordings take together."""
    total: int = await connection.fetchval(SELECT_TOTAL_BYTES)
    return total


async def select_removed(connection: Connection, show_ids: Sequence[str]) -> list[str]:
    """Return which of these shows have a recording that is removed."""
    return [str(row["show_id"]) for row in await connection.fetch(SELECT_REMOVED, show_ids)]


async def select_expired(connection: Connection, older_than_ms: int) -> list[str]:
    """Return the shows of a few recordings that are kept no longer."""
    rows = await connection.fetch(SELECT_EXPIRED, older_than_ms)
    return [str(row["show_id"]) for row in rows]


async def mark_removed(connection: Connection, show_id: str, reason: str) -> bool:
    """Say that a recording's files are to go; False when there is none that has ended."""
    return await connection.fetchval(REMOVE_RECORDING, show_id, reason) is not None


def _texts(row: Any) -> dict[str, Any]:
    """Return a row with its ids as text."""
    return {
        name: value if value is None or isinstance(value, int | str) else str(value)
        for name, value in dict(row).items()
    }
