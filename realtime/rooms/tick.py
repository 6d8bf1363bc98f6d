"""Choose how often a room is refreshed.

Pure: more members and a loop that lags both stretch the tick, within the limits.
"""

from __future__ import annotations

from realtime.rooms.limits import RoomLimits


def next_tick_ms(members: int, *, lag_ms: float, limits: RoomLimits) -> int:
    """Return the pause to a room's next tick; `lag_ms` is how late the last one started."""
    crowd_ms = limits.tick_min_ms * max(1.0, members / limits.tick_members)
    return int(min(limits.tick_max_ms, max(limits.tick_min_ms, crowd_ms + 2 * lag_ms)))
