"""Fill a room's gap from its log, once at a time, until it is filled.

A repair never gives up by itself: it retries with a growing pause while the log cannot be read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from realtime.protocol.counters import Counters
from realtime.protocol.messages import LogEntry

log = logging.getLogger(__name__)

# One ring's worth; a longer gap takes several reads.
READ_ENTRIES_MAX = 512
# The pause before a log that cannot be read is asked again grows up to this many times.
RETRY_GROWTH_MAX = 20
# An announced event that is still invisible after this many reads will never come.
FRUITLESS_READS_MAX = 6
# The log belongs to PostgreSQL; a read that takes longer than this is a failed one.
READ_TIMEOUT_S = 5.0

ReadLog = Callable[[str, int, int], Awaitable[list[LogEntry]]]


class GapRepair:
    """Reads what one room is missing; `wanted` is the newest offset known to exist."""

    def __init__(
        self, room_id: str, read_log: ReadLog, counters: Counters, *, retry_s: float
    ) -> None:
        self._room_id = room_id
        self._read_log = read_log
        self._counters = counters
        self._retry_min_s = self._retry_s = retry_s
        self.wanted = 0
        self.is_running = False

    async def run(self, newest: Callable[[], int], apply: Callable[[list[LogEntry]], bool]) -> bool:
        """Read after `newest()` and `apply` until nothing known is missing.

        Returns False when the log cannot fill the gap, because it was trimmed or is another log:
        the room then needs a snapshot. `apply` returns False when its entries do not connect.
        """
        self.is_running = True
        fruitless = 0
        try:
            while True:
                before = newest()
                entries = await self._read(before)
                if entries is None:
                    continue
                if not apply(entries):
                    return False
                if newest() >= self.wanted and len(entries) < READ_ENTRIES_MAX:
                    return True
                # What was announced may not be visible to this read yet: look again, a few times.
                fruitless = 0 if entries else fruitless + 1
                if fruitless > FRUITLESS_READS_MAX:
                    self.wanted = 0
                    return False
                if not entries:
                    await self._pause()
        finally:
            self.is_running = False
            self._retry_s = self._retry_min_s

    async def _read(self, after: int) -> list[LogEntry] | None:
        self._counters.repairs += 1
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                entries = await self._read_log(self._room_id, after, READ_ENTRIES_MAX)
        except Exception as error:  # Whatever the log's store raises, it is asked again.
            self._counters.repair_failures += 1
            if self._retry_s == self._retry_min_s:
                log.warning("Reading the log of room %s failed: %s", self._room_id, error)
            await self._pause()
            return None
        return entries

    async def _pause(self) -> None:
        await asyncio.sleep(self._retry_s)
        self._retry_s = min(self._retry_min_s * RETRY_GROWTH_MAX, self._retry_s * 2)
