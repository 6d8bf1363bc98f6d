"""Token buckets of one process, in bounded memory.

Invariant: a bucket that was left alone for a second is full, so forgetting it changes nothing;
only when more than `BUCKETS_MAX` are in use within one second are the oldest forgotten early.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from commerce.goods.press_rules.rules import refill

# About 250 bytes each: 25 MB at worst, and more people than one process has sockets.
BUCKETS_MAX = 100_000
FULL_AFTER_MS = 1_000

Key = tuple[str, str]


class Buckets:
    """A bucket for each (sale, person or address); it holds one second's tokens."""

    def __init__(self, monotonic_ms: Callable[[], int], *, buckets_max: int = BUCKETS_MAX) -> None:
        self._monotonic_ms = monotonic_ms
        self._buckets_max = buckets_max
        # Key → (tokens, when that was), the longest untouched first.
        self._buckets: dict[Key, tuple[float, int]] = {}

    def __len__(self) -> int:
        """Return how many buckets are remembered."""
        return len(self._buckets)

    def take(self, key: Key, per_s: int) -> int:
        """Take a token; return 0, or in how many ms there will be one."""
        now_ms = self._monotonic_ms()
        tokens = self._tokens(key, per_s, now_ms)
        self._buckets.pop(key, None)
        wait_ms = 0 if tokens >= 1 else max(1, math.ceil((1 - tokens) * 1000 / per_s))
        self._buckets[key] = (tokens if wait_ms else tokens - 1, now_ms)
        self._forget(now_ms)
        return wait_ms

    def has(self, key: Key, per_s: int) -> bool:
        """Say whether there is a token to take now."""
        return self._tokens(key, per_s, self._monotonic_ms()) >= 1

    def _tokens(self, key: Key, per_s: int, now_ms: int) -> float:
        known = self._buckets.get(key)
        return float(per_s) if known is None else refill(known[0], now_ms - known[1], per_s)

    def _forget(self, now_ms: int) -> None:
        """Drop what is full again, two a call, so that each call costs the same."""
        for _ in range(2):
            oldest = next(iter(self._buckets))
            is_full = now_ms - self._buckets[oldest][1] >= FULL_AFTER_MS
            if not is_full and len(self._buckets) <= self._buckets_max:
                return
            del self._buckets[oldest]
            if not self._buckets:
                return
