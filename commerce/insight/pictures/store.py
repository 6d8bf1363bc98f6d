"""SQL of the pictures: keep a minute's counts, read those of a room's last minutes."""

from __future__ import annotations

from collections.abc import Sequence

from commerce.insight.pictures.model import PictureMinute
from commerce.insight.pictures.rules import WINDOW_S
from commerce.kernel.ports import Connection

UPSERT = """
    INSERT INTO picture_minutes (
        room_id, minute_ms, reporter, beats, played_ms, stalled_ms, stalls, first_frames, behinds
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::integer[], $9::integer[])
    ON CONFLICT (room_id, minute_ms, reporter) DO UPDATE
    SET beats = excluded.beats, played_ms = excluded.played_ms, stalled_ms = excluded.stalled_ms,
        stalls = excluded.stalls, first_frames = excluded.first_frames, behinds = excluded.behinds
"""
# A minute is young enough when any of it is.
SELECT_RECENT = """
    SELECT room_id::text AS room_id, minute_ms, reporter, beats, played_ms, stalled_ms, stalls,
        first_frames, behinds
    FROM picture_minutes
    WHERE room_id = $1 AND minute_ms > (SELECT clock_ms()) - 60000 - $2::bigint
    ORDER BY minute_ms, reporter
"""


async def upsert_minutes(connection: Connection, minutes: Sequence[PictureMinute]) -> None:
    """Keep counts; those of the same minute and reporter replace each other. Keys are sorted."""
    rows = sorted(minutes, key=lambda one: (one.room_id, one.minute_ms, one.reporter))
    await connection.executemany(
        UPSERT,
        [
            (
                *(one.room_id, one.minute_ms, one.reporter, one.beats, one.played_ms),
                *(one.stalled_ms, one.stalls, list(one.first_frames), list(one.behinds)),
            )
            for one in rows
        ],
    )


async def select_recent(connection: Connection, room_id: str) -> list[PictureMinute]:
    """Return the counts of the console's window, of all gateways."""
    return [
        PictureMinute(
            room_id=row["room_id"],
            minute_ms=row["minute_ms"],
            reporter=row["reporter"],
            beats=row["beats"],
            played_ms=row["played_ms"],
            stalled_ms=row["stalled_ms"],
            stalls=row["stalls"],
            first_frames=tuple(row["first_frames"]),
            behinds=tuple(row["behinds"]),
        )
        for row in await connection.fetch(SELECT_RECENT, room_id, WINDOW_S * 1000)
    ]
