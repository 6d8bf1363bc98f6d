"""What an order takes over from the reservations, the coupon and the address it is made of."""

from __future__ import annotations

from typing import Any

import pytest

from commerce.kernel.errors import CommerceError
from commerce.orders.checkout.model import PlaceOrder
from commerce.orders.checkout.rules import quote_order
from commerce.sales.pricing.model import Discount, QuotedLine, Reduction, Tax
from commerce.sales.pricing.ports import Tariffs
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


class ByAddress:
    """Shipping that has a price to one address alone."""

    def price_minor(self, _goods_minor: Any, ship_to: str | None) -> int:
        """Return the price."""
        return 700 if ship_to == "Quay 1" else 0


class TaxedByAddress:
    """A tax on top that one address pays alone."""

    def tax(self, goods_minor: Any, _shipping_minor: int, ship_to: str | None) -> Tax:
        """Return the tax."""
        return Tax([11 if ship_to == "Quay 1" else 0] * len(goods_minor), 0, is_included=False)


def test_an_order_pays_what_its_address_costs_at_either_price() -> None:
    tariffs = Tariffs(ByAddress(), TaxedByAddress())
    wish = PlaceOrder("lena", "k", ["a"], "Quay 1")
    draft = quote_order(wish, [make_hold(unlock_minor=9_900)], tariffs=tariffs)
    assert draft.total_minor == 39_800 + 700 + 11
    assert draft.unlocked is not None
    assert draft.unlocked.total_minor == 19_800 + 700 + 11
