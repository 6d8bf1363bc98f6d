"""Prices as they were offered and as they are charged; all money in minor units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

PriceSource = Literal["flash", "group", "campaign", "list"]
# The one order of precedence: of several offers for a unit the first of these kinds is its price,
# whatever the others are.
PRECEDENCE: tuple[PriceSource, ...] = ("flash", "group", "campaign", "list")


class Offered(msgspec.Struct, frozen=True):
    """A price at which a SKU could be bought from `from_ms` to before `to_ms` (None: still)."""

    price_minor: int
    from_ms: int
    to_ms: int | None


class LowestPrice(msgspec.Struct, frozen=True):
    """The lowest price since `since_ms`, which is `days` days (1-30, begun ones count) back."""

    price_minor: int
    since_ms: int
    days: int


class PriceGuard(msgspec.Struct, frozen=True):
    """When a host wants to be asked twice: below `floor_minor`, or cut by more than the percent."""

    floor_minor: int | None = None
    max_cut_percent: int | None = None


class Offer(msgspec.Struct, frozen=True):
    """A sale that is open for an item, with its price."""

    sale_id: str
    source: PriceSource
    unit_price_minor: int


class ItemOffers(msgspec.Struct, frozen=True):
    """A bag item with the sales that are open for it."""

    sku: str
    currency: str
    offers: Sequence[Offer]


class PricedLine(msgspec.Struct, frozen=True):
    """Units at a price that is frozen, before anything is taken off; `id` is the caller's."""

    id: str
    sku: str
    qty: int
    unit_price_minor: int
    source: PriceSource

    @property
    def goods_minor(self) -> int:
        """What the units cost by their price alone."""
        return self.qty * self.unit_price_minor


class Reduction(msgspec.Struct, frozen=True, kw_only=True):
    """What a coupon takes off, and of what; `id` is the claim.

    `amount_minor` is off the whole, or `percent` (1-99) of it, at most `max_minor`. Only lines of
    `skus` (empty: all) whose price has one of `sources` count, both to reach `threshold_minor` and
    to be reduced.
    """

    id: str
    amount_minor: int = 0
    percent: int = 0
    max_minor: int | None = None
    threshold_minor: int = 0
    skus: Sequence[str] = ()
    sources: Sequence[PriceSource] = ("list", "campaign")


class Reduced(msgspec.Struct, frozen=True):
    """What is taken off each line, in the order of the lines; never more than a line costs."""

    by_line: Sequence[int]

    @property
    def total_minor(self) -> int:
        """What is taken off in all."""
        return sum(self.by_line)


class NotReduced(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why nothing is taken off: out_of_scope, price_source, below_threshold, nothing_to_reduce.

    `missing_minor` is what the lines lack to the threshold.
    """

    reason: str
    missing_minor: int = 0


class Tax(msgspec.Struct, frozen=True):
    """Tax in minor units of each line and of shipping; `is_included` when the prices have it."""

    by_line: Sequence[int]
    on_shipping_minor: int = 0
    is_included: bool = True


class QuotedLine(msgspec.Struct, frozen=True):
    """A line with all that is charged for it: `total_minor` is what its units cost their buyer."""

    id: str
    sku: str
    qty: int
    unit_price_minor: int
    source: PriceSource
    discount_minor: int
    tax_minor: int
    total_minor: int


class Discount(msgspec.Struct, frozen=True):
    """Money that a source takes off: `coupon` with the claim's id."""

    source: str
    id: str
    amount_minor: int


class Quote(msgspec.Struct, frozen=True):
    """What an order costs, and why. The total is

    the lines' subtotal - the discounts + shipping + tax, the last only when it is not included.
    """

    lines: Sequence[QuotedLine]
    subtotal_minor: int
    discounts: Sequence[Discount]
    shipping_minor: int
    tax_minor: int
    is_tax_included: bool
    total_minor: int
    currency: str

    @property
    def discount_minor(self) -> int:
        """What all discounts take off together."""
        return sum(discount.amount_minor for discount in self.discounts)
