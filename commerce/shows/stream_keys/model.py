"""A stream key as its host sees it; the key itself is shown once and not kept."""

from __future__ import annotations

import msgspec


class StreamKey(msgspec.Struct, frozen=True):
    """A key of one room that is not revoked; times in Unix ms."""

    id: str
    label: str
    created_at_ms: int
    last_used_at_ms: int | None = None
