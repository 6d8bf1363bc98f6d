"""Keep the newest sale events of a room, encoded, so that a returning client needs no database.

The ring is contiguous: it holds exactly the offsets `first` … `newest`.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

# 512 events are 25 s of the busiest room (20/s) and hours of an ordinary one.
RING_ENTRIES_MAX = 512


class Ring:
    """The last encoded events of one room."""

    def __init__(self, newest: int, entries_max: int = RING_ENTRIES_MAX) -> None:
        self._events: deque[bytes] = deque(maxlen=entries_max)
        self.newest = newest

    @property
    def first(self) -> int:
        """The oldest offset at hand; one past the newest when the ring is empty."""
        return self.newest - len(self._events) + 1

    def append(self, offset: int, event: bytes) -> None:
        """Add the next event; its offset must be `newest + 1`."""
        assert offset == self.newest + 1, "the ring must stay contiguous"
        self._events.append(event)
        self.newest = offset

    def since(self, first: int) -> list[bytes]:
        """Return the events from `first` to the newest; `first` must not be older than the ring."""
        assert first >= self.first, "the ring does not reach back that far"
        count = self.newest - first + 1
        if count <= 0:
            return []
        start = len(self._events) - count
        return list(islice(self._events, start, None))

    def reset(self, newest: int) -> None:
        """Forget everything and start after `newest`."""
        self._events.clear()
        self.newest = newest
