"""Decide how fast a room's log may grow by what its staff do.

Pure. Every event is written to every viewer at once, so the pace is a promise to all of them; what
opens, ends or restores a sale or a show is never refused for it.
"""

from __future__ import annotations

from collections.abc import Sequence

# More than this nobody reads; the ring of 512 then covers 25 s, and a returning viewer's replay.
EVENTS_PER_S_MAX = 20
PACE_MS = 1000
NEVER_PACED = ("flash.", "room.", "coupon.halted", "coupon.unhalted")


def is_paced(types: Sequence[str]) -> bool:
    """Tell whether all that a transaction announces may be asked to wait."""
    return not any(type.startswith(NEVER_PACED) for type in types)


def pace_retry_ms(earlier_ms: int | None, now_ms: int) -> int:
    """Return how long to wait, 0 for not at all.

    `earlier_ms` is when the event `EVENTS_PER_S_MAX` before the newest was announced; None when the
    log is not that long.
    """
    if earlier_ms is None:
        return 0
    return max(0, min(PACE_MS, earlier_ms + PACE_MS - now_ms))
