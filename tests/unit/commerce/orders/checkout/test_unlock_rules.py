"""Orders whose price may fall, as pure functions: both prices, and when money still buys."""

from __future__ import annotations

from typing import Any

import pytest

from commerce.kernel.errors import CommerceError
from commerce.orders.checkout.model import PlaceOrder
from commerce.orders.checkout.rules import decide_promise, is_price_the_same, quote_order
from commerce.orders.payments.model import TooLate
from commerce.sales.pricing.ports import Tariffs
from commerce.sales.pricing.tariffs import FlatShipping, IncludedTax
from tests.unit.commerce.orders.checkout.test_rules import NOW_MS, make_hold, make_state, quote


def test_a_price_that_may_fall_is_quoted_twice_and_ordered_by_itself() -> None:
    """Shipping stays as it was asked: goods that cost less must not cost more to send."""
    hold = make_hold(unlock_minor=9_900)
    wish = PlaceOrder("lena", "k", ["a"])
    tariffs = Tariffs(FlatShipping(1_000, free_from_minor=30_000), IncludedTax(1300))
    draft = quote_order(wish, [hold], tariffs=tariffs)
    assert draft.unlocked is not None
    assert (draft.total_minor, draft.unlocked.total_minor) == (39_800, 19_800)
    assert (draft.quote.shipping_minor, draft.unlocked.shipping_minor) == (0, 0)
    assert draft.unlocked.tax_minor < draft.quote.tax_minor
    assert quote([make_hold()], ["a"]).unlocked is None
    with pytest.raises(CommerceError, match="by itself"):
        quote([hold, make_hold(id="b")], ["a", "b"])


def test_a_price_that_fell_in_between_is_noticed() -> None:
    assert is_price_the_same([make_hold()], [make_state(unit_price_minor=19_900)])
    assert not is_price_the_same([make_hold()], [make_state(unit_price_minor=9_900)])
    assert not is_price_the_same([make_hold()], [])


@pytest.mark.parametrize(
    ("order_state", "hold", "outcome", "otherwise", "reason"),
    [
        ("awaiting_payment", {}, "open", "release", None),
        ("awaiting_payment", {}, "unlocked", "release", None),
        ("awaiting_payment", {}, "missed", "charge", None),
        ("awaiting_payment", {}, "missed", "release", "not_unlocked"),
        ("awaiting_payment", {"state": "expired"}, "open", "charge", "hold_expired"),
        ("awaiting_payment", {"release_at_ms": NOW_MS}, "open", "charge", "hold_expired"),
        ("awaiting_group", {}, "open", "charge", "already_paid"),
        ("paid", {}, "unlocked", "charge", "already_paid"),
        ("cancelled", {}, "open", "charge", "order_cancelled"),
    ],
)
def test_money_buys_under_a_threshold_as_long_as_it_may(
    order_state: str, hold: dict[str, Any], outcome: str, otherwise: str, reason: str | None
) -> None:
    held = make_state(**({"state": "paying"} | hold))
    refused = decide_promise(order_state, held, outcome, otherwise, NOW_MS)
    assert refused == (None if reason is None else TooLate(reason))
