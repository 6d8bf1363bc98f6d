"""A chat line as it is stored, and a mute."""

from __future__ import annotations

import msgspec


class StoredLine(msgspec.Struct, frozen=True):
    """A chat line; `user_id` is None for lines of the house, times in Unix ms."""

    id: str
    user_id: str | None
    name: str
    text: str
    flags: tuple[str, ...]
    at_ms: int


class Mute(msgspec.Struct, frozen=True):
    """Somebody who may not speak in a room until `until_ms`."""

    user_id: str
    name: str
    until_ms: int
