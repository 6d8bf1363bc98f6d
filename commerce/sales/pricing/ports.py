"""Where shipping and taxes come from: an installation may put its own tariff behind either port.

Both are asked inside the one function that computes a total, so they must be pure: what needs a
look-up elsewhere is fetched beforehand and handed in as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from commerce.sales.pricing.model import Tax


class Shipping(Protocol):
    """A tariff of shipping."""

    def price_minor(self, goods_minor: Sequence[int], ship_to: str | None) -> int:
        """Return the price (>= 0) of sending lines that cost so much each, discounts taken off."""


class Taxes(Protocol):
    """A tariff of taxes."""

    def tax(self, goods_minor: Sequence[int], shipping_minor: int, ship_to: str | None) -> Tax:
        """Return the tax of lines that cost so much each, discounts taken off, and of shipping."""


class Tariffs(msgspec.Struct, frozen=True):
    """What an installation charges beside its goods."""

    shipping: Shipping
    taxes: Taxes
