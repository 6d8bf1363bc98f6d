"""Handle what a crowd sent a little at a time, so that the loop hears everybody else in between.

When a sale opens, thousands of sockets become readable at once. Handled one after the other as
they are read, they would keep the loop from the database's answers until the last of them was
done: those who pressed first would be told last, and the latch of a sold-out sale, which the
database renews, would run out meanwhile. So what arrives waits here, in its order, and is handled
in turns of a few milliseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

# A turn ends with the first reader after this; a press takes some 0.05 ms.
TURN_S = 0.004


class Reader(Protocol):
    """A connection for which something has arrived."""

    def read_arrived(self) -> None:
        """Handle everything that has arrived; never raises."""


class Inbox:
    """The readers of one process that wait for their turn, the longest waiting first."""

    __slots__ = ("_is_due", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Reader] = deque()
        self._is_due = False

    def add(self, reader: Reader) -> None:
        """Let a reader have a turn; it must not be waiting for one already."""
        self._waiting.append(reader)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        ends_s = time.monotonic() + TURN_S
        waiting = self._waiting
        while waiting:
            waiting.popleft().read_arrived()
            if time.monotonic() > ends_s:
                break
        self._is_due = bool(waiting)
        if waiting:
            self._loop.call_soon(self._turn)
