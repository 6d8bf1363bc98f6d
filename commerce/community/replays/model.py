"""A show with what its replay needs, and pages of what was said and told in it."""

from __future__ import annotations

import msgspec


class ReplayedShow(msgspec.Struct, frozen=True):
    """A show that has begun; times are Unix ms, `ended_at_ms` None while it is on."""

    id: str
    room_id: str
    room: str
    host_id: str
    title: str
    status: str
    started_at_ms: int
    ended_at_ms: int | None


class ReplayedEvent(msgspec.Struct, frozen=True, array_like=True):
    """An event of the room's log as viewers were told it."""

    offset: int
    type: str
    payload: msgspec.Raw
    at_ms: int


class ReplayedLine(msgspec.Struct, frozen=True, array_like=True):
    """A chat line in the order of the wire's own."""

    id: str
    user: str
    name: str
    text: str
    flags: list[str]
    at_ms: int


class EventPage(msgspec.Struct, frozen=True):
    """Events in order; `next` is the offset to go on behind, None at the end of the show."""

    events: list[ReplayedEvent]
    next: int | None


class LinePage(msgspec.Struct, frozen=True):
    """Lines in order; `next` is the id to go on behind, None at the end of the show."""

    lines: list[ReplayedLine]
    next: str | None


class StillSold(msgspec.Struct, frozen=True):
    """An item of the show's bag, and what its SKU sells for in the room today.

    `sale` is None where it is not on sale now; `available` are units that are free.
    """

    item: str
    no: int
    sku: str
    title: str
    title_zh: str | None
    picture: str | None
    sale: str | None
    kind: str | None
    price_minor: int | None
    currency: str | None
    available: int
    has_rules: bool
