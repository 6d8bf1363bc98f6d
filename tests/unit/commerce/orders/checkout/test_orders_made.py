"""What an order takes over from the reservations, the coupon and the address it is made of."""

from __future__ import annotations

from typing import Any

import pytest

from commerce.kernel.errors import CommerceError
from commerce.orders.checkout.model import PlaceOrder
from commerce.orders.checkout.rules import quote_order
from commerce.sales.pricing.model import Discount, QuotedLine, Reduction
from tests.unit.commerce.orders.checkout.test_rules import make_hold, quote


def test_an_order_keeps_what_each_line_is_and_the_coupon_it_was_asked_with() -> None:
    wish = PlaceOrder("lena", "k", ["a"], "Quay 1", "claim")
    hold = make_hold(source="campaign")
    draft = quote_order(wish, [hold], reduction=Reduction(id="claim", amount_minor=800))
    assert draft.quote.lines == [
        QuotedLine("a", "bowl", 2, 19_900, "campaign", 800, 0, 39_000),
    ]
    assert draft.quote.discounts == [Discount("coupon", "claim", 800)]
    assert (draft.coupon, draft.total_minor) == ("claim", 39_000)
    assert quote([hold], ["a"]).coupon is None


def test_an_order_at_the_price_that_fell_is_of_the_same_goods() -> None:
    unlocked = quote([make_hold(unlock_minor=9_900)], ["a"]).unlocked
    assert unlocked.lines == [QuotedLine("a", "bowl", 2, 9_900, "list", 0, 0, 19_800)]
    assert unlocked.currency == "CNY"


@pytest.mark.parametrize("alone", [{"group_id": "g"}, {"unlock_minor": 9_900}])
def test_a_seat_and_a_price_that_may_fall_are_ordered_by_themselves(alone: dict[str, Any]) -> None:
    assert quote([make_hold(**alone)], ["a"]).total_minor == 39_800
    with pytest.raises(CommerceError) as caught:
        quote([make_hold(), make_hold(id="b", **alone)], ["a", "b"])
    assert (caught.value.code, caught.value.detail) == (
        "invalid_request",
        {"field": "reservations"},
    )


def test_an_order_of_two_currencies_is_never_added_up() -> None:
    with pytest.raises(ValueError, match="one currency"):
        quote([make_hold(), make_hold(id="b", currency="EUR")], ["a", "b"])
