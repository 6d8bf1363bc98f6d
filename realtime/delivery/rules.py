"""Decide who is asked, what an acknowledgement is worth, and count one event's delays.

Pure. The invariant of a tally: `asked` counts viewers who were in the room when the event was
written, each of whom is in a bin once, or not yet, or never.
"""

from __future__ import annotations

from bisect import bisect_left

import msgspec

# Upper ends of the bins, each included; one more bin holds what is later. Fine where a viewer
# nearby is (10 ms), 50 ms as the show's report draws them, up to where nobody calls it live.
BOUNDS_MS: tuple[int, ...] = (*range(10, 100, 10), *range(100, 2001, 50))


class DeliveryLimits(msgspec.Struct, frozen=True):
    """Limits of the measurement in one process; durations carry their unit."""

    asked_max: int = 200
    """Connections asked, per room: a share of 99 % is then known to within 1.4 points (95 %
    confidence), and 200 answers an event cost what 200 heartbeats do."""
    closes_after_ms: int = 3000
    """An event's count is final by then: the last bin ends at 2 s, and the answer must travel."""
    leaving_grace_ms: int = 400
    """Whoever leaves or hides the page within the promise's own time was not let down yet."""
    flush_every_s: float = 1.0
    """Events whose count is final are stored this often, in one batch."""
    burst_events_max: int = 20
    """Events measured of one arrival, the newest: a second of the busiest room. A longer arrival
    is a repaired gap, whose last events speak for the others."""
    unsaved_max: int = 5000
    """Counts that wait for PostgreSQL; older ones are dropped and counted."""
    store_timeout_s: float = 5.0
    """The store belongs to PostgreSQL; a batch that takes longer than this is a failed one."""


def is_asked(*, present: int, asked_max: int, chance: float) -> bool:
    """Draw for the newest of `present` viewers; `chance` is uniform in [0, 1).

    With one of the earlier ones dropped for each that is drawn beyond `asked_max`, every viewer
    present is asked with the same probability: a reservoir.
    """
    return chance * present < asked_max


def judge_delay(drawn_ms: int | None, *, at_ms: int, written_ms: int, received_ms: int) -> int:
    """Return how long after `at_ms` the event was drawn, as far as the claim can be true.

    Nothing is drawn before it was written, nor after the acknowledgement arrived; without a claim
    the latter counts. `at_ms` is the database's clock, the others the gateway's.
    """
    latest_ms = max(0, received_ms - at_ms)
    if drawn_ms is None:
        return latest_ms
    return min(max(drawn_ms - at_ms, written_ms - at_ms, 0), latest_ms)


class Tally:
    """One sale event's count while viewers acknowledge it."""

    __slots__ = ("asked", "at_ms", "bins", "delays_ms", "is_closed", "offset", "written_ms")

    def __init__(self, offset: int, *, at_ms: int, written_ms: int) -> None:
        self.offset = offset
        self.at_ms = at_ms
        self.written_ms = written_ms
        self.asked = 0
        self.bins = [0] * (len(BOUNDS_MS) + 1)
        self.delays_ms = 0
        """Sum of the acknowledged delays."""
        self.is_closed = False

    @property
    def acked(self) -> int:
        """Viewers who acknowledged it."""
        return sum(self.bins)

    def acknowledge(self, drawn_ms: int | None, received_ms: int) -> None:
        """Count one viewer who drew it at `drawn_ms`, by their own account."""
        delay_ms = judge_delay(
            drawn_ms, at_ms=self.at_ms, written_ms=self.written_ms, received_ms=received_ms
        )
        self.bins[bisect_left(BOUNDS_MS, delay_ms)] += 1
        self.delays_ms += delay_ms

    def is_due(self, now_ms: int, closes_after_ms: int) -> bool:
        """Say whether the count is final; also after the clock was set back behind the event."""
        return not 0 <= now_ms - self.written_ms < closes_after_ms
