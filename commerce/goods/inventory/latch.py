"""The sold-out latch: losers of a decided race are answered without asking the database.

Invariant: a latched answer was true of a committed version read at most 250 ms ago, and never
goes to a request that may already own a reservation.
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
    """What was read of one pool: no unit free at `version`."""

    outcome: Outcome
    version: int
    read_at_ms: int
    live_ids: frozenset[str]


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
        if request.id in latch.live_ids:
            return None
        return Refused(latch.outcome, latch.version, available=0, is_latched=True)

    def is_known(self, pool_id: str, version: int) -> bool:
        """Say whether the live ids of this version are already here."""
        latch = self._by_pool.get(pool_id)
        return latch is not None and latch.version == version

    def set(
        self,
        pool_id: str,
        outcome: Outcome,
        *,
        version: int,
        read_at_ms: int,
        live_ids: frozenset[str] | None,
    ) -> None:
        """Latch a pool; `live_ids` None keeps those already known of the same version."""
        if live_ids is None:
            live_ids = self._by_pool[pool_id].live_ids
        if pool_id not in self._by_pool:
            self._forget_old(read_at_ms)
        self._by_pool[pool_id] = Latch(outcome, version, read_at_ms, live_ids)

    def _forget_old(self, now_ms: int) -> None:
        self._by_pool = {
            pool_id: latch
            for pool_id, latch in self._by_pool.items()
            if now_ms - latch.read_at_ms <= FORGOTTEN_AFTER_MS
        }

    def clear(self, pool_id: str) -> None:
        """Let the database decide again."""
        self._by_pool.pop(pool_id, None)
