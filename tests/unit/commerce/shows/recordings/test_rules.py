"""Moments of a show in its recording."""

from __future__ import annotations

import pytest

from commerce.shows.recordings.model import Pin, RecordedPart
from commerce.shows.recordings.rules import chapters_of, clip_around, find_place, length_ms

NOON = 1_795_346_000_000


def make_part(no: int, from_s: float, to_s: float) -> RecordedPart:
    from_ms, to_ms = NOON + round(from_s * 1000), NOON + round(to_s * 1000)
    return RecordedPart(no, "mp4", "avc1.42e01f,opus", 1280, 720, from_ms, to_ms)


PARTS = [make_part(1, 0, 100), make_part(2, 160, 200)]


@pytest.mark.parametrize(
    ("at_s", "place_s"),
    [(-5, 0), (0, 0), (40, 40), (100, 100), (130, 100), (160, 100), (170, 110), (500, 140)],
)
def test_a_stretch_without_a_picture_takes_no_time(at_s: int, place_s: int) -> None:
    assert find_place(PARTS, NOON + at_s * 1000) == place_s * 1000
    assert length_ms(PARTS) == 140_000


def test_nothing_recorded_is_nowhere() -> None:
    assert find_place([], NOON) == 0
    assert clip_around("w", [], NOON) is None


def test_chapters_are_pins_that_have_a_picture() -> None:
    def pin(no: int, from_s: int, to_s: int | None) -> Pin:
        to_ms = None if to_s is None else NOON + to_s * 1000
        return Pin(f"i{no}", no, "Bowl", None, NOON + from_s * 1000, to_ms)

    pins = [pin(3, 180, None), pin(1, 10, 60), pin(2, 110, 150), pin(4, 70, 70)]
    found = [(one.no, one.start_ms, one.end_ms) for one in chapters_of(PARTS, pins)]
    assert found == [(1, 10_000, 60_000), (3, 120_000, 140_000)]


def test_a_clip_shows_the_moment_and_stays_inside_the_recording() -> None:
    clip = clip_around("w", PARTS, NOON + 10_000)
    assert clip is not None
    assert (clip.at_ms, clip.from_ms, clip.to_ms) == (10_000, 0, 25_000)
    late = clip_around("w", PARTS, NOON + 199_000)
    assert late is not None
    assert (late.at_ms, late.from_ms, late.to_ms) == (139_000, 109_000, 140_000)


def test_a_moment_without_a_picture_has_no_clip() -> None:
    assert clip_around("w", PARTS, NOON + 130_000) is None
