"""How much may go back, which units come back with it, and when an order is refunded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from commerce.kernel.errors import CommerceError, invalid
from commerce.orders.refunds.model import (
    LINES_MAX,
    REASON_CHARS_MAX,
    LineWish,
    Refundable,
    RefundPlan,
    RefundWish,
    ReturnedLine,
    SoldLine,
    TakenBack,
)
from commerce.sales.pricing.rules import paid_for_units


def check_wish(wish: RefundWish) -> None:
    """Raise `invalid_request` for a wish that no order could grant."""
    if not 1 <= len(wish.reason.strip()) <= REASON_CHARS_MAX:
        raise invalid(f"A refund needs a reason of 1 to {REASON_CHARS_MAX}.", field="reason")
    if wish.amount_minor is not None and wish.amount_minor < 1:
        raise invalid("A refund is over 1 minor unit or more.", field="amount_minor")
    names = {line.reservation for line in wish.lines}
    if len(wish.lines) > LINES_MAX or len(names) != len(wish.lines):
        raise invalid(f"A refund names at most {LINES_MAX} different lines.", field="lines")
    if any(line.qty is not None and line.qty < 1 for line in wish.lines):
        raise invalid("A line gives back 1 unit or more.", field="lines")


def hash_request(wish: RefundWish) -> str:
    """Return what tells one request from another under the same key."""
    lines = sorted((line.reservation, line.qty or 0) for line in wish.lines)
    body = json.dumps([wish.amount_minor, lines, wish.reason, wish.restock], ensure_ascii=True)
    return hashlib.sha256(body.encode()).hexdigest()


def check_refundable(order_state: str, money: Refundable | None) -> Refundable:
    """Return the money that can go back.

    Raises `wrong_state` for an order that was never paid, `not_captured` (try again) while
    its money is granted but not taken.
    """
    if order_state not in ("paid", "refunded") or money is None:
        raise CommerceError(
            "wrong_state",
            f"The order is {order_state}; there is no money to give back.",
            detail={"state": order_state},
        )
    if money.state == "authorised":
        raise CommerceError("not_captured", "The money is not taken yet.", retryable=True)
    return money


def plan_refund(wish: RefundWish, lines: Sequence[SoldLine], left_minor: int) -> RefundPlan:
    """Decide what a refund takes of an order that has `left_minor` and these units left.

    Whoever takes the last of the money takes every unit that is left: an order without money
    has no goods. Raises `refund_too_large` with what is left, or `invalid_request`.
    """
    if wish.lines:
        taken = _take(wish.lines, lines)
        amount_minor = wish.amount_minor
        if amount_minor is None:
            by_name = {line.reservation: line for line in lines}
            amount_minor = sum(_paid_for(by_name[name], qty) for name, qty in taken)
            if amount_minor == 0:
                raise invalid("These lines cost nothing.", field="lines")
    else:
        taken = []
        amount_minor = left_minor if wish.amount_minor is None else wish.amount_minor
    if not 0 < amount_minor <= left_minor:
        raise too_large(left_minor)
    if amount_minor == left_minor:
        taken = [(line.reservation, line.left) for line in lines if line.left]
    return RefundPlan(amount_minor, taken)


def decide_taken_back(line: ReturnedLine) -> TakenBack | None:
    """Return what has come back of a line by now; None when all of it was taken back before.

    It depends on which refunds are done, never on the order in which they came to be.
    """
    refunded = min(line.done, line.qty)
    restocked = min(line.done_restock, line.qty)
    if (refunded, restocked) == (line.refunded, line.restocked):
        return None
    return TakenBack(line.reservation, refunded, restocked)


def too_large(left_minor: int) -> CommerceError:
    """Return the refusal of more money than there is; it says how much there is."""
    return CommerceError(
        "refund_too_large",
        f"Of this order {left_minor} can still go back.",
        detail={"left_minor": left_minor},
    )


def _paid_for(line: SoldLine, units: int) -> int:
    """Return what was paid for the next units of a line that come back."""
    return paid_for_units(line.total_minor, line.qty, before=line.qty - line.left, units=units)


def _take(wishes: Sequence[LineWish], lines: Sequence[SoldLine]) -> list[tuple[str, int]]:
    """Return the units that the wishes take; `qty` None is what is left."""
    left = {line.reservation: line.left for line in lines}
    taken = []
    for wish in wishes:
        if wish.reservation not in left:
            raise invalid("The order has no such line.", field="lines")
        qty = left[wish.reservation] if wish.qty is None else wish.qty
        if not 0 < qty <= left[wish.reservation]:
            raise CommerceError(
                "refund_too_large",
                f"Of this line {left[wish.reservation]} can still come back.",
                detail={"reservation": wish.reservation, "left": left[wish.reservation]},
            )
        taken.append((wish.reservation, qty))
    return taken
