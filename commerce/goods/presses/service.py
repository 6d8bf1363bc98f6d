"""Count presses in memory and keep the counts once a second.

A press is not a promise: a process that ends loses at most its last second of counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from commerce.goods.presses import store
from commerce.kernel.ports import Database

SECOND_MS = 1000


class PressCounter:
    """The counts of one process since the last flush."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._counts: Counter[tuple[str, int, str]] = Counter()

    def add(self, sale_id: str, answer: str) -> None:
        """Count one press with its answer."""
        second_ms = self._now_ms() // SECOND_MS * SECOND_MS
        self._counts[sale_id, second_ms, answer] += 1

    async def flush(self, database: Database) -> None:
        """Keep what was counted; when that fails, it is tried with the next flush."""
        if not self._counts:
            return
        counts, self._counts = self._counts, Counter()
        try:
            async with database.transaction() as transaction:
                await store.add(transaction, counts)
        except BaseException:
            self._counts.update(counts)
            raise
