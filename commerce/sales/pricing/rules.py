"""What an order costs, what a reduction is compared with, when a price is asked for twice. Pure.

Invariant: `quote` is the only function that adds up a total, and every total that anybody sees or
pays is its answer. What is shared out is shared out whole, by largest remainder, so that the parts
of the lines are exactly the sum and the units of a line give back exactly what was paid for them.

Source of the reference price: Directive 98/6/EC, Article 6a: the prior price is the lowest one
applied during the 30 days
before the reduction; a product that is younger is compared with the time it has been offered.
"""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.errors import CommerceError, invalid
from commerce.kernel.money import PRICE_MINOR_MAX
from commerce.sales.pricing.model import (
    PRECEDENCE,
    Discount,
    LowestPrice,
    NotReduced,
    Offer,
    Offered,
    PricedLine,
    PriceGuard,
    Quote,
    QuotedLine,
    Reduced,
    Reduction,
)
from commerce.sales.pricing.ports import Tariffs

REFERENCE_DAYS = 30
DAY_MS = 86_400_000
# A discount leaves this much of the goods to pay: there is no order without a payment, whose
# record is the proof of purchase and whose return is the way back.
GOODS_MINOR_MIN = 1


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


def choose_offer(offers: Sequence[Offer]) -> Offer | None:
    """Return the offer whose price holds: by precedence, then the lower price."""
    return min(
        offers,
        key=lambda one: (PRECEDENCE.index(one.source), one.unit_price_minor, one.sale_id),
        default=None,
    )


def allot(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Share out an amount by weights (>= 0) so that the shares are exactly the amount.

    Each gets its share rounded down; what is left goes to the largest remainders, the first of
    equals. With an amount of at most the weights' sum no share is larger than its weight.
    """
    whole = sum(weights)
    if whole == 0:
        if total_minor:
            raise ValueError("nothing can take a share of this amount")
        return [0] * len(weights)
    shares = [total_minor * weight // whole for weight in weights]
    by_remainder = sorted(
        range(len(weights)), key=lambda index: -(total_minor * weights[index] % whole)
    )
    for index in by_remainder[: total_minor - sum(shares)]:
        shares[index] += 1
    return shares


def paid_for_units(total_minor: int, qty: int, *, before: int, units: int) -> int:
    """Return what was paid for some units of a line, when `before` of them have come back.

    However a line comes back, unit by unit or at once, the answers add up to its total.
    """
    return total_minor * (before + units) // qty - total_minor * before // qty


def reduce(reduction: Reduction, lines: Sequence[PricedLine]) -> Reduced | NotReduced:
    """Say what a coupon takes off these lines, or why it takes nothing."""
    in_scope = [not reduction.skus or line.sku in reduction.skus for line in lines]
    counts = [
        is_in and line.source in reduction.sources
        for line, is_in in zip(lines, in_scope, strict=True)
    ]
    if not any(counts):
        return NotReduced("price_source" if any(in_scope) else "out_of_scope")
    weights = [
        line.goods_minor if is_counted else 0
        for line, is_counted in zip(lines, counts, strict=True)
    ]
    goods_minor = sum(weights)
    if goods_minor < reduction.threshold_minor:
        return NotReduced("below_threshold", reduction.threshold_minor - goods_minor)
    off_minor = reduction.amount_minor
    if reduction.percent:
        off_minor = (goods_minor * reduction.percent + 50) // 100
        if reduction.max_minor is not None:
            off_minor = min(off_minor, reduction.max_minor)
    all_minor = sum(line.goods_minor for line in lines)
    off_minor = min(off_minor, goods_minor, all_minor - GOODS_MINOR_MIN)
    if off_minor <= 0:
        return NotReduced("nothing_to_reduce")
    return Reduced(allot(off_minor, weights))


def quote(
    lines: Sequence[PricedLine],
    *,
    currency: str,
    tariffs: Tariffs,
    reduction: Reduction | None = None,
    ship_to: str | None = None,
) -> Quote:
    """Return what these lines cost: price, then coupon, then shipping, then tax.

    Raises `coupon_not_usable`, saying why, for a coupon that takes nothing off.
    """
    reduced: Reduced | NotReduced = Reduced([0] * len(lines))
    if reduction is not None:
        reduced = reduce(reduction, lines)
    if isinstance(reduced, NotReduced):
        raise not_usable(reduced)
    goods_minor = [line.goods_minor - off for line, off in zip(lines, reduced.by_line, strict=True)]
    shipping_minor = tariffs.shipping.price_minor(goods_minor, ship_to)
    tax = tariffs.taxes.tax(goods_minor, shipping_minor, ship_to)
    on_top = 0 if tax.is_included else 1
    quoted = [
        QuotedLine(
            id=line.id,
            sku=line.sku,
            qty=line.qty,
            unit_price_minor=line.unit_price_minor,
            source=line.source,
            discount_minor=off,
            tax_minor=tax_minor,
            total_minor=line.goods_minor - off + on_top * tax_minor,
        )
        for line, off, tax_minor in zip(lines, reduced.by_line, tax.by_line, strict=True)
    ]
    total_minor = sum(line.total_minor for line in quoted) + shipping_minor
    discounts = []
    if reduction is not None:
        discounts.append(Discount("coupon", reduction.id, reduced.total_minor))
    return Quote(
        lines=quoted,
        subtotal_minor=sum(line.goods_minor for line in lines),
        discounts=discounts,
        shipping_minor=shipping_minor,
        tax_minor=sum(tax.by_line) + tax.on_shipping_minor,
        is_tax_included=tax.is_included,
        total_minor=total_minor + on_top * tax.on_shipping_minor,
        currency=currency,
    )


def not_usable(why: NotReduced) -> CommerceError:
    """Return the refusal of a coupon, which says why."""
    detail: dict[str, object] = {"reason": why.reason}
    if why.missing_minor:
        detail["missing_minor"] = why.missing_minor
    return CommerceError(
        "coupon_not_usable", f"This coupon takes nothing off here: {why.reason}.", detail=detail
    )
