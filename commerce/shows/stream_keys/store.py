"""SQL of stream keys."""

from __future__ import annotations

from typing import Any

from commerce.kernel.ports import Connection
from commerce.shows.stream_keys.model import StreamKey

INSERT_KEY = """
    INSERT INTO stream_keys (id, room_id, label, token_hash, created_by)
    VALUES ($1, $2, $3, $4, $5) RETURNING id, label, created_at_ms, last_used_at_ms
"""
SELECT_KEYS = """
    SELECT id, label, created_at_ms, last_used_at_ms FROM stream_keys
    WHERE room_id = $1 AND revoked_at_ms IS NULL ORDER BY created_at_ms DESC, id
"""
REVOKE_KEY = """
    UPDATE stream_keys SET revoked_at_ms = clock_ms()
    WHERE id = $2 AND room_id = $1 AND revoked_at_ms IS NULL RETURNING id
"""
SELECT_KEY_BY_HASH = """
    SELECT id FROM stream_keys WHERE room_id = $1 AND token_hash = $2 AND revoked_at_ms IS NULL
"""
UPDATE_LAST_USED = "UPDATE stream_keys SET last_used_at_ms = clock_ms() WHERE id = $1"


async def insert_key(
    connection: Connection, *, id: str, room_id: str, label: str, by: tuple[str, bytes]
) -> StreamKey:
    """Store a key; `by` is (who made it, SHA-256 of the key)."""
    created_by, token_hash = by
    row = await connection.fetchrow(INSERT_KEY, id, room_id, label, token_hash, created_by)
    return _key(row)


async def select_keys(connection: Connection, room_id: str) -> list[StreamKey]:
    """Return a room's keys that are not revoked, newest first."""
    return [_key(row) for row in await connection.fetch(SELECT_KEYS, room_id)]


async def revoke_key(connection: Connection, *, room_id: str, key_id: str) -> bool:
    """Revoke a key; return whether it was good until now."""
    return await connection.fetchval(REVOKE_KEY, room_id, key_id) is not None


async def select_key_by_hash(connection: Connection, room_id: str, token_hash: bytes) -> str | None:
    """Return the id of the key with this hash, or None when it is revoked or another room's."""
    found = await connection.fetchval(SELECT_KEY_BY_HASH, room_id, token_hash)
    return None if found is None else str(found)


async def update_last_used(connection: Connection, key_id: str) -> None:
    """Note that a key has just been used."""
    await connection.execute(UPDATE_LAST_USED, key_id)


def _key(row: Any) -> StreamKey:
    return StreamKey(str(row["id"]), row["label"], row["created_at_ms"], row["last_used_at_ms"])
