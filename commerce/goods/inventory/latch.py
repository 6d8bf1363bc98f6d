"""The sold-out latch: losers of a decided race are answered without asking the database.

Invariant: a latched answer was true of a committed version read at most 250 ms ago; it goes only
to presses for a sale whose window was open then, and never to a request that may already own a
reservation.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from commerce.goods.inventory.model import Outcome, Refused, Request

# Freed units show at the latest after this long.
LATCH_MS_MAX = 250
# Nobody presses there any more: the live ids, up to every unit of a pool, are let go.
FORGOTTEN_AFTER_MS = 60_000


class Latch(msgspec.Struct, frozen=True):
    """What was read of one pool: no unit free at `version`, for these sales, which were open."""

    outcome: Outcome
    version: int
    read_at_ms: int
    live_ids: frozenset[str]
    sale_ids: frozenset[str]
    waiting: int | None = None
    """How many waited for units that come free, when that was read."""


class Latches:
    """The latches of one process, by pool; `monotonic_ms` is a clock that never jumps."""

    def __init__(self, monotonic_ms: Callable[[], int]) -> None:
        self._monotonic_ms = monotonic_ms
        self._by_pool: dict[str, Latch] = {}

    def answer(self, pool_id: str, request: Request) -> Refused | None:
        """Refuse a request from the latch, or return None when the database must decide."""
        latch = self._by_pool.get(pool_id)
        if latch is None:
            return None
        if self._monotonic_ms() - latch.read_at_ms > LATCH_MS_MAX:
            return None
        if request.id in latch.live_ids or request.sale_id not in latch.sale_ids:
            return None
        return Refused(
            latch.outcome, latch.version, available=0, is_latched=True, waiting=latch.waiting
        )

    def is_set(self, pool_id: str) -> bool:
        """Say whether there is a latch, which may be too old by now."""
        return pool_id in self._by_pool

    def live_ids(self, pool_id: str, version: int) -> frozenset[str] | None:
        """Return the live ids of this version of a pool, when they are already here."""
        latch = self._by_pool.get(pool_id)
        return latch.live_ids if latch is not None and latch.version == version else None

    def set(self, pool_id: str, latch: Latch) -> None:
        """Latch a pool."""
        if pool_id not in self._by_pool:
            self._forget_old(latch.read_at_ms)
        self._by_pool[pool_id] = latch

    def _forget_old(self, now_ms: int) -> None:
        self._by_pool = {
            pool_id: latch
            for pool_id, latch in self._by_pool.items()
            if now_ms - latch.read_at_ms <= FORGOTTEN_AFTER_MS
        }

    def clear(self, pool_id: str) -> None:
        """Let the database decide again."""
        self._by_pool.pop(pool_id, None)
