"""SQL of chat lines, mutes, modes and likes."""

from __future__ import annotations

from collections.abc import Sequence

from commerce.community.moderation.model import ChatModes, Mute, StoredLine
from commerce.kernel.ports import Connection

INSERT_LINES = """
    INSERT INTO chat_lines (id, room_id, user_id, name, text, flags, at_ms)
    SELECT q.id, $1, q.user_id, q.name, q.text, string_to_array(q.flags, ','), q.at_ms
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[])
        AS q (id, user_id, name, text, flags, at_ms)
    ON CONFLICT (id) DO NOTHING
"""
SELECT_LATEST = """
    SELECT id, user_id, name, text, flags, at_ms FROM (
        SELECT * FROM chat_lines
        WHERE room_id = $1 AND deleted_at_ms IS NULL ORDER BY id DESC LIMIT $2
    ) latest ORDER BY id
"""
DELETE_LINE = """
    UPDATE chat_lines SET deleted_at_ms = clock_ms(), deleted_by = $3
    WHERE id = $2 AND room_id = $1 AND deleted_at_ms IS NULL RETURNING id
"""
UPSERT_MUTE = """
    INSERT INTO room_mutes AS m (room_id, user_id, until_ms, reason, muted_by)
    SELECT $1, u.id, clock_ms() + $3::bigint, $4, $5 FROM users u WHERE u.id = $2
    ON CONFLICT (room_id, user_id) DO UPDATE SET until_ms = excluded.until_ms,
        reason = excluded.reason, muted_by = excluded.muted_by, at_ms = clock_ms()
    RETURNING until_ms
"""
DELETE_MUTE = """
    UPDATE room_mutes SET until_ms = clock_ms()
    WHERE room_id = $1 AND user_id = $2 AND until_ms > clock_ms() RETURNING user_id
"""
SELECT_MUTES = """
    SELECT m.user_id, u.name, m.until_ms FROM room_mutes m JOIN users u ON u.id = m.user_id
    WHERE m.room_id = $1 AND m.until_ms > clock_ms() ORDER BY m.at_ms DESC
"""
SELECT_MODES = "SELECT slow_s, emote_only, links_off FROM room_chat_modes WHERE room_id = $1"
UPSERT_MODES = """
    INSERT INTO room_chat_modes AS m (room_id, slow_s, emote_only, links_off, set_by)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (room_id) DO UPDATE SET slow_s = excluded.slow_s,
        emote_only = excluded.emote_only, links_off = excluded.links_off,
        set_by = excluded.set_by, at_ms = clock_ms()
"""
ADD_LIKES = "UPDATE room_likes SET total = total + $2 WHERE room_id = $1 RETURNING total"
SELECT_LIKES = "SELECT total FROM room_likes WHERE room_id = $1"


async def insert_lines(connection: Connection, room_id: str, lines: Sequence[StoredLine]) -> None:
    """Store lines; one that is stored already stays as it is."""
    await connection.execute(
        INSERT_LINES,
        room_id,
        [line.id for line in lines],
        [line.user_id for line in lines],
        [line.name for line in lines],
        [line.text for line in lines],
        [",".join(line.flags) for line in lines],
        [line.at_ms for line in lines],
    )


async def select_latest(connection: Connection, room_id: str, limit: int) -> list[StoredLine]:
    """Return the newest lines that nobody deleted, oldest first."""
    return [
        StoredLine(
            id=str(row["id"]),
            user_id=str(row["user_id"]) if row["user_id"] else None,
            name=row["name"],
            text=row["text"],
            flags=tuple(row["flags"]),
            at_ms=row["at_ms"],
        )
        for row in await connection.fetch(SELECT_LATEST, room_id, limit)
    ]


async def delete_line(connection: Connection, *, room_id: str, line_id: str, by: str) -> bool:
    """Mark a line as deleted; False when it is not there or deleted already."""
    return await connection.fetchval(DELETE_LINE, room_id, line_id, by) is not None


async def upsert_mute(
    connection: Connection, *, room_id: str, user_id: str, muted_ms: int, by: tuple[str, str | None]
) -> int | None:
    """Mute a user from now; `by` is (actor, reason). Returns the end, None for no such user."""
    actor, reason = by
    end: int | None = await connection.fetchval(
        UPSERT_MUTE, room_id, user_id, muted_ms, reason, actor
    )
    return end


async def delete_mute(connection: Connection, *, room_id: str, user_id: str) -> bool:
    """End a mute now; False when there is none."""
    return await connection.fetchval(DELETE_MUTE, room_id, user_id) is not None


async def select_mutes(connection: Connection, room_id: str) -> list[Mute]:
    """Return the mutes in force."""
    return [
        Mute(str(row["user_id"]), row["name"], row["until_ms"])
        for row in await connection.fetch(SELECT_MUTES, room_id)
    ]


async def select_modes(connection: Connection, room_id: str) -> ChatModes:
    """Return how a room's chat is kept in order; a room that nobody set has no mode on."""
    row = await connection.fetchrow(SELECT_MODES, room_id)
    return ChatModes(row["slow_s"], row["emote_only"], row["links_off"]) if row else ChatModes()


async def upsert_modes(connection: Connection, room_id: str, modes: ChatModes, set_by: str) -> None:
    """Keep a room's modes and who set them."""
    await connection.execute(
        UPSERT_MODES, room_id, modes.slow_s, modes.emote_only, modes.links_off, set_by
    )


async def add_likes(connection: Connection, room_id: str, count: int) -> int:
    """Add to a room's likes and return the total."""
    return int(await connection.fetchval(ADD_LIKES, room_id, count) or 0)


async def select_likes(connection: Connection, room_id: str) -> int:
    """Return a room's likes."""
    return int(await connection.fetchval(SELECT_LIKES, room_id) or 0)
