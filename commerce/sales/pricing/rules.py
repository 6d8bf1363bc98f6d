"""What a reduction may be compared with, and when a price must be asked for twice. Pure.

Source: Directive 98/6/EC, Article 6a: the prior price is the lowest one applied during the 30 days
before the reduction; a product that is younger is compared with the time it has been offered.
"""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.errors import CommerceError, invalid
from commerce.kernel.money import PRICE_MINOR_MAX
from commerce.sales.pricing.model import LowestPrice, Offered, PriceGuard

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


def check_guard_limits(guard: PriceGuard | None) -> None:
    """Raise `invalid_request` naming the figure of a guard that is out of its range."""
    if guard is None:
        return
    for name, highest in (("floor_minor", PRICE_MINOR_MAX), ("max_cut_percent", 100)):
        value = getattr(guard, name)
        if value is not None and not 0 <= value <= highest:
            raise invalid(f"{name} must be 0 to {highest}.", field=f"guard.{name}")


def check_price(
    guard: PriceGuard | None,
    *,
    price_minor: int,
    list_price_minor: int,
    confirmed_minor: int | None,
) -> None:
    """Raise `price_needs_confirmation` for a price that trips the guard and was not typed again.

    Most misprices lose a digit: the confirmation is the price itself, not a yes.
    """
    if guard is None or confirmed_minor == price_minor:
        return
    cut_minor = list_price_minor - price_minor
    is_below = guard.floor_minor is not None and price_minor < guard.floor_minor
    is_cut = (
        guard.max_cut_percent is not None
        and cut_minor * 100 > guard.max_cut_percent * list_price_minor
    )
    if not (is_below or is_cut):
        return
    detail = {
        "price_minor": price_minor,
        "list_price_minor": list_price_minor,
        # Rounded up, so that what trips a limit of 40 never reads as 40.
        "cut_percent": -(-max(0, cut_minor) * 100 // list_price_minor) if list_price_minor else 0,
    }
    if guard.floor_minor is not None:
        detail["floor_minor"] = guard.floor_minor
    raise CommerceError(
        "price_needs_confirmation",
        "This price is far down: ask again with confirm_price_minor.",
        detail=detail,
    )
