"""A campaign price of a SKU; all money in minor units, all times of the database's clock."""

from __future__ import annotations

import msgspec

from commerce.sales.pricing.model import PriceGuard


class CampaignPriceTerms(msgspec.Struct, frozen=True):
    """What a host asks for: the price until a moment, from another one on (None: from now on).

    `guard` and `confirm_price_minor` are the misprice guard of flash sales.
    """

    price_minor: int
    until_ms: int
    from_ms: int | None = None
    guard: PriceGuard | None = None
    confirm_price_minor: int | None = None


class CampaignPriceView(msgspec.Struct, frozen=True):
    """A price that holds, or will, from `from_ms` to before `until_ms`; as everybody sees it."""

    id: str
    price_minor: int
    from_ms: int
    until_ms: int


class CampaignPrice(msgspec.Struct, frozen=True):
    """A stored campaign price; `is_withdrawn` once it was taken back."""

    id: str
    sku: str
    price_minor: int
    from_ms: int
    until_ms: int
    request_hash: str
    is_withdrawn: bool
