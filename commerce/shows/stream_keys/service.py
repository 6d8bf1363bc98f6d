"""Make and revoke the keys of a room."""

from __future__ import annotations

import hashlib

from commerce.kernel.errors import CommerceError, invalid, not_found
from commerce.kernel.ports import Connection, Ids, Transaction
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.store import lock_room
from commerce.shows.stream_keys import store
from commerce.shows.stream_keys.model import StreamKey

LABEL_CHARS_MAX = 60
# One for each machine that a host streams from; more are keys that somebody forgot.
KEYS_MAX = 10


async def create_key(
    transaction: Transaction, ids: Ids, room: Room, *, label: str, by: tuple[str, str]
) -> StreamKey:
    """Make a key; `by` is (who makes it, the key itself, of which only a hash is kept)."""
    label = label.strip()
    if not 1 <= len(label) <= LABEL_CHARS_MAX or not label.isprintable():
        raise invalid(f"A label has 1 to {LABEL_CHARS_MAX} visible characters.", field="label")
    await lock_room(transaction, room.id)
    if len(await store.select_keys(transaction, room.id)) >= KEYS_MAX:
        raise CommerceError("keys_full", f"A room has at most {KEYS_MAX} keys: revoke one.")
    user_id, token = by
    return await store.insert_key(
        transaction, id=ids.new(), room_id=room.id, label=label, by=(user_id, hash_key(token))
    )


async def revoke_key(transaction: Transaction, room: Room, key_id: str) -> None:
    """Make a key worthless at once; repeating it raises `not_found`."""
    if not await store.revoke_key(transaction, room_id=room.id, key_id=key_id):
        raise not_found("stream key")


async def find_key(connection: Connection, room: Room, token: str) -> str | None:
    """Return the id of the key in this room that the token is, or None."""
    return await store.select_key_by_hash(connection, room.id, hash_key(token))


def hash_key(token: str) -> bytes:
    """Return what is kept of a key; 256 random bits need neither salt nor stretching."""
    return hashlib.sha256(token.encode()).digest()
