"""What a reduction may be compared with. Pure.

Source: Directive 98/6/EC, Article 6a: the prior price is the lowest one applied during the 30 days
before the reduction; a product that is younger is compared with the time it has been offered.
"""

from __future__ import annotations

from collections.abc import Sequence

from commerce.sales.pricing.model import LowestPrice, Offered

REFERENCE_DAYS = 30
DAY_MS = 86_400_000


def lowest_of_30_days(offers: Sequence[Offered], before_ms: int) -> LowestPrice | None:
    """Return the lowest price of the 30 days before a reduction that begins at `before_ms`.

    An offer counts when it could be bought at any moment of them, also when it began earlier; the
    reduction itself begins at `before_ms` and does not. None when nothing is known: a reference
    price is never invented.
    """
    earlier = [
        offer
        for offer in offers
        if offer.from_ms < before_ms and (offer.to_ms is None or offer.to_ms > offer.from_ms)
    ]
    from_ms = before_ms - REFERENCE_DAYS * DAY_MS
    prices = [
        offer.price_minor for offer in earlier if offer.to_ms is None or offer.to_ms > from_ms
    ]
    if not prices:
        return None
    first_ms = min(offer.from_ms for offer in earlier)
    return describe_lowest(min(prices), first_ms=first_ms, before_ms=before_ms)


def describe_lowest(price_minor: int, *, first_ms: int, before_ms: int) -> LowestPrice:
    """Return the lowest price with the time that it stands for; `first_ms` is the oldest offer."""
    since_ms = max(first_ms, before_ms - REFERENCE_DAYS * DAY_MS)
    return LowestPrice(price_minor, since_ms, -(-(before_ms - since_ms) // DAY_MS))
