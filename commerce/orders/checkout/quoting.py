"""Show what would be charged, without holding anything: the same function, asked beforehand."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from commerce.kernel.errors import CommerceError, invalid, not_found
from commerce.kernel.ports import Connection, Database
from commerce.orders.checkout import store
from commerce.orders.checkout.model import Hold, PlaceOrder, PriceParts
from commerce.orders.checkout.rules import RESERVATIONS_MAX, price_holds, quote_unlocked
from commerce.orders.checkout.view_store import parts_of
from commerce.sales.coupons import ledger
from commerce.sales.coupons import store as coupons
from commerce.sales.coupons.model import ClaimView, CouponView
from commerce.sales.coupons.rules import check_usable, judge
from commerce.sales.pricing.model import (
    NotReduced,
    PricedLine,
    PriceSource,
    Quote,
    QuotedLine,
    Reduced,
    Reduction,
)
from commerce.sales.pricing.ports import Tariffs
from commerce.sales.pricing.rules import choose_offer, not_usable, quote
from commerce.sales.pricing.store import select_offers

# More than anybody chooses from; the newest.
COUPONS_SHOWN_MAX = 50


class QuoteLineView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a quote; `id` is the reservation or the bag item, `sale` what an item comes by."""

    id: str
    sku: str
    qty: int
    unit_price_minor: int
    price_source: PriceSource
    total_minor: int
    discount_minor: int = 0
    sale: str | None = None


class QuoteView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A quote as people see it; an order at these prices has the same total and parts."""

    lines: list[QuoteLineView]
    parts: PriceParts
    total_minor: int
    currency: str
    unlocked_total_minor: int | None = None
    """What it costs instead once enough units of the sale are promised."""


class CouponOption(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the buyer's coupons: what it would take off here, or why it takes nothing."""

    id: str
    title: str
    expires_at_ms: int
    title_zh: str | None = None
    off_minor: int = 0
    why: str | None = None
    missing_minor: int = 0


class Basket(msgspec.Struct, frozen=True):
    """Lines to be quoted, each with the sale that gives its price when it is no hold yet."""

    lines: Sequence[PricedLine]
    sales: Sequence[str | None]
    currency: str


class QuoteService:
    """Quotes, for buyers."""

    def __init__(self, database: Database, tariffs: Tariffs) -> None:
        self._database = database
        self._tariffs = tariffs

    async def quote_holds(self, wish: PlaceOrder) -> tuple[QuoteView, list[CouponOption]]:
        """Return what an order of these reservations would cost, and the buyer's coupons for it.

        The best coupon comes first, those that take nothing off last. Raises what placing the
        order would: `invalid_request`, `not_found`, `coupon_not_usable`, `coupon_halted`.
        """
        ids = list(wish.reservation_ids)
        if not 1 <= len(ids) <= RESERVATIONS_MAX or len(set(ids)) != len(ids):
            raise invalid(
                f"A quote takes 1 to {RESERVATIONS_MAX} different reservations.",
                field="reservations",
            )
        async with self._database.reading() as connection:
            holds = await store.select_holds(connection, ids)
            lines = price_holds(wish, holds)
            reduction = await find_reduction(connection, wish, holds)
            claims = await coupons.select_claims(
                connection, wish.user_id, COUPONS_SHOWN_MAX, is_usable=True
            )
            left = await ledger.select_left(connection, [claim.coupon.id for claim in claims])
        chosen = [claim.coupon for claim in claims if claim.id == wish.coupon]
        asked = quote(
            lines,
            currency=holds[0].currency,
            tariffs=self._tariffs,
            reduction=reduction,
            ship_to=wish.ship_to,
        )
        options = [
            _option(
                claim,
                judge(
                    claim,
                    lines,
                    room=holds[0].room,
                    currency=holds[0].currency,
                    left_minor=left.get(claim.coupon.id),
                ),
            )
            for claim in claims
        ]
        options.sort(key=lambda one: (-one.off_minor, one.expires_at_ms))
        view = view_quote(asked, [None] * len(lines), coupon=chosen[0] if chosen else None)
        first = next(hold for hold in holds if hold.id == lines[0].id)
        unlocked = quote_unlocked(wish, first, asked, self._tariffs)
        if unlocked is not None:
            view = msgspec.structs.replace(view, unlocked_total_minor=unlocked.total_minor)
            options = []
        return view, options

    async def quote_items(
        self, items: Sequence[tuple[str, int]], *, ship_to: str | None
    ) -> QuoteView:
        """Return what units of bag items would cost now, each at the price that takes precedence.

        Nothing is held: a sale may be over, or another begun, at the press. Raises
        `invalid_request`, or `not_open` for an item that no sale offers.
        """
        if not 1 <= len(items) <= RESERVATIONS_MAX or len({item for item, _ in items}) != len(
            items
        ):
            raise invalid(f"A quote takes 1 to {RESERVATIONS_MAX} different items.", field="items")
        async with self._database.reading() as connection:
            basket = await _price_items(connection, items)
        asked = quote(
            basket.lines, currency=basket.currency, tariffs=self._tariffs, ship_to=ship_to
        )
        return view_quote(asked, basket.sales)


