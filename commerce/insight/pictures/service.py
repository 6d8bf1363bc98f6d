"""Count viewers' beats in memory, store them by the minute, and say how the picture arrives.

Measured, not promised: a process that is killed takes its last seconds with it. A beat costs no
I/O; what is stored of a minute is stored again, whole, until the minute is over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from commerce.insight.pictures.model import Beat, PictureMinute
from commerce.insight.pictures.rules import MINUTE_MS, Share, Tally, check_beat, summarise
from commerce.insight.pictures.store import select_recent, upsert_minutes
from commerce.kernel.ports import Connection, Database

# Rooms that beats are counted of at a time; one more forgets who beat longest ago.
ROOMS_MAX = 10_000
# Minutes that wait for PostgreSQL; older ones are dropped.
MINUTES_MAX = 20_000


class PictureDesk:
    """The beats of one process. `reporter` is new with every run of it."""

    def __init__(
        self, reporter: str, *, now_ms: Callable[[], int], monotonic_ms: Callable[[], int]
    ) -> None:
        self._reporter = reporter
        self._now_ms = now_ms
        self._monotonic_ms = monotonic_ms
        self._shares: OrderedDict[str, Share] = OrderedDict()
        self._tallies: OrderedDict[tuple[str, int], Tally] = OrderedDict()
        self._dirty: set[tuple[str, int]] = set()

    def take(self, room_id: str, address: str, beat: Beat) -> bool:
        """Count a beat; False when the room, or the address, has told enough for now.

        Raises `invalid_request` when it cannot be true.
        """
        check_beat(beat)
        share = self._shares.setdefault(room_id, Share())
        self._shares.move_to_end(room_id)
        if len(self._shares) > ROOMS_MAX:
            self._shares.popitem(last=False)
        if not share.take(address, self._monotonic_ms()):
            return False
        key = (room_id, self._now_ms() // MINUTE_MS * MINUTE_MS)
        self._tallies.setdefault(key, Tally()).add(beat)
        self._dirty.add(key)
        if len(self._tallies) > MINUTES_MAX:
            oldest, _ = self._tallies.popitem(last=False)
            self._dirty.discard(oldest)
        return True

    async def flush(self, database: Database) -> None:
        """Store what has changed. What could not be stored is stored with the next turn."""
        dirty, self._dirty = self._dirty, set()
        if not dirty:
            return
        minutes = [self._minute(key) for key in dirty if key in self._tallies]
        try:
            async with database.transaction() as transaction:
                await upsert_minutes(transaction, minutes)
        except BaseException:
            self._dirty |= dirty
            raise
        present_ms = self._now_ms() // MINUTE_MS * MINUTE_MS
        for key in dirty - self._dirty:
            if key[1] < present_ms:
                self._tallies.pop(key, None)

    def _minute(self, key: tuple[str, int]) -> PictureMinute:
        tally = self._tallies[key]
        return PictureMinute(
            room_id=key[0],
            minute_ms=key[1],
            reporter=self._reporter,
            beats=tally.beats,
            played_ms=tally.played_ms,
            stalled_ms=tally.stalled_ms,
            stalls=tally.stalls,
            first_frames=tuple(tally.first_frames),
            behinds=tuple(tally.behinds),
        )


async def read_pictures(connection: Connection, room_id: str) -> dict[str, Any]:
    """Return what the console says of a room's picture in its window."""
    figures: dict[str, Any] = msgspec.to_builtins(
        summarise(await select_recent(connection, room_id))
    )
    return figures
