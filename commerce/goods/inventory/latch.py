"""The sold-out latch: losers of a decided race are answered without asking the database.

Invariant: a latched answer was true of a committed version read at most 250 ms ago; it goes only
to presses for a sale whose window was open then, and never to a request that owned a
reservation when it was read. The age of an answer counts from before its question was asked.
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
# Pools of which it is remembered when they were cleared; far more than any show has.
POOLS_MAX = 10_000


class Latch(msgspec.Struct, frozen=True):
    """What was read of one pool: no unit free at `version`, for these sales, which were open."""

    outcome: Outcome
    version: int
    read_at_ms: int
    owned: Mapping[str, frozenset[str]] | None
    """The ids of the live reservations, by their owner's; None when there are too many to keep."""
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
        self._clears: dict[str, int] = {}
        """Which clearing was a pool's last; a pool that nobody asks about any more is forgotten."""
        self._cleared = 0

    def answer(
        self, pool_id: str, *, user_id: str, sale_id: str, name_id: Callable[[], str]
    ) -> Refused | None:
        """Refuse a press from the latch, or return None when the database must decide.

        `name_id` derives the id of the press; that is dear, and asked of owners alone.
        """
        latch = self._by_pool.get(pool_id)
        if latch is None or latch.owned is None or sale_id not in latch.sale_ids:
            return None
        if not self._is_fresh(pool_id, latch):
            return None
        owned = latch.owned.get(user_id)
        if owned is not None and name_id() in owned:
            return None
        return self._refusals[pool_id]

    def is_looked_up(self, pool_id: str) -> bool:
        """Say whether the owners of a latched pool are too many to be remembered here."""
        latch = self._by_pool.get(pool_id)
        return latch is not None and latch.owned is None

    def answer_stranger(
        self, pool_id: str, sale_id: str, *, may_renew: bool = True
    ) -> Refused | None:
        """Refuse a press that owns no row, by a latch whose owners are looked up; else None."""
        latch = self._by_pool.get(pool_id)
        if latch is None or latch.owned is not None or sale_id not in latch.sale_ids:
            return None
        is_fresh = self._is_fresh(pool_id, latch, may_renew=may_renew)
        return self._refusals[pool_id] if is_fresh else None

    def _is_fresh(self, pool_id: str, latch: Latch, *, may_renew: bool = True) -> bool:
        """Say whether a latch still answers; one press is told no in time, and renews it."""
        age_ms = self._monotonic_ms() - latch.read_at_ms
        if age_ms > LATCH_MS_MAX:
            return False
        if may_renew and age_ms > RENEW_AFTER_MS and pool_id not in self._renewing:
            self._renewing.add(pool_id)
            return False
        return True

    def of_version(self, pool_id: str, version: int) -> Latch | None:
        """Return the latch of this version of a pool: its owners need not be read again."""
        latch = self._by_pool.get(pool_id)
        return latch if latch is not None and latch.version == version else None

    def clears_of(self, pool_id: str) -> int:
        """Return what `set` compares: whether a pool was cleared since."""
        return self._clears.setdefault(pool_id, 0)

    def set(self, pool_id: str, latch: Latch, *, clears: int) -> None:
        """Latch a pool, unless it was cleared since `clears_of` told this number.

        Its owner who gave a unit back while the latch was read must not be refused by it.
        """
        if self._clears.get(pool_id) != clears:
            self._renewing.discard(pool_id)
            return
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
        if len(self._clears) > POOLS_MAX:  # A latch that is being read meanwhile is not set.
            self._clears = {pool_id: self._clears.get(pool_id, 0) for pool_id in self._by_pool}

    def clear(self, pool_id: str) -> None:
        """Let the database decide again."""
        self._cleared += 1  # Of all pools: no number comes twice, though pools are forgotten.
        self._clears[pool_id] = self._cleared
        self._by_pool.pop(pool_id, None)
        self._refusals.pop(pool_id, None)
        self._renewing.discard(pool_id)
