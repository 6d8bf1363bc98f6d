"""The sold-out latch: losers of a decided race are answered without asking the database.

Invariant: a latched answer was true of a committed version read at most 250 ms ago; it goes only
to presses for a sale whose window was open then, and never to a request that may already own a
reservation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from commerce.goods.inventory.model import Outcome, Refused

# Freed units show at the latest after this long.
LATCH_MS_MAX = 250
# One press goes to the database so long before the others would have to.
RENEW_AFTER_MS = 100
# Nobody presses there any more: the live ids, up to every unit of a pool, are let go.
FORGOTTEN_AFTER_MS = 60_000


class Latch(msgspec.Struct, frozen=True):
    """What was read of one pool: no unit free at `version`, for these sales, which were open."""

    outcome: Outcome
    version: int
    read_at_ms: int
    owned: Mapping[str, frozenset[str]]
    """The ids of the live reservations, by their owner's."""
    sale_ids: frozenset[str]
    waiting: int | None = None
    """How many waited for units that come free, when that was read."""


class Latches:
    """The latches of one process, by pool; `monotonic_ms` is a clock that never jumps."""

    def __init__(self, monotonic_ms: Callable[[], int]) -> None:
        self._monotonic_ms = monotonic_ms
        self._by_pool: dict[str, Latch] = {}
        self._refusals: dict[str, Refused] = {}
        """What everybody is told whom a pool's latch refuses."""
        self._renewing: set[str] = set()

    def answer(
        self, pool_id: str, *, user_id: str, sale_id: str, name_id: Callable[[], str]
    ) -> Refused | None:
        """Refuse a press from the latch, or return None when the database must decide.

        `name_id` derives the id of the press; that is dear, and asked of owners alone.
        """
        latch = self._by_pool.get(pool_id)
        if latch is None or sale_id not in latch.sale_ids:
            return None
        age_ms = self._monotonic_ms() - latch.read_at_ms
        if age_ms > LATCH_MS_MAX:
            return None
        if age_ms > RENEW_AFTER_MS and pool_id not in self._renewing:
            self._renewing.add(pool_id)
            return None
        owned = latch.owned.get(user_id)
        if owned is not None and name_id() in owned:
            return None
        return self._refusals[pool_id]

    def owned(self, pool_id: str, version: int) -> Mapping[str, frozenset[str]] | None:
        """Return the live ids of this version of a pool, when they are already here."""
        latch = self._by_pool.get(pool_id)
        return latch.owned if latch is not None and latch.version == version else None

    def set(self, pool_id: str, latch: Latch) -> None:
        """Latch a pool."""
        if pool_id not in self._by_pool:
            self._forget_old(latch.read_at_ms)
        self._by_pool[pool_id] = latch
        self._refusals[pool_id] = Refused(
            latch.outcome, latch.version, available=0, is_latched=True, waiting=latch.waiting
        )
        self._renewing.discard(pool_id)

    def _forget_old(self, now_ms: int) -> None:
        self._by_pool = {
            pool_id: latch
            for pool_id, latch in self._by_pool.items()
            if now_ms - latch.read_at_ms <= FORGOTTEN_AFTER_MS
        }
        self._refusals = {pool_id: self._refusals[pool_id] for pool_id in self._by_pool}
        self._renewing.intersection_update(self._by_pool)

    def clear(self, pool_id: str) -> None:
        """Let the database decide again."""
        self._by_pool.pop(pool_id, None)
        self._refusals.pop(pool_id, None)
        self._renewing.discard(pool_id)
