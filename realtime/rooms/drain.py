"""Plan who leaves a draining process when, so that whoever takes its viewers in is never stormed.

Pure: times are milliseconds of the owner's clock. Moments to come back are spread evenly, at a rate
that one other process can take; goodbyes are spread over a bounded time, and viewers for whom that
is too short are told to stay away a little longer.
"""

from __future__ import annotations

import msgspec


class DrainLimits(msgspec.Struct, frozen=True):
    """How a process lets its viewers go."""

    returns_per_s: float = 350.0
    """One gateway takes in 700 to 760 returning viewers for each second of a core (handshake,
    token, replay of five events, and the ticks of 4,000 who are there already; measured with both
    cores busy). Half of that leaves as much for those who were there before."""
    newcomers_share: float = 0.2
    """This part of the rate is kept for those who arrive while the process drains, so that they
    need not wait behind everybody."""
    goodbyes_s_max: float = 30.0
    """The last goodbye is said by then: an operator waits for it. It is enough for 8,400 viewers;
    of more, the last are away for longer than `come_back_ms`."""
    come_back_ms: int = 100
    """Shortest way out and in again: time to read the goodbye, and slack for a loop that lags."""


class DrainPlan:
    """The slots of one drain that began at `started_ms` with so many members."""

    def __init__(self, members: int, *, limits: DrainLimits, started_ms: float) -> None:
        self._members = members
        self._limits = limits
        self._started_ms = started_ms
        per_ms = limits.returns_per_s / 1000
        self._gap_ms = 1 / (per_ms * (1 - limits.newcomers_share))
        self._newcomer_gap_ms = 1 / (per_ms * limits.newcomers_share)
        self._newcomer_at_ms = started_ms
        self.goodbyes_ms = min(members * self._gap_ms, limits.goodbyes_s_max * 1000)
        """How long the goodbyes take."""

    def due(self, now_ms: float) -> int:
        """Return to how many members, counted from the first, goodbye should be said by now."""
        passed_ms = now_ms - self._started_ms
        if passed_ms >= self.goodbyes_ms:
            return self._members
        return int(passed_ms / self.goodbyes_ms * self._members) + 1

    def retry_ms(self, index: int, now_ms: float) -> int:
        """Return how long member `index` stays away when it is told now.

        A goodbye that is late makes it shorter: the moment to come back does not move.
        """
        slot_ms = self._started_ms + self._limits.come_back_ms + index * self._gap_ms
        return max(0, round(slot_ms - now_ms))

    def newcomer_retry_ms(self, now_ms: float) -> int:
        """Take the next slot for somebody who has just arrived, and return how far away it is."""
        earliest_ms = now_ms + self._limits.come_back_ms
        self._newcomer_at_ms = max(earliest_ms, self._newcomer_at_ms + self._newcomer_gap_ms)
        return round(self._newcomer_at_ms - now_ms)
