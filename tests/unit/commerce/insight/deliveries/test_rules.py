"""Shares and percentiles from bins equal those of the plain list, rounded the honest way."""

from __future__ import annotations

from bisect import bisect_left
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.insight.deliveries.rules import (
    BINS,
    BOUNDS_MS,
    add_up,
    count_within,
    find_percentile,
    summarise,
)

DELAYS = st.lists(st.integers(0, 3_000), max_size=300)


def bins_of(delays: list[int]) -> list[int]:
    bins = [0] * BINS
    for delay in delays:
        bins[bisect_left(BOUNDS_MS, delay)] += 1
    return bins


def percentile_of(delays: list[int], silent: int, percent: int) -> int | None:
    """Return the percentile of the sorted list, at the end of its bin; silence is for ever."""
    everybody = [*sorted(delays), *[10**9] * silent]
    if not everybody:
        return None
    delay = everybody[ceil(len(everybody) * percent / 100) - 1]
    return next((bound for bound in BOUNDS_MS if delay <= bound), None)


@given(DELAYS, st.integers(0, 100), st.sampled_from([1, 50, 90, 99, 100]))
def test_percentiles_equal_those_of_the_list(delays: list[int], silent: int, percent: int) -> None:
    found = find_percentile(bins_of(delays), len(delays) + silent, percent)
    assert found == percentile_of(delays, silent, percent)


@given(DELAYS, st.sampled_from([50, 400, 2000]))
def test_the_count_within_a_limit_is_exact(delays: list[int], limit: int) -> None:
    assert count_within(bins_of(delays), limit) == sum(delay <= limit for delay in delays)


def test_a_limit_inside_a_bin_cannot_be_asked_about() -> None:
    with pytest.raises(ValueError, match="not in"):
        count_within([0] * BINS, 410)


@given(st.lists(DELAYS, max_size=5))
def test_gateways_add_up_to_one_list(lists: list[list[int]]) -> None:
    together = add_up(bins_of(delays) for delays in lists)
    assert list(together) == bins_of([delay for delays in lists for delay in delays])


def test_whoever_never_answered_counts_as_late() -> None:
    figures = summarise(bins_of([40] * 98), asked=100)
    assert (figures.acked, figures.within_400, figures.p50_ms, figures.p99_ms) == (98, 98, 40, None)


def test_of_nobody_nothing_is_said() -> None:
    figures = summarise([0] * BINS, asked=0)
    assert (figures.asked, figures.p50_ms, figures.p99_ms) == (0, None, None)
