"""A price as it was offered, and what is asked of a new one; money in minor units."""

from __future__ import annotations

import msgspec


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
