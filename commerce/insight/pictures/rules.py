"""Count beats into minutes, and compute shares and percentiles from the counts.

Pure. The invariant: nothing is said to be better than it was. A percentile is the upper end of its
bin, and a share is of the time that was really played.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from commerce.insight.pictures.model import Beat, PictureFigures, PictureMinute
from commerce.kernel.errors import invalid

# Upper ends of the bins, each included, and one bin for all that is later: fine up to a second,
# where a live picture should be, coarse up to where nobody waits any more.
BOUNDS_MS: tuple[int, ...] = (
    *range(20, 200, 20),
    *range(200, 1_000, 50),
    *range(1_000, 3_000, 200),
    *range(3_000, 10_001, 1_000),
)
BINS = len(BOUNDS_MS) + 1
MINUTE_MS = 60_000
# The console speaks of so long: two whole minutes and the one that has begun.
WINDOW_S = 120

# Beats of one room that a process counts in 10 s: shares are then known to within two points, and
# a crowd costs what its sample does.
BEATS_PER_ROOM_MAX = 500
# Of these so many may come from one address: many viewers share one, nobody speaks for the room.
BEATS_PER_ADDRESS_MAX = 50
WINDOW_MS = 10_000


def check_beat(beat: Beat) -> None:
    """Raise `invalid_request` when a beat cannot be true."""
    if beat.stalled_ms > beat.played_ms:
        raise invalid(
            "A picture cannot stand still for longer than it was played.", field="stalled_ms"
        )


class Tally:
    """One room's minute in one process while it is counted."""

    __slots__ = ("beats", "behinds", "first_frames", "played_ms", "stalled_ms", "stalls")

    def __init__(self) -> None:
        self.beats = self.played_ms = self.stalled_ms = self.stalls = 0
        self.first_frames = [0] * BINS
        self.behinds = [0] * BINS

    def add(self, beat: Beat) -> None:
        """Count one beat."""
        self.beats += 1
        self.played_ms += beat.played_ms
        self.stalled_ms += beat.stalled_ms
        self.stalls += beat.stalls
        if beat.first_frame_ms is not None:
            self.first_frames[bisect_left(BOUNDS_MS, beat.first_frame_ms)] += 1
        if beat.behind_ms is not None:
            self.behinds[bisect_left(BOUNDS_MS, beat.behind_ms)] += 1


class Share:
    """How many beats of a room, and of each address in it, are counted in the present 10 s."""

    __slots__ = ("by_address", "count", "ends_at_ms")

    def __init__(self) -> None:
        self.ends_at_ms = 0
        self.count = 0
        self.by_address: dict[str, int] = {}

    def take(self, address: str, now_ms: int) -> bool:
        """Say whether one more beat is counted; `now_ms` is of a clock that never jumps."""
        if now_ms >= self.ends_at_ms:
            self.ends_at_ms = now_ms + WINDOW_MS
            self.count = 0
            self.by_address.clear()
        mine = self.by_address.get(address, 0)
        if self.count >= BEATS_PER_ROOM_MAX or mine >= BEATS_PER_ADDRESS_MAX:
            return False
        self.count += 1
        self.by_address[address] = mine + 1
        return True


def find_percentile(bins: Sequence[int], percent: int) -> int | None:
    """Return the upper end of the bin that `percent` of the counts reach, in ms."""
    wanted = -(-sum(bins) * percent // 100)
    seen = 0
    for bound_ms, count in zip(BOUNDS_MS, bins, strict=False):
        seen += count
        if seen >= wanted > 0:
            return bound_ms
    return None


def summarise(minutes: Iterable[PictureMinute]) -> PictureFigures:
    """Return what is said of some minutes together."""
    rows = list(minutes)
    first = _add_up([row.first_frames for row in rows])
    behind = _add_up([row.behinds for row in rows])
    played_ms = sum(row.played_ms for row in rows)
    stalled_ms = sum(row.stalled_ms for row in rows)
    return PictureFigures(
        window_s=WINDOW_S,
        beats=sum(row.beats for row in rows),
        stalls=sum(row.stalls for row in rows),
        stalled_share=round(stalled_ms / played_ms, 5) if played_ms else None,
        first_frames=sum(first),
        first_frame_ms_p50=find_percentile(first, 50),
        first_frame_ms_p95=find_percentile(first, 95),
        behind_ms_p50=find_percentile(behind, 50),
        behind_ms_p95=find_percentile(behind, 95),
    )


def _add_up(counts: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(map(sum, zip([0] * BINS, *counts, strict=True)))
