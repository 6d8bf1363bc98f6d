"""SQL of looking back in a room's chat.

Invariant: one statement looks at a bounded number of lines, whatever the room and the question.
"""

from __future__ import annotations

from typing import Any

from commerce.community.chat_archive.model import ArchivedLine, Deletion, Search
from commerce.community.chat_archive.rules import like_pattern
from commerce.kernel.ports import Connection

# With a million lines in a room, 60–80 ms when nothing matches. An index of trigrams would answer
# long words sooner, but none of two Chinese signs, and every line would pay for it.
SCAN_LINES_MAX = 50_000
# The scan is bounded already; this is for a machine that is very busy or very cold.
STATEMENT_MS_MAX = 3_000

ID_MIN = "00000000-0000-0000-0000-000000000000"
ID_MAX = "ffffffff-ffff-ffff-ffff-ffffffffffff"

# The planner takes a busy room for a small one: a bitmap of all its lines would have to be sorted.
BEGIN_LOOK_BACK = """
    SELECT set_config('statement_timeout', $1, true), set_config('enable_bitmapscan', 'off', true)
"""
# Rows are compared as a whole, so that only the index of the room has them in order. With a plain
# `room_id = $1` the planner may read the newest lines of all rooms instead, which took a second for
# a quiet room in a busy shop.
SEARCH = """
    SELECT c.id, c.user_id, c.name, c.text, c.flags, c.at_ms, c.deleted_at_ms, c.deleted_by,
        d.name AS deleter
    FROM (
        SELECT * FROM chat_lines
        WHERE (room_id, id) < ($1, $2::uuid) AND (room_id, id) >= ($1, $3::uuid)
        ORDER BY room_id DESC, id DESC LIMIT $4
    ) c LEFT JOIN users d ON d.id = c.deleted_by
    WHERE $5::text IS NULL OR c.text ILIKE $5 OR c.name ILIKE $5
    ORDER BY c.room_id DESC, c.id DESC LIMIT $6
"""
SEARCH_OF_AUTHOR = """
    SELECT c.id, c.user_id, c.name, c.text, c.flags, c.at_ms, c.deleted_at_ms, c.deleted_by,
        d.name AS deleter
    FROM (
        SELECT * FROM chat_lines
        WHERE room_id = $1 AND user_id = $7::uuid AND id < $2::uuid AND id >= $3::uuid
        ORDER BY id DESC LIMIT $4
    ) c LEFT JOIN users d ON d.id = c.deleted_by
    WHERE $5::text IS NULL OR c.text ILIKE $5 OR c.name ILIKE $5
    ORDER BY c.id DESC LIMIT $6
"""
LAST_SCANNED = """
    SELECT id FROM chat_lines
    WHERE (room_id, id) < ($1, $2::uuid) AND (room_id, id) >= ($1, $3::uuid)
    ORDER BY room_id DESC, id DESC OFFSET $4 LIMIT 1
"""
LAST_SCANNED_OF_AUTHOR = """
    SELECT id FROM chat_lines
    WHERE room_id = $1 AND user_id = $5::uuid AND id < $2::uuid AND id >= $3::uuid
    ORDER BY id DESC OFFSET $4 LIMIT 1
"""
SELECT_CHUNK = """
    SELECT c.id, c.user_id, c.name, c.text, c.flags, c.at_ms, c.deleted_at_ms, c.deleted_by,
        d.name AS deleter
    FROM chat_lines c LEFT JOIN users d ON d.id = c.deleted_by
    WHERE (c.room_id, c.id) > ($1, $2::uuid) AND (c.room_id, c.id) < ($1, $3::uuid)
    ORDER BY c.room_id, c.id LIMIT $4
"""


async def begin_look_back(connection: Connection) -> None:
    """Let this transaction's statements walk their index, for at most `STATEMENT_MS_MAX` each."""
    await connection.execute(BEGIN_LOOK_BACK, str(STATEMENT_MS_MAX))


async def select_found(
    connection: Connection, room_id: str, search: Search, limit: int
) -> list[ArchivedLine]:
    """Return up to `limit` lines that match among the newest `SCAN_LINES_MAX`, newest first."""
    query = SEARCH_OF_AUTHOR if search.user_id else SEARCH
    author = (search.user_id,) if search.user_id else ()
    pattern = like_pattern(search.text) if search.text else None
    rows = await connection.fetch(
        query,
        room_id,
        search.before or ID_MAX,
        ID_MIN,
        SCAN_LINES_MAX,
        pattern,
        limit,
        *author,
    )
    return [_line(row) for row in rows]


async def select_last_scanned(connection: Connection, room_id: str, search: Search) -> str | None:
    """Return the last line that `select_found` looked at, None when it looked at all."""
    query = LAST_SCANNED_OF_AUTHOR if search.user_id else LAST_SCANNED
    author = (search.user_id,) if search.user_id else ()
    before = search.before or ID_MAX
    last = await connection.fetchval(query, room_id, before, ID_MIN, SCAN_LINES_MAX - 1, *author)
    return str(last) if last else None


async def select_chunk(
    connection: Connection, room_id: str, *, after: str, until: str, limit: int
) -> list[ArchivedLine]:
    """Return lines with ids between two others, oldest first."""
    rows = await connection.fetch(SELECT_CHUNK, room_id, after, until, limit)
    return [_line(row) for row in rows]


def _line(row: Any) -> ArchivedLine:
    deleted = None
    if row["deleted_at_ms"] is not None:
        deleted = Deletion(row["deleted_at_ms"], str(row["deleted_by"]), row["deleter"])
    return ArchivedLine(
        id=str(row["id"]),
        user=str(row["user_id"]) if row["user_id"] else None,
        name=row["name"],
        text=row["text"],
        flags=row["flags"],
        at_ms=row["at_ms"],
        deleted=deleted,
    )
