"""A chat line as it is stored, a mute, and the modes of a room's chat."""

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


class ChatModes(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a room's chat is kept in order; as JSON it has only the modes that are on."""

    slow_s: int = 0
    """Seconds between two lines of one author; 0 is off."""
    emote_only: bool = False
    links_off: bool = False


class Mute(msgspec.Struct, frozen=True):
    """Somebody who may not speak in a room until `until_ms`."""

    user_id: str
    name: str
    until_ms: int
