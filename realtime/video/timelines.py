"""Map a publisher's wrapping counters onto counters of the room that never wrap nor restart.

Invariant: the room's counters do not show where one publisher ended and the next began.
"""

from __future__ import annotations

SEQUENCE_SPAN = 1 << 16
TIMESTAMP_SPAN = 1 << 32


def nearest(value: int, *, reference: int, span: int) -> int:
    """Return the number congruent to `value` modulo `span` that lies nearest to `reference`."""
    half = span >> 1
    return reference + ((value - reference + half) % span) - half


class IndexLine:
    """Sequence numbers (16 bits) to indexes; a change of source goes on at the next index."""

    def __init__(self) -> None:
        self.head = -1
        self.floor = 0
        self._shift: int | None = None

    def restart(self) -> None:
        """Begin with a new source: its first sequence number gets the index after the head."""
        self._shift = None

    def map(self, sequence: int) -> int | None:
        """Return the index of a sequence number; None when it precedes its source's first."""
        if self._shift is None:
            self.floor = self.head + 1
            self._shift = self.floor - sequence
        index = nearest(sequence + self._shift, reference=self.head, span=SEQUENCE_SPAN)
        if index < self.floor:
            return None
        self.head = max(self.head, index)
        return index


class TimestampLine:
    """RTP timestamps (32 bits) to timestamps of the room, in the same clock units."""

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.head: int | None = None
        self._head_s = 0.0
        self._shift: int | None = None

    def restart(self) -> None:
        """Begin with a new source: its first timestamp is placed by the time that passed."""
        self._shift = None

    def map(self, timestamp: int, now_s: float) -> int:
        """Return the room's timestamp of a packet that arrived at `now_s` (a monotonic clock)."""
        if self._shift is None:
            # At least one unit, or two pictures of different sources would be taken for one.
            passed = max(round((now_s - self._head_s) * self.clock_rate), 1)
            first = timestamp if self.head is None else self.head + passed
            self._shift = first - timestamp
            mapped = first
        else:
            mapped = self.place(timestamp)
        if self.head is None or mapped > self.head:
            self.head, self._head_s = mapped, now_s
        return mapped

    def place(self, timestamp: int) -> int:
        """Return the room's timestamp for a source's, without moving on; needs a mapped packet."""
        assert self._shift is not None, "no packet of this source was mapped yet"
        assert self.head is not None, "a mapped packet sets the head"
        return nearest(timestamp + self._shift, reference=self.head, span=TIMESTAMP_SPAN)

    @property
    def started(self) -> bool:
        """Whether a packet of the present source was mapped."""
        return self._shift is not None
