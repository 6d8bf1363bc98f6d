"""Choose how often a room is refreshed, and in what slices its members are written.

Pure: more members, a long pass and a loop that lags all stretch the tick, within the limits.
"""

from __future__ import annotations

from realtime.rooms.limits import RoomLimits


def next_tick_ms(
    members: int, *, floor_ms: int, pass_ms: float, lag_ms: float, limits: RoomLimits
) -> int:
    """Return the pause to a room's next tick.

    `floor_ms` is the shortest pause allowed now, `pass_ms` how long the last pass over the members
    took, `lag_ms` how late the loop woke up.
    """
    crowd_ms = floor_ms * max(1.0, members / limits.tick_members)
    # A pass may take at most half of the time: the other half belongs to presses and sales.
    wanted_ms = max(crowd_ms, 2 * pass_ms) + 2 * lag_ms
    return int(min(limits.tick_max_ms, max(floor_ms, wanted_ms)))


def next_slice(members: int, *, took_ms: float, limits: RoomLimits) -> int:
    """Return how many members the next slice of a pass has, after one of `members` took `took_ms`.

    It aims at `slice_ms` and at most doubles, since one quick slice may be luck.
    """
    fitting = members * limits.slice_ms / took_ms if took_ms > 0 else 2.0 * members
    wanted = min(2.0 * members, fitting)
    return int(min(limits.slice_members_max, max(limits.slice_members_min, wanted)))
