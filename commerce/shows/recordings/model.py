"""A show's recording, its parts on one time line, and its chapters."""

from __future__ import annotations

import msgspec


class RecordedPart(msgspec.Struct, frozen=True):
    """One file of a recording; times are Unix ms of the database's clock."""

    no: int
    kind: str
    codecs: str
    width: int
    height: int
    from_ms: int
    to_ms: int


class Recording(msgspec.Struct, frozen=True):
    """What is kept of a show's picture; `recording` while it runs, `cut` when it stopped early."""

    show_id: str
    room_id: str
    state: str
    reason: str | None
    clock_ahead_ms: int
    size_bytes: int
    parts: list[RecordedPart]


class Pin(msgspec.Struct, frozen=True):
    """An item that was explained; `to_ms` is None while it still is."""

    item: str
    no: int
    title: str
    title_zh: str | None
    from_ms: int
    to_ms: int | None


class Chapter(msgspec.Struct, frozen=True):
    """A place in a recording where an item is explained; `start_ms` counts from its beginning."""

    item: str
    no: int
    title: str
    title_zh: str | None
    at_ms: int
    start_ms: int
    end_ms: int


class Clip(msgspec.Struct, frozen=True):
    """A stretch of a recording around a moment; times count from its beginning."""

    show: str
    at_ms: int
    from_ms: int
    to_ms: int
