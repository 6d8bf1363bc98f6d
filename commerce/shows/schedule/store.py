"""SQL of rooms and shows."""

from __future__ import annotations

from typing import Any

from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection
from commerce.shows.schedule.model import Room, Show

SELECT_ROOM = """
    SELECT r.id, r.slug, r.host_id, r.title, r.poster, r.epoch, r.announcement,
        ARRAY(SELECT m.user_id::text FROM room_moderators m WHERE m.room_id = r.id)
            AS moderator_ids
    FROM rooms r
"""
SELECT_ROOM_BY_SLUG = SELECT_ROOM + " WHERE r.slug = $1"
SELECT_ROOM_BY_ID = SELECT_ROOM + " WHERE r.id = $1"
INSERT_ROOM = """
    INSERT INTO rooms (id, slug, host_id, title, poster, epoch) VALUES ($1, $2, $3, $4, $5, $6)
"""
INSERT_LOG_HEAD = "INSERT INTO room_log_heads (room_id) VALUES ($1)"
INSERT_LIKES = "INSERT INTO room_likes (room_id) VALUES ($1)"
INSERT_MODERATOR = "INSERT INTO room_moderators (room_id, user_id) VALUES ($1, $2)"
UPDATE_ANNOUNCEMENT = "UPDATE rooms SET announcement = $2 WHERE id = $1"
LOCK_ROOM = "SELECT 1 FROM rooms WHERE id = $1 FOR NO KEY UPDATE"

# The show that a room is about: the live one, else the next to come, else the last that was.
SELECT_CURRENT_SHOW = """
    SELECT * FROM shows WHERE room_id = $1
    ORDER BY CASE status WHEN 'live' THEN 0 WHEN 'scheduled' THEN 1 ELSE 2 END,
        CASE WHEN status = 'scheduled' THEN starts_at_ms ELSE -coalesce(ended_at_ms, 0) END
    LIMIT 1
"""
INSERT_SHOW = """
    INSERT INTO shows (id, room_id, title, status, starts_at_ms)
    VALUES ($1, $2, $3, 'scheduled', $4) RETURNING *
"""
START_SHOW = """
    UPDATE shows SET status = 'live', started_at_ms = clock_ms() WHERE id = $1 RETURNING *
"""
END_SHOW = """
    UPDATE shows SET status = 'ended', ended_at_ms = clock_ms() WHERE id = $1 RETURNING *
"""


async def find_room(connection: Connection, slug: str) -> Room | None:
    """Return a room by its slug, or None."""
    row = await connection.fetchrow(SELECT_ROOM_BY_SLUG, slug)
    return _room(row) if row else None


async def select_room(connection: Connection, slug: str) -> Room:
    """Return a room by its slug; raises `not_found`."""
    return _room(await connection.fetchrow(SELECT_ROOM_BY_SLUG, slug))


async def select_room_by_id(connection: Connection, room_id: str) -> Room:
    """Return a room by its id; raises `not_found`."""
    return _room(await connection.fetchrow(SELECT_ROOM_BY_ID, room_id))


async def insert_room(connection: Connection, room: Room) -> None:
    """Store a room with its log head, its likes and its moderators."""
    await connection.execute(
        INSERT_ROOM, room.id, room.slug, room.host_id, room.title, room.poster, room.epoch
    )
    await connection.execute(INSERT_LOG_HEAD, room.id)
    await connection.execute(INSERT_LIKES, room.id)
    for user_id in room.moderator_ids:
        await connection.execute(INSERT_MODERATOR, room.id, user_id)


async def lock_room(connection: Connection, room_id: str) -> None:
    """Let one host command at a time change this room's show, bag and pins."""
    await connection.execute(LOCK_ROOM, room_id)


async def update_announcement(connection: Connection, room_id: str, text: str) -> None:
    """Keep what the room says on screen."""
    await connection.execute(UPDATE_ANNOUNCEMENT, room_id, text or None)


async def select_current_show(connection: Connection, room_id: str) -> Show | None:
    """Return the show that the room is about: live, else next, else last."""
    row = await connection.fetchrow(SELECT_CURRENT_SHOW, room_id)
    return _show(row) if row else None


async def insert_show(
    connection: Connection, *, id: str, room_id: str, title: str, starts_at_ms: int
) -> Show:
    """Store a scheduled show."""
    return _show(await connection.fetchrow(INSERT_SHOW, id, room_id, title, starts_at_ms))


async def start_show(connection: Connection, show_id: str) -> Show:
    """Mark a show as live by the database's clock."""
    return _show(await connection.fetchrow(START_SHOW, show_id))


async def end_show(connection: Connection, show_id: str) -> Show:
    """Mark a show as ended by the database's clock."""
    return _show(await connection.fetchrow(END_SHOW, show_id))


def _room(row: Any) -> Room:
    if row is None:
        raise not_found("room")
    return Room(**{name: _text(name, row[name]) for name in Room.__struct_fields__})


def _show(row: Any) -> Show:
    return Show(**{name: _text(name, row[name]) for name in Show.__struct_fields__})


def _text(name: str, value: Any) -> Any:
    return str(value) if name == "id" or name.endswith("_id") else value
