"""Windows of campaign prices, their ends, and what is no campaign price."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.kernel.errors import CommerceError
from commerce.sales.campaign_prices.model import CampaignPrice, CampaignPriceTerms
from commerce.sales.campaign_prices.rules import (
    AHEAD_MS_MAX,
    LASTS_MS_MAX,
    check_same,
    check_terms,
    decide_end,
    decide_window,
    hash_terms,
)
from commerce.sales.pricing.model import PriceGuard

NOW = 1_000_000


def make_terms(**more: Any) -> CampaignPriceTerms:
    """A price of 10.00 for a second, as a host asks for it."""
    return CampaignPriceTerms(**{"price_minor": 1_000, "until_ms": NOW + 1_000, **more})


def make_price(**more: Any) -> CampaignPrice:
    """A stored price."""
    fields = {"id": "i", "sku": "s", "price_minor": 1, "from_ms": 10, "until_ms": 20}
    return CampaignPrice(**{**fields, "request_hash": "", "is_withdrawn": False, **more})


@pytest.mark.parametrize("from_ms", [None, 0, NOW - 1, NOW])
def test_a_start_that_is_past_is_the_next_millisecond(from_ms: int | None) -> None:
    assert decide_window(make_terms(from_ms=from_ms), NOW) == (NOW + 1, NOW + 1_000)


def test_a_start_to_come_is_kept() -> None:
    assert decide_window(make_terms(from_ms=NOW + 999), NOW) == (NOW + 999, NOW + 1_000)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"until_ms": NOW + 1}, "until_ms"),
        ({"from_ms": NOW + 1_000}, "until_ms"),
        ({"until_ms": NOW + 2 + LASTS_MS_MAX}, "until_ms"),
        ({"from_ms": NOW + AHEAD_MS_MAX + 1, "until_ms": NOW + AHEAD_MS_MAX + 2}, "from_ms"),
    ],
)
def test_a_window_that_is_none_is_refused(more: dict[str, int], field: str) -> None:
    with pytest.raises(CommerceError) as refused:
        decide_window(make_terms(**more), NOW)
    assert refused.value.detail == {"field": field}


def test_the_farthest_and_longest_window_is_one() -> None:
    today_ms = 1_790_000_000_000
    from_ms = today_ms + AHEAD_MS_MAX
    window = (from_ms, from_ms + LASTS_MS_MAX)
    assert decide_window(make_terms(from_ms=from_ms, until_ms=window[1]), today_ms) == window


@given(st.integers(0, 30))
def test_a_price_that_is_taken_back_ends_within_its_window(now_ms: int) -> None:
    end = decide_end(make_price(), now_ms)
    assert 10 <= end <= 20
    assert end == 10 or end == min(20, now_ms + 1)


@pytest.mark.parametrize("price_minor", [-1, 0, 5_000, 5_001])
def test_a_price_that_reduces_nothing_is_refused(price_minor: int) -> None:
    with pytest.raises(CommerceError) as refused:
        check_terms(make_terms(price_minor=price_minor), 5_000)
    assert refused.value.detail == {"field": "price_minor"}


def test_any_lower_price_is_one_and_a_guard_has_limits() -> None:
    check_terms(make_terms(price_minor=1), 2)
    with pytest.raises(CommerceError) as refused:
        check_terms(make_terms(guard=PriceGuard(max_cut_percent=101)), 5_000)
    assert refused.value.detail == {"field": "guard.max_cut_percent"}


def test_a_key_stands_for_one_set_of_terms_and_a_confirmation_is_none() -> None:
    stored = make_price(request_hash=hash_terms(make_terms()))
    check_same(stored, make_terms(confirm_price_minor=1_000))
    with pytest.raises(CommerceError) as refused:
        check_same(stored, msgspec.structs.replace(make_terms(), price_minor=999))
    assert refused.value.code == "idempotency_conflict"
