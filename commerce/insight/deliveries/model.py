"""What is stored of one event's delivery, and what the console says about it."""

from __future__ import annotations

import msgspec


class DeliveryTally(msgspec.Struct, frozen=True):
    """One gateway's count of one event; `bins` are in the steps of `rules.BOUNDS_MS`."""

    room_id: str
    offset: int
    reporter: str
    asked: int
    bins: tuple[int, ...]


class EventDelivery(msgspec.Struct, frozen=True):
    """One event over all gateways."""

    offset: int
    type: str
    at_ms: int
    asked: int
    bins: tuple[int, ...]
    is_recent: bool
    """Whether it is young enough for the light."""


class DeliveryFigures(msgspec.Struct, frozen=True):
    """What a number of reports say; a percentile is null when it lies beyond 2 s, or never came."""

    asked: int
    acked: int
    within_400: int
    p50_ms: int | None
    p99_ms: int | None
