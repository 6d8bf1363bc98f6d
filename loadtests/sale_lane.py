"""Follow one client's sale lane: what it has, what it misses, when it asks again.

Invariant: `events` holds exactly what was applied, once each and in order; a loss, a repeat or a
second version of an offset is counted, never repaired in silence. Pure: the clock is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import msgspec

# How long a client waits for what is on its way before it asks (protocol.md, `so`).
SYNC_AFTER_MS = 500
# How long it waits for the answer before it asks again.
SYNC_AGAIN_MS = 5_000

Event = tuple[str, Any, int]


def digest(event: Sequence[Any]) -> int:
    """Return a number that two clients share exactly when they saw the same event."""
    return crc32(msgspec.json.encode(event, order="sorted"))


class SaleLane:
    """One client's copy of a room's sale log, across all of its connections."""

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.offset = 0
        self.based_at: int | None = None
        """The offset of the first snapshot: everything after it must be seen."""
        self.events: dict[int, int] = {}
        self.covered: list[tuple[int, int]] = []
        """Offsets that a later snapshot contained instead: (after, up to)."""
        self.repeats = 0
        self.conflicts = 0
        self.gaps = 0
        self.syncs = 0
        self._known = 0
        self._missing_since_ms: int | None = None
        self._asked_ms: int | None = None

    @property
    def position(self) -> tuple[str, int] | None:
        """Return the epoch and offset to come back with."""
        return None if self.epoch is None or self.based_at is None else (self.epoch, self.offset)

    @property
    def is_behind(self) -> bool:
        """Say whether something is known to exist that this client does not have."""
        return self._known > self.offset

    def greet(self, offset: int, now_ms: int) -> None:
        """Take the hello's offset: a replay up to it, or a snapshot, follows."""
        self.notice(offset, now_ms)
        if self.is_behind:
            self._asked_ms = now_ms

    def snapshot(self, epoch: str, offset: int) -> None:
        """Start from a whole state, the first or a later one."""
        if self.based_at is None or epoch != self.epoch:
            self.based_at, self.events = offset, {}
        elif offset > self.offset:
            self.covered.append((self.offset, offset))
        elif offset < self.offset:
            self.conflicts += 1
        self.epoch, self.offset = epoch, offset
        self._settle()

    def take(self, first: int, events: Sequence[Event], now_ms: int) -> list[Event]:
        """Apply an `S` frame and return the events that were new."""
        applied = []
        for offset, event in enumerate(events, first):
            if offset == self.offset + 1 and self.based_at is not None:
                self.events[offset] = digest(event)
                self.offset = offset
                applied.append(event)
            elif offset > self.offset:
                self.notice(offset, now_ms)
                self.gaps += 1
                break
            else:
                self._take_again(offset, event)
        self._settle()
        return applied

    def notice(self, known: int, now_ms: int) -> None:
        """Learn that the room's log reaches `known`."""
        self._known = max(self._known, known)
        if self.is_behind and self._missing_since_ms is None:
            self._missing_since_ms = now_ms

    def next_sync(self, now_ms: int) -> tuple[str, int] | None:
        """Return what to ask with `sync` now, or nothing; the question counts as asked."""
        position = self.position
        if position is None or self._missing_since_ms is None:
            return None
        if now_ms - self._missing_since_ms < SYNC_AFTER_MS:
            return None
        if self._asked_ms is not None and now_ms - self._asked_ms < SYNC_AGAIN_MS:
            return None
        self._asked_ms = now_ms
        self.syncs += 1
        return position

    def _take_again(self, offset: int, event: Event) -> None:
        known = self.events.get(offset)
        if known is not None and known != digest(event):
            self.conflicts += 1
        elif self._asked_ms is None:
            # An answer to `sync` may cross what was on its way; anything else came twice.
            self.repeats += 1

    def _settle(self) -> None:
        if not self.is_behind:
            self._known = self.offset
            self._missing_since_ms = self._asked_ms = None
