"""The price that a reduction is compared with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.sales.pricing.model import LowestPrice, Offered
from commerce.sales.pricing.rules import DAY_MS, REFERENCE_DAYS, lowest_of_30_days

NOW = 100 * DAY_MS
WINDOW = NOW - REFERENCE_DAYS * DAY_MS


def test_nothing_known_is_no_reference() -> None:
    assert lowest_of_30_days([], NOW) is None
    assert lowest_of_30_days([Offered(100, NOW, None)], NOW) is None, "the reduction itself"
    assert lowest_of_30_days([Offered(100, NOW - 5, NOW - 5)], NOW) is None, "never on offer"
    assert lowest_of_30_days([Offered(100, 0, WINDOW)], NOW) is None, "over before the window"


def test_an_earlier_offer_that_reaches_into_the_window_counts() -> None:
    offers = [Offered(100, 0, WINDOW + 1), Offered(300, 0, None)]
    assert lowest_of_30_days(offers, NOW) == LowestPrice(100, WINDOW, 30)
    offers = [Offered(100, 0, WINDOW), Offered(300, 0, None)]
    assert lowest_of_30_days(offers, NOW) == LowestPrice(300, WINDOW, 30)


@pytest.mark.parametrize(("age_ms", "days"), [(1, 1), (DAY_MS, 1), (DAY_MS + 1, 2)])
def test_a_younger_sku_is_compared_since_it_exists(age_ms: int, days: int) -> None:
    found = lowest_of_30_days([Offered(100, NOW - age_ms, None)], NOW)
    assert found == LowestPrice(100, NOW - age_ms, days)


OFFERS = st.lists(
    st.builds(
        lambda price, start, length: Offered(
            price, start, None if length is None else start + length
        ),
        st.integers(0, 9),
        st.integers(0, NOW + DAY_MS),
        st.none() | st.integers(0, 40 * DAY_MS),
    ),
    max_size=8,
)


@given(OFFERS, st.integers(0, NOW + DAY_MS - 1))
def test_no_moment_of_the_window_was_cheaper(offers: list[Offered], moment_ms: int) -> None:
    lowest = lowest_of_30_days(offers, NOW)
    if not WINDOW <= moment_ms < NOW:
        return
    live = [
        o for o in offers if o.from_ms <= moment_ms and (o.to_ms is None or moment_ms < o.to_ms)
    ]
    if live:
        assert lowest is not None
        assert lowest.price_minor <= min(o.price_minor for o in live)
        assert lowest.since_ms <= moment_ms
        assert 1 <= lowest.days <= REFERENCE_DAYS
