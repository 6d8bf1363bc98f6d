"""An event of a room before and after it has its place in the log."""

from __future__ import annotations

import msgspec


class RoomEvent(msgspec.Struct, frozen=True):
    """An event on its way into the log; `payload` is the wire payload as JSON."""

    room_id: str
    type: str
    payload: bytes


class StoredEvent(msgspec.Struct, frozen=True):
    """An event at its offset in the room's log."""

    room_id: str
    offset: int
    type: str
    payload: bytes
    at_ms: int
