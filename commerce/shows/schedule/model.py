"""A room is a host's permanent place; a show is one broadcast in it."""

from __future__ import annotations

import msgspec


class Room(msgspec.Struct, frozen=True):
    """A room with those who may command it."""

    id: str
    slug: str
    host_id: str
    title: str
    poster: str
    epoch: str
    announcement: str | None
    moderator_ids: list[str]


class Show(msgspec.Struct, frozen=True):
    """One broadcast; times in Unix ms."""

    id: str
    room_id: str
    title: str
    status: str
    starts_at_ms: int
    started_at_ms: int | None
    ended_at_ms: int | None
