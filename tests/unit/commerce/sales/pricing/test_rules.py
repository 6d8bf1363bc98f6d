"""The price that a reduction is compared with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.kernel.errors import CommerceError
from commerce.sales.pricing.model import LowestPrice, Offered, PriceGuard
from commerce.sales.pricing.rules import (
    DAY_MS,
    REFERENCE_DAYS,
    check_guard_limits,
    check_price,
    lowest_of_30_days,
)

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


def ask(
    guard: PriceGuard | None, price_minor: int, *, list_minor: int = 1000, again: int | None = None
) -> dict[str, int] | None:
    """Return what the guard says about a price; None when it lets it pass."""
    try:
        check_price(
            guard, price_minor=price_minor, list_price_minor=list_minor, confirmed_minor=again
        )
    except CommerceError as error:
        return error.detail if error.code == "price_needs_confirmation" else {}
    return None


def test_without_a_guard_no_price_is_asked_twice() -> None:
    assert ask(None, 0) is None
    assert ask(PriceGuard(), 0) is None


def test_a_cut_is_asked_for_above_its_percent_and_not_at_it() -> None:
    guard = PriceGuard(max_cut_percent=40)
    assert ask(guard, 600) is None
    assert ask(guard, 599) == {"price_minor": 599, "list_price_minor": 1000, "cut_percent": 41}
    assert ask(guard, 0) == {"price_minor": 0, "list_price_minor": 1000, "cut_percent": 100}
    assert ask(guard, 2000) is None
    assert ask(guard, 0, list_minor=0) is None
    assert ask(PriceGuard(max_cut_percent=100), 0) is None


def test_below_the_floor_is_asked_for_and_at_it_not() -> None:
    guard = PriceGuard(floor_minor=500)
    assert ask(guard, 500) is None
    assert ask(guard, 499) == {
        "price_minor": 499,
        "list_price_minor": 1000,
        "cut_percent": 51,
        "floor_minor": 500,
    }
    assert ask(guard, 400, list_minor=300) == {
        "price_minor": 400,
        "list_price_minor": 300,
        "cut_percent": 0,
        "floor_minor": 500,
    }
    assert ask(guard, 0, list_minor=0) == {
        "price_minor": 0,
        "list_price_minor": 0,
        "cut_percent": 0,
        "floor_minor": 500,
    }


def test_only_the_same_price_again_confirms() -> None:
    guard = PriceGuard(floor_minor=500, max_cut_percent=40)
    assert ask(guard, 199, again=199) is None
    assert ask(guard, 199, again=200) is not None
    assert ask(guard, 199, again=0) is not None


@pytest.mark.parametrize(
    ("guard", "field"),
    [
        (PriceGuard(floor_minor=-1), "guard.floor_minor"),
        (PriceGuard(floor_minor=10**15), "guard.floor_minor"),
        (PriceGuard(max_cut_percent=-1), "guard.max_cut_percent"),
        (PriceGuard(max_cut_percent=101), "guard.max_cut_percent"),
    ],
)
def test_an_impossible_guard_is_named(guard: PriceGuard, field: str) -> None:
    with pytest.raises(CommerceError) as caught:
        check_guard_limits(guard)
    assert caught.value.detail == {"field": field}
    check_guard_limits(None)
    check_guard_limits(PriceGuard(0, 0))
    check_guard_limits(PriceGuard(max_cut_percent=100))
