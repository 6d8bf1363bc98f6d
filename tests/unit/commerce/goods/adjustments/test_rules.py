"""What an adjustment may do."""

from __future__ import annotations

import pytest

from commerce.goods.adjustments.model import Adjustment, PoolCounts
from commerce.goods.adjustments.rules import (
    REASON_CHARS_MAX,
    TOTAL_MAX,
    check_adjustment,
    check_same,
    check_total,
)
from commerce.kernel.errors import CommerceError

POOL = PoolCounts("p", total=10, claimed=7, version=4)


def wish(delta: int = 1, reason: str = "counted") -> Adjustment:
    """Make a wish."""
    return Adjustment("a", "u", "sku", delta, reason)


@pytest.mark.parametrize("delta", [1, -1, TOTAL_MAX, -TOTAL_MAX])
def test_a_change_goes_up_or_down(delta: int) -> None:
    check_adjustment(wish(delta))


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (wish(0), "delta"),
        (wish(TOTAL_MAX + 1), "delta"),
        (wish(1, " "), "reason"),
        (wish(1, "x" * (REASON_CHARS_MAX + 1)), "reason"),
        (wish(1, ""), "reason"),
    ],
)
def test_a_change_of_nothing_or_without_a_reason_is_refused(bad: Adjustment, field: str) -> None:
    with pytest.raises(CommerceError) as caught:
        check_adjustment(bad)
    assert (caught.value.code, caught.value.detail) == ("invalid_request", {"field": field})


def test_a_reason_may_be_left_out_where_none_is_needed() -> None:
    check_adjustment(wish(1, ""), needs_reason=False)


def test_a_reason_may_be_a_whole_sentence() -> None:
    check_adjustment(wish(1, "x" * REASON_CHARS_MAX))


def test_what_is_claimed_stays_covered() -> None:
    check_total(POOL, -3)
    with pytest.raises(CommerceError) as caught:
        check_total(POOL, -4)
    assert caught.value.code == "below_claimed"
    assert caught.value.detail == {"claimed": 7, "total": 10}


def test_a_pool_has_its_bound() -> None:
    check_total(POOL, TOTAL_MAX - 10)
    with pytest.raises(CommerceError) as caught:
        check_total(POOL, TOTAL_MAX - 9)
    assert (caught.value.code, caught.value.detail) == ("invalid_request", {"field": "delta"})


def test_one_key_is_one_change() -> None:
    check_same(wish(), wish())
    for other in (wish(2), wish(1, "found")):
        with pytest.raises(CommerceError, match=r"^idempotency_conflict: "):
            check_same(wish(), other)
