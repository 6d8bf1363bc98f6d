"""Find moments of a show in its recording. Pure.

A recording is played as its parts one after the other: a stretch without a picture takes no time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from commerce.shows.recordings.model import Chapter, Clip, Pin, RecordedPart

# What a dispute about a press is settled by: the offer in words before it, and what came of it.
CLIP_BEFORE_MS = 30_000
CLIP_AFTER_MS = 15_000
# Shorter than this nothing was explained; it was a slip of the hand.
CHAPTER_MS_MIN = 1_000


def placed(parts: Sequence[RecordedPart]) -> Iterator[tuple[int, RecordedPart]]:
    """Yield each part with where it begins when all are played one after the other."""
    start_ms = 0
    for part in sorted(parts, key=lambda one: one.no):
        yield start_ms, part
        start_ms += part.to_ms - part.from_ms


def length_ms(parts: Sequence[RecordedPart]) -> int:
    """Return how long a recording plays."""
    return sum(part.to_ms - part.from_ms for part in parts)


def find_place(parts: Sequence[RecordedPart], at_ms: int) -> int:
    """Return where in the recording a moment is; one that has no picture is where it goes on."""
    place_ms = 0
    for start_ms, part in placed(parts):
        if at_ms < part.from_ms:
            return start_ms
        place_ms = start_ms + min(at_ms, part.to_ms) - part.from_ms
        if at_ms < part.to_ms:
            return place_ms
    return place_ms


def has_picture(parts: Sequence[RecordedPart], at_ms: int) -> bool:
    """Say whether a moment was recorded."""
    return any(part.from_ms <= at_ms < part.to_ms for part in parts)


def chapters_of(parts: Sequence[RecordedPart], pins: Sequence[Pin]) -> list[Chapter]:
    """Return what was explained where; what has no second of picture is left out."""
    chapters = []
    end_ms = length_ms(parts)
    for pin in sorted(pins, key=lambda one: one.from_ms):
        start = find_place(parts, pin.from_ms)
        end = end_ms if pin.to_ms is None else find_place(parts, pin.to_ms)
        if end - start >= CHAPTER_MS_MIN:
            chapters.append(
                Chapter(pin.item, pin.no, pin.title, pin.title_zh, pin.from_ms, start, end)
            )
    return chapters


def clip_around(show_id: str, parts: Sequence[RecordedPart], at_ms: int) -> Clip | None:
    """Return the stretch of a recording that shows a moment, or None when it was not recorded."""
    if not has_picture(parts, at_ms):
        return None
    place_ms = find_place(parts, at_ms)
    return Clip(
        show=show_id,
        at_ms=place_ms,
        from_ms=max(0, place_ms - CLIP_BEFORE_MS),
        to_ms=min(length_ms(parts), place_ms + CLIP_AFTER_MS),
    )
