"""Compute shares and percentiles from counts in bins.

Pure. The invariant: nothing is ever said to be better than it was. A percentile is the upper end of
its bin, and whoever was asked and never answered counts as later than everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from commerce.insight.deliveries.model import DeliveryFigures

# Upper ends of the bins, each included; the bin after the last holds what is later. A test holds
# them against those of the gateways that count.
BOUNDS_MS: tuple[int, ...] = (*range(10, 100, 10), *range(100, 2001, 50))
BINS = len(BOUNDS_MS) + 1
# The promise that the console's light speaks of: an eye-blink, and what a button may take.
WITHIN_MS = 400
# The light looks back so far.
WINDOW_S = 60


def add_up(counts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Add counts of the same bins; of none, all bins are empty."""
    return tuple(map(sum, zip([0] * BINS, *counts, strict=True)))


def count_within(bins: Sequence[int], limit_ms: int) -> int:
    """Count the reports of at most `limit_ms`, which must be the end of a bin."""
    return sum(bins[: BOUNDS_MS.index(limit_ms) + 1])


def find_percentile(bins: Sequence[int], asked: int, percent: int) -> int | None:
    """Return by when `percent` of those asked had it, in ms; None when not within the last bin."""
    wanted = -(-asked * percent // 100)
    seen = 0
    for bound_ms, count in zip(BOUNDS_MS, bins, strict=False):
        seen += count
        if seen >= wanted > 0:
            return bound_ms
    return None


def summarise(bins: Sequence[int], asked: int) -> DeliveryFigures:
    """Return what is said of one event, or of many whose bins were added up."""
    return DeliveryFigures(
        asked=asked,
        acked=sum(bins),
        within_400=count_within(bins, WITHIN_MS),
        p50_ms=find_percentile(bins, asked, 50),
        p99_ms=find_percentile(bins, asked, 99),
    )
