"""How late pictures leave, at worst in the last seconds: whoever operates sees that a core is full.

A loop that wakes late has kept small rooms waiting, a sender that is behind a large one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime.video.config import VideoCounters

# The worst is forgotten at this pace: of 100 ms some 24 are left after the 15 s between two looks
# at the metrics, some 2 after 40 s.
KEPT_A_SECOND = 0.91


def note_late(counters: VideoCounters, late_s: float) -> None:
    """Take note of how late something left."""
    counters.late_ms = max(counters.late_ms, late_s * 1000)


async def doze(seconds: float, now_s: Callable[[], float], counters: VideoCounters) -> None:
    """Sleep; let the worst fade by as much, and take note of how late the loop woke."""
    due_s = now_s() + seconds
    await asyncio.sleep(seconds)
    counters.late_ms *= KEPT_A_SECOND**seconds
    note_late(counters, now_s() - due_s)
