"""What a viewer's browser tells of its picture, what is stored of a minute, what is said of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

# A browser tells every 10 s. A page that slept tells of more at once, but of no more than this.
BEAT_MS_MAX = 60_000
FIRST_FRAME_MS_MAX = 120_000
BEHIND_MS_MAX = 60_000
STALLS_MAX = 600

Played = Annotated[int, Meta(ge=0, le=BEAT_MS_MAX)]


class Beat(msgspec.Struct, frozen=True):
    """One viewer's last seconds: what was played, what of it stood still.

    `first_frame_ms` comes once a visit, `behind_ms` (half a round trip and the jitter buffer) when
    anything was shown.
    """

    played_ms: Played
    stalled_ms: Played
    stalls: Annotated[int, Meta(ge=0, le=STALLS_MAX)]
    first_frame_ms: Annotated[int, Meta(ge=0, le=FIRST_FRAME_MS_MAX)] | None = None
    behind_ms: Annotated[int, Meta(ge=0, le=BEHIND_MS_MAX)] | None = None


class PictureMinute(msgspec.Struct, frozen=True):
    """One gateway's counts of a room's minute; bins are in the steps of `rules.BOUNDS_MS`."""

    room_id: str
    minute_ms: int
    reporter: str
    beats: int
    played_ms: int
    stalled_ms: int
    stalls: int
    first_frames: tuple[int, ...]
    behinds: tuple[int, ...]


class PictureFigures(msgspec.Struct, frozen=True):
    """What the console says of the last minutes.

    A percentile is null when nobody told of it, or when it lies beyond the last bin.
    """

    window_s: int
    beats: int
    stalls: int
    stalled_share: float | None
    """Of the time that was played; null when none was."""
    first_frames: int
    first_frame_ms_p50: int | None
    first_frame_ms_p95: int | None
    behind_ms_p50: int | None
    behind_ms_p95: int | None
