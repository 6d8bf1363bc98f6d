"""Write new sale events to the members of a room, a slice at a time.

The invariant: when a pass is done, every member that could take it has everything up to the ring's
newest. Events that come in on the way are added to it: whom it had not reached yet comes first, and
gets old and new in one frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from realtime.protocol.codec import Blob
from realtime.protocol.messages import build_sale
from realtime.recovery.ring import Ring
from realtime.rooms.ports import Member


class SalePass:
    """The way of the newest sale events through one room's members.

    `give_up(member)` is called for a member whom the ring no longer reaches, or who lacks more than
    `replay_bytes_max`, as all do when a long gap was repaired: a snapshot is smaller, and clients
    need not take messages of a megabyte.
    """

    def __init__(
        self, ring: Ring, give_up: Callable[[Member], None], *, replay_bytes_max: int
    ) -> None:
        self._ring = ring
        self._give_up = give_up
        self._replay_bytes_max = replay_bytes_max
        self._members: Sequence[Member] = ()
        self._next = 0
        self._behind = ring.newest
        """Nobody who keeps up is further behind than this; who is has stopped, and is skipped."""
        self._blobs: dict[int, Blob | None] = {}

    @property
    def is_done(self) -> bool:
        """Whether every member had its turn."""
        return self._next >= len(self._members)

    def begin(self, members: Sequence[Member], *, before: int) -> None:
        """Begin to write what follows `before`, or add it to what is being written."""
        if self.is_done:
            self._behind = before
        else:
            rest = self._members[self._next :]
            unreached = set(rest)
            members = [*rest, *(member for member in members if member not in unreached)]
        self._members, self._next, self._blobs = members, 0, {}

    def write(self, count: int) -> None:
        """Give the next `count` members their turn."""
        behind, newest, first = self._behind, self._ring.newest, self._ring.first
        for member in self._members[self._next : self._next + count]:
            offset = member.offset
            if not behind <= offset < newest:
                continue
            blob = self._blob_after(offset) if offset + 1 >= first else None
            if blob is None:
                self._give_up(member)
            else:
                member.write_sale(blob, newest)
        self._next += count
        if self.is_done:
            self.drop()

    def drop(self) -> None:
        """Forget what was still to be written, as when everybody is to get a snapshot."""
        self._members, self._next, self._blobs = (), 0, {}

    def _blob_after(self, offset: int) -> Blob | None:
        if offset not in self._blobs:
            events = self._ring.since(offset + 1)
            fits = sum(map(len, events)) <= self._replay_bytes_max
            self._blobs[offset] = Blob(build_sale(offset + 1, events)) if fits else None
        return self._blobs[offset]