async def find_reduction(
    connection: Connection, wish: PlaceOrder, holds: Sequence[Hold]
) -> Reduction | None:
    """Return what the wished coupon takes off, or None when none is wished for.

    Raises `not_found` for somebody else's, `coupon_not_usable` or `coupon_halted` saying why, or
    what `price_holds` does.
    """
    if wish.coupon is None:
        return None
    lines = price_holds(wish, holds)
    claim = await coupons.select_claim(connection, wish.user_id, wish.coupon)
    if claim is None:
        raise not_found("coupon")
    if any(hold.unlock_minor is not None for hold in holds):
        # It would have to reach its threshold at either price: a price that may fall stands alone.
        raise not_usable(NotReduced("price_source"))
    hold = next(hold for hold in holds if hold.id == lines[0].id)
    left = await ledger.select_left(connection, [claim.coupon.id])
    check_usable(
        claim,
        lines,
        room=hold.room,
        currency=hold.currency,
        left_minor=left.get(claim.coupon.id),
    )
    return claim.coupon.reduction(claim.id)


async def _price_items(connection: Connection, items: Sequence[tuple[str, int]]) -> Basket:
    """Return lines at the prices of this instant."""
    offered = await select_offers(connection, [item for item, _ in items])
    if not offered:
        raise not_found("item on sale")
    lines, sales = [], []
    for item, qty in items:
        known = offered.get(item)
        offer = choose_offer(known.offers) if known is not None else None
        if known is None or offer is None:
            raise CommerceError("not_open", "Nothing offers this item now.", detail={"item": item})
        lines.append(PricedLine(item, known.sku, qty, offer.unit_price_minor, offer.source))
        sales.append(offer.sale_id)
    return Basket(lines, sales, next(iter(offered.values())).currency)


def view_quote(
    asked: Quote, sales: Sequence[str | None], *, coupon: CouponView | None = None
) -> QuoteView:
    """Return a quote as people see it."""
    return QuoteView(
        lines=[_line(line, sale) for line, sale in zip(asked.lines, sales, strict=True)],
        parts=parts_of(asked, coupon),
        total_minor=asked.total_minor,
        currency=asked.currency,
    )


def _option(claim: ClaimView, judged: Reduced | NotReduced) -> CouponOption:
    option = CouponOption(claim.id, claim.coupon.title, claim.expires_at_ms, claim.coupon.title_zh)
    if isinstance(judged, Reduced):
        return msgspec.structs.replace(option, off_minor=judged.total_minor)
    return msgspec.structs.replace(option, why=judged.reason, missing_minor=judged.missing_minor)


def _line(line: QuotedLine, sale: str | None) -> QuoteLineView:
    return QuoteLineView(
        id=line.id,
        sku=line.sku,
        qty=line.qty,
        unit_price_minor=line.unit_price_minor,
        price_source=line.source,
        total_minor=line.total_minor,
        discount_minor=line.discount_minor,
        sale=sale,
    )
