"""Set the limits of rooms, each with its reason."""

from __future__ import annotations

import msgspec

from realtime.recovery.ring import RING_ENTRIES_MAX
from realtime.rooms.drain import DrainLimits
from realtime.rooms.ladder import LadderLimits


class RoomLimits(msgspec.Struct, frozen=True):
    """Limits of the rooms of one process."""

    ring_entries: int = RING_ENTRIES_MAX
    """Sale events kept for replay, per room: 25 s of the busiest room."""
    replay_bytes_max: int = 128 * 1024
    """A replay larger than this is replaced by a snapshot, which is smaller."""
    tick_min_ms: int = 100
    """Faster updates of a number are not seen by people."""
    tick_max_ms: int = 1000
    """Slower updates of a number look broken."""
    tick_members: int = 2000
    """Members that one shortest tick serves comfortably on a fraction of a core."""
    slice_ms: int = 4
    """A pass over the members yields to the sale lane this often."""
    slice_members_min: int = 64
    """Members in the shortest slice; with fewer, giving way costs more than writing to them."""
    slice_members_max: int = 2048
    """Members in the longest slice, whatever the clock says of the last one."""
    sale_slice_members: int = 512
    """Members that a sale event is written to before commands have their turn: some 5 ms."""
    chat_lines_per_tick: int = 200
    """Lines held for the next tick; what does not fit is counted as dropped."""
    room_linger_ms: int = 30_000
    """An empty room is kept this long, because people reload pages."""
    rooms_max: int = 2000
    """Active rooms in one process; each holds a subscription and a ring."""
    activation_timeout_s: float = 8.0
    """A room that cannot be read for this long refuses its joiners."""
    degraded_poll_ms: int = 1000
    """While the link is down, each room's log is read this often instead."""
    check_every_ms: int = 5000
    """Each room's offset and epoch are compared with the log's this often: an announcement that
    was lost without a later one to reveal it, or a restored database, is noticed by then."""
    repair_retry_ms: int = 100
    """First pause before a log that could not be read is asked again; it doubles up to 2 s."""
    snapshot_retry_ms: int = 300
    """Pause after a snapshot that failed."""
    snapshot_timeout_s: float = 5.0
    """A snapshot that takes longer is a failed one."""
    ladder: LadderLimits = LadderLimits()
    """When the process gives something up, and what."""
    drain: DrainLimits = DrainLimits()
    """How a process that ends lets its viewers go."""
