"""What may become an order, how long its goods are held, and when money comes too late."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from commerce.kernel.errors import CommerceError, invalid, not_found
from commerce.kernel.ids import order_id
from commerce.orders.checkout.model import (
    CardLine,
    Charge,
    Draft,
    Hold,
    HoldState,
    LateLine,
    PlaceOrder,
)
from commerce.orders.payments.model import Settled, Settlement, TooLate
from commerce.sales.group_buys.model import Team
from commerce.sales.pricing.model import PricedLine, Quote, Reduction
from commerce.sales.pricing.ports import Tariffs
from commerce.sales.pricing.rules import quote
from commerce.sales.pricing.tariffs import PLAIN, FlatShipping, as_agreed

# More lines than a cart of one show ever has.
RESERVATIONS_MAX = 20
# Checkout gives at least this much time to type an address and ask a bank …
PAYING_MS = 10 * 60_000
# … but nobody keeps a unit from others for longer than this after the press.
HELD_MS_MAX = 15 * 60_000


# More than anybody leaves open who means to pay: each costs the shop calls to its provider …
UNPAID_ORDERS_MAX = 10
# … and counts, whatever became of it, for as long as a hold can be kept.
UNPAID_WINDOW_MS = HELD_MS_MAX

# Why money is late, and not in vain for good.
LATE = ("hold_expired", "order_expired")


def hash_request(wish: PlaceOrder) -> str:
    """Return what tells one request from another under the same key.

    It is stored, so a request without a coupon has the hash that it had before there were any.
    """
    parts: list[object] = [sorted(wish.reservation_ids), wish.ship_to]
    if wish.coupon is not None:
        parts.append(wish.coupon)
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


def price_holds(wish: PlaceOrder, holds: Sequence[Hold]) -> list[PricedLine]:
    """Return the lines that a buyer's reservations make, at the prices frozen with them.

    Raises `not_found` for somebody else's reservation, `invalid_request` when they are of
    two shows, for an order belongs to one room, or of two currencies, as of a shop that has
    changed its own meanwhile.
    """
    mine = {hold.id: hold for hold in holds if hold.user_id == wish.user_id}
    if any(id not in mine for id in wish.reservation_ids):
        raise not_found("reservation")
    wanted = [mine[id] for id in wish.reservation_ids]
    first = wanted[0]
    if any((hold.room_id, hold.show_id) != (first.room_id, first.show_id) for hold in wanted):
        raise invalid("An order takes reservations of one show.", field="reservations")
    if len(wanted) > 1 and any(hold.group_id is not None for hold in wanted):
        raise invalid("A seat in a team is ordered by itself.", field="reservations")
    if len(wanted) > 1 and any(hold.unlock_minor is not None for hold in wanted):
        raise invalid("An offer whose price may fall is ordered by itself.", field="reservations")
    if any(hold.currency != first.currency for hold in wanted):
        raise invalid("An order takes reservations of one currency.", field="reservations")
    return [
        PricedLine(hold.id, hold.sku, hold.qty, hold.unit_price_minor, hold.source)
        for hold in wanted
    ]


def quote_order(
    wish: PlaceOrder,
    holds: Sequence[Hold],
    *,
    tariffs: Tariffs = PLAIN,
    reduction: Reduction | None = None,
) -> Draft:
    """Return the order that a buyer's reservations make, at its quote.

    Raises what `price_holds` does, and `coupon_not_usable`.
    """
    lines = price_holds(wish, holds)
    first = next(hold for hold in holds if hold.id == lines[0].id)
    asked = quote(
        lines,
        currency=first.currency,
        tariffs=tariffs,
        reduction=reduction,
        ship_to=wish.ship_to,
    )
    return Draft(
        id=order_id(wish.user_id, wish.key),
        user_id=wish.user_id,
        room_id=first.room_id,
        show_id=first.show_id,
        quote=asked,
        ship_to=wish.ship_to,
        request_hash=hash_request(wish),
        coupon=reduction.id if reduction is not None else None,
        unlocked=quote_unlocked(wish, first, asked, tariffs),
    )


def quote_unlocked(wish: PlaceOrder, hold: Hold, asked: Quote, tariffs: Tariffs) -> Quote | None:
    """Return what an order costs when its price has fallen; None where it cannot.

    Shipping stays as it was asked, so that it is never more for goods that cost less.
    """
    if hold.unlock_minor is None:
        return None
    return quote(
        [PricedLine(hold.id, hold.sku, hold.qty, hold.unlock_minor, hold.source)],
        currency=hold.currency,
        tariffs=Tariffs(FlatShipping(asked.shipping_minor), tariffs.taxes),
        ship_to=wish.ship_to,
    )


def is_price_the_same(holds: Sequence[Hold], locked: Sequence[HoldState]) -> bool:
    """Say whether reservations still cost, once locked, what they cost when they were read."""
    prices = {hold.id: hold.unit_price_minor for hold in locked}
    return all(prices.get(hold.id) == hold.unit_price_minor for hold in holds)


def is_charge_right(charge: Charge, total_minor: int) -> bool:
    """Say whether an order still costs what its lines, its coupon and its tariffs make it cost."""
    try:
        again = quote(
            [
                PricedLine(line.id, line.sku, line.qty, line.unit_price_minor, line.source)
                for line in charge.lines
            ],
            currency=charge.currency,
            tariffs=as_agreed(charge.shipping_minor, charge.tax),
            reduction=charge.reduction,
        )
    except CommerceError:  # The coupon would take nothing off by now, and it did.
        return False
    return again.total_minor == total_minor and list(again.lines) == list(charge.lines)


def check_unpaid(unpaid: int, oldest_ms: int, now_ms: int) -> None:
    """Raise `too_many_unpaid` for one order more than a buyer may leave unpaid within a window.

    `unpaid` orders were begun in it, the first of them at `oldest_ms`. They are counted without a
    lock: what is pressed in the same instant may pass together.
    """
    if unpaid >= UNPAID_ORDERS_MAX:
        raise CommerceError(
            "too_many_unpaid",
            "Pay one of your orders first, or wait.",
            retryable=True,
            detail={"unpaid": unpaid, "max": UNPAID_ORDERS_MAX},
            retry_ms=max(1, oldest_ms + UNPAID_WINDOW_MS - now_ms),
        )


def check_still_held(holds: Sequence[HoldState], now_ms: int) -> None:
    """Raise `reservation_gone`, naming the reservations that cannot be ordered any more."""
    gone = {
        hold.id: "expired" if hold.state == "held" else hold.state
        for hold in holds
        if hold.state != "held" or hold.is_dead(now_ms)
    }
    if gone:
        raise CommerceError(
            "reservation_gone",
            "A reservation has ended or is in another order.",
            detail={"reservations": gone},
        )


def next_release_at_ms(hold: HoldState, now_ms: int) -> int:
    """Return until when a hold that goes to checkout is kept.

    It is extended once, never beyond the cap or the deadline of its team, and never shortened.
    """
    if hold.is_extended:
        return hold.release_at_ms
    latest = hold.decided_at_ms + HELD_MS_MAX
    if hold.team_release_at_ms is not None:
        latest = min(latest, hold.team_release_at_ms)
    return max(hold.release_at_ms, min(now_ms + PAYING_MS, latest))


def decide_settlement(order_state: str, holds: Sequence[HoldState], now_ms: int) -> Settlement:
    """Say whether authorised money still buys what was ordered."""
    if order_state == "paid":
        return TooLate("already_paid")
    if order_state != "awaiting_payment":
        return TooLate(f"order_{order_state}")
    if not holds or any(hold.state != "paying" or hold.is_dead(now_ms) for hold in holds):
        return TooLate("hold_expired")
    return Settled()


def decide_seat(order_state: str, hold: HoldState, team: Team, now_ms: int) -> TooLate | None:
    """Say why authorised money buys no seat in a team any more, or None when it does."""
    if order_state in ("paid", "awaiting_group"):
        return TooLate("already_paid")
    if order_state != "awaiting_payment":
        return TooLate(f"order_{order_state}")
    is_over = team.state == "forming" and team.deadline_ms <= now_ms
    if team.state == "failed" or is_over:
        return TooLate("group_failed")
    if hold.state != "paying" or hold.is_dead(now_ms):
        return TooLate("hold_expired")
    return None


def decide_promise(
    order_state: str, hold: HoldState, outcome: str, otherwise: str, now_ms: int
) -> TooLate | None:
    """Say why granted money buys nothing of a sale with a threshold, or None when it does."""
    if order_state in ("paid", "awaiting_group"):
        return TooLate("already_paid")
    if order_state != "awaiting_payment":
        return TooLate(f"order_{order_state}")
    if hold.state != "paying" or hold.is_dead(now_ms):
        return TooLate("hold_expired")
    if outcome == "missed" and otherwise == "release":
        return TooLate("not_unlocked")
    return None


def is_late(settlement: Settlement) -> bool:
    """Say whether money found the hold ended, so that the units may be had again."""
    return isinstance(settlement, TooLate) and settlement.reason in LATE


def decide_late(lines: Sequence[LateLine], free: Mapping[str, int], now_ms: int) -> bool:
    """Say whether all that an order has lost can be had again; `free` is by pool.

    Lines of one pool, and of one sale, are summed before they are compared with what is there.
    A line that was given back, or whose sale was called off or is halted, is gone for good.
    """
    wanted: Counter[str] = Counter()
    by_sale: Counter[str] = Counter()
    for line in lines:
        if line.state == "paying" and line.release_at_ms > now_ms:
            continue
        if line.state != "expired" or line.is_stopped:
            return False
        wanted[line.pool_id] += line.qty
        by_sale[line.sale_id] += line.qty
        if line.per_buyer is not None and line.bought + by_sale[line.sale_id] > line.per_buyer:
            return False
    return bool(lines) and all(qty <= free[pool] for pool, qty in wanted.items())


def decide_card(lines: Sequence[CardLine], paid: Mapping[str, int]) -> bool:
    """Say whether a card may pay for all of an order; `paid` is what it has of each sale."""
    return all(paid.get(line.sale_id, 0) + line.qty <= line.per_card for line in lines)


def show_payment_state(state: str, *, attempt: int, had_money: bool) -> str:
    """Return the last word about the money, which is what a buyer wants to know."""
    if state == "created" and attempt > 1:
        return "declined"
    if state == "voided" and not had_money:
        return "closed"
    return state


def mask_name(name: str) -> str:
    """Return a name that its owner knows again and nobody else: l***a, 陈*宇."""
    stars = "*" if any(_is_han(char) for char in name) else "***"
    if len(name) < 2:
        return stars
    return name[0] + stars + (name[-1] if len(name) > 2 else "")


def _is_han(char: str) -> bool:
    return "CJK UNIFIED IDEOGRAPH" in unicodedata.name(char, "")
