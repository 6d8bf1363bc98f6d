"""Soft plucked tones in a pentatonic scale, as long as the loop; its end rings into its start."""

from __future__ import annotations

import math
from array import array

SAMPLE_RATE = 48_000
AMPLITUDE = 5_200  # Of 32,767: it plays beside a person who reads.
RING_S = 3.2
# Beat of the loop's 30 half seconds, and the note in semitones from A3 (220 Hz).
TUNE = (
    (0, 0), (2, 7), (4, 12), (6, 9), (8, 4), (10, 7), (12, 2), (14, 9),
    (15, 0), (17, 4), (19, 12), (21, 16), (23, 14), (25, 7), (27, 9), (28, 4),
)  # fmt: skip
OVERTONES = ((1, 1.0), (2, 0.32), (3, 0.08))


def compose(seconds: int) -> bytes:
    """Return one loop as signed 16-bit mono samples at 48 kHz."""
    length = seconds * SAMPLE_RATE
    loop = [0.0] * length
    for beat, semitones in TUNE:
        start = beat * SAMPLE_RATE // 2
        for index, value in enumerate(_pluck(220.0 * 2 ** (semitones / 12))):
            loop[(start + index) % length] += value
    peak = max(map(abs, loop))
    return array("h", (round(AMPLITUDE * value / peak) for value in loop)).tobytes()


def _pluck(hertz: float) -> list[float]:
    """Return one note: a short attack, then each overtone dies away faster than the one below."""
    note = [0.0] * round(RING_S * SAMPLE_RATE)
    for overtone, weight in OVERTONES:
        step = 2 * math.pi * hertz * overtone / SAMPLE_RATE
        fade = 2.2 * overtone / SAMPLE_RATE
        for index in range(len(note)):
            attack = min(1.0, index / 480)
            release = min(1.0, (len(note) - index) / 9_600)
            loudness = weight * attack * release * math.exp(-fade * index)
            note[index] += loudness * math.sin(step * index)
    return note
