"""The plain tariffs: one price of shipping, free from a threshold; one rate of tax in the prices.

And the tariffs of an order that is there already: whatever the settings are by now, it costs what
was agreed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from commerce.sales.pricing.model import Tax
from commerce.sales.pricing.ports import Tariffs
from commerce.sales.pricing.rules import allot

# A rate of tax is in hundredths of a percent: 1300 is 13 %.
RATE_WHOLE = 10_000


class FlatShipping(msgspec.Struct, frozen=True):
    """One price an order; none from `free_from_minor` of goods on (None: never free)."""

    flat_minor: int = 0
    free_from_minor: int | None = None

    def price_minor(self, goods_minor: Sequence[int], _ship_to: str | None) -> int:
        """Return the price of sending lines that cost so much each."""
        is_free = self.free_from_minor is not None and sum(goods_minor) >= self.free_from_minor
        return 0 if is_free else self.flat_minor


class IncludedTax(msgspec.Struct, frozen=True):
    """One rate, in hundredths of a percent, that every price has in it already."""

    rate: int = 0

    def tax(self, goods_minor: Sequence[int], shipping_minor: int, _ship_to: str | None) -> Tax:
        """Return the tax in the prices: of the sum, rounded half up, then allotted to its parts."""
        parts = [*goods_minor, shipping_minor]
        whole = RATE_WHOLE + self.rate
        tax_minor = (sum(parts) * self.rate * 2 + whole) // (2 * whole)
        *by_line, on_shipping_minor = allot(tax_minor, parts)
        return Tax(by_line, on_shipping_minor)


class AsAgreed(msgspec.Struct, frozen=True):
    """The shipping and the tax that an order was placed with, both ports in one."""

    shipping_minor: int
    agreed: Tax

    def price_minor(self, _goods_minor: Sequence[int], _ship_to: str | None) -> int:
        """Return the price that was agreed."""
        return self.shipping_minor

    def tax(self, _goods_minor: Sequence[int], _shipping_minor: int, _ship_to: str | None) -> Tax:
        """Return the tax that was agreed."""
        return self.agreed


PLAIN = Tariffs(FlatShipping(), IncludedTax())


def as_agreed(shipping_minor: int, tax: Tax) -> Tariffs:
    """Return tariffs that answer what an order was placed with."""
    agreed = AsAgreed(shipping_minor, tax)
    return Tariffs(agreed, agreed)
