"""What a coupon and a drop may ask for, and when a claim takes something off."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from commerce.goods.press_rules.model import PressRules
from commerce.goods.press_rules.rules import check_rules, number_rules
from commerce.kernel.errors import CommerceError, invalid
from commerce.kernel.money import PRICE_MINOR_MAX
from commerce.sales.coupons.model import (
    Claiming,
    ClaimRefused,
    ClaimView,
    CouponTerms,
    DropTerms,
)
from commerce.sales.pricing.model import NotReduced, PricedLine, Reduced
from commerce.sales.pricing.rules import not_usable, reduce

TITLE_CHARS_MAX = 60
SKUS_MAX = 100
# (lowest, highest) of each figure; a year is longer than anybody remembers a coupon.
COUPON_LIMITS = {
    "amount_minor": (0, PRICE_MINOR_MAX),
    "percent": (0, 99),
    "max_minor": (1, PRICE_MINOR_MAX),
    "threshold_minor": (0, PRICE_MINOR_MAX),
    "valid_s": (60, 366 * 86_400),
    "per_person": (1, 100),
    "quantity": (1, 1_000_000),
    "budget_minor": (1, 1_000 * PRICE_MINOR_MAX),
    "per_card": (1, 1_000),
}
DROP_LIMITS = {
    "quantity": (1, 1_000_000),
    "countdown_s": (0, 3_600),
    "duration_s": (1, 86_400),
    "min_age_s": (0, 30 * 86_400),
}
# Terms that there were not always, with what was true of every coupon before.
LATER_TERMS = {"per_card": None, "scope": "room"}
# What a claim that is refused is called, and what it is told.
REFUSALS = {
    Claiming.NOT_OPEN: ("not_open", "These coupons cannot be claimed yet."),
    Claiming.ENDED: ("ended", "The time to claim these coupons is over."),
    Claiming.LIMIT_REACHED: ("limit_reached", "You have as many of these coupons as one may."),
    Claiming.GONE: ("coupons_gone", "All of these coupons are claimed."),
    Claiming.TOO_NEW: ("account_too_new", "These coupons are for who has been here for longer."),
    Claiming.HALTED: ("coupon_halted", "The host has stopped this coupon for now."),
}


def check_coupon(terms: CouponTerms) -> None:
    """Raise `invalid_request` naming the first term that is out of its range."""
    _check_limits(terms, COUPON_LIMITS)
    for name, text in (("title", terms.title), ("title_zh", terms.title_zh)):
        if text is not None and not 1 <= len(text.strip()) <= TITLE_CHARS_MAX:
            raise invalid(f"A title has 1 to {TITLE_CHARS_MAX} characters.", field=name)
    if (terms.amount_minor > 0) == (terms.percent > 0):
        raise invalid("A coupon takes off an amount or a percentage.", field="amount_minor")
    if terms.max_minor is not None and not terms.percent:
        raise invalid("Only a percentage has a highest amount.", field="max_minor")
    if len(terms.skus) > SKUS_MAX or len(set(terms.skus)) != len(terms.skus):
        raise invalid(f"A coupon names at most {SKUS_MAX} different SKUs.", field="skus")
    if not terms.sources or len(set(terms.sources)) != len(terms.sources):
        raise invalid("A coupon names the kinds of price it goes with.", field="sources")


def check_drop(terms: DropTerms) -> None:
    """Raise `invalid_request` naming the first term that is out of its range."""
    _check_limits(terms, DROP_LIMITS)
    if (rules := rules_of(terms)) is not None:
        check_rules(rules)


def rules_of(terms: DropTerms) -> PressRules | None:
    """Return the pace that a drop asks of its claims, as the rules of a sale."""
    return number_rules(PressRules(presses_per_address_s=terms.claims_per_address_s))


def _check_limits(terms: object, limits: dict[str, tuple[int, int]]) -> None:
    for name, (lowest, highest) in limits.items():
        value = getattr(terms, name)
        if value is not None and not lowest <= value <= highest:
            raise invalid(f"{name} must be {lowest} to {highest}.", field=name)


def hash_terms(terms: CouponTerms | DropTerms) -> str:
    """Return a digest of the terms: a retry must ask for the same.

    A limit for each card and the scope came later: without one, and in the room alone, the digest
    is what it was before there were any.
    """
    asked = msgspec.to_builtins(terms)
    for name, usual in LATER_TERMS.items():
        if asked.get(name, ...) == usual:
            del asked[name]
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def check_same(stored_hash: str, terms: CouponTerms | DropTerms) -> None:
    """Raise `idempotency_conflict` when a key comes back with other terms."""
    if stored_hash != hash_terms(terms):
        raise CommerceError("idempotency_conflict", "This key was used for other terms.")


def claim_refused(refused: ClaimRefused) -> CommerceError:
    """Return the error of a claim that was refused."""
    if refused.outcome is Claiming.HALTED:
        return halted(refused.reason)
    code, message = REFUSALS[refused.outcome]
    is_early = refused.outcome is Claiming.NOT_OPEN and refused.opens_in_ms is not None
    return CommerceError(
        code,
        message,
        retryable=is_early,
        detail={"opens_in_ms": refused.opens_in_ms} if is_early else None,
        retry_ms=refused.opens_in_ms if is_early else None,
    )


def judge(
    claim: ClaimView,
    lines: Sequence[PricedLine],
    *,
    room: str,
    currency: str,
    left_minor: int | None = None,
) -> Reduced | NotReduced:
    """Say what a claim would take off lines of a room in a currency, or why it takes nothing.

    A shop can change its currency while coupons are out: 30.00 of the old are not 3000 of the new.
    `left_minor` is what the coupon's budget still has, None without one: it pays whole or not.
    """
    if claim.state != "claimed":
        return NotReduced(claim.state)
    if claim.coupon.currency != currency:
        return NotReduced("other_currency")
    if claim.coupon.scope == "room" and claim.coupon.room != room:
        return NotReduced("other_room")
    reduced = reduce(claim.coupon.reduction(claim.id), lines)
    if isinstance(reduced, Reduced) and left_minor is not None and reduced.total_minor > left_minor:
        return NotReduced("budget_spent")
    return reduced


def halted(reason: str | None) -> CommerceError:
    """Return the refusal of whatever would give out a coupon that is stopped, or take it off."""
    code, message = REFUSALS[Claiming.HALTED]
    return CommerceError(code, message, detail={"reason": reason} if reason else None)


def check_usable(
    claim: ClaimView,
    lines: Sequence[PricedLine],
    *,
    room: str,
    currency: str,
    left_minor: int | None = None,
) -> None:
    """Raise `coupon_not_usable`, saying why, for a claim that would take nothing off.

    One whose coupon is stopped is `coupon_halted`, with the host's reason.
    """
    if claim.state == "halted":
        raise halted(claim.coupon.halt_reason)
    judged = judge(claim, lines, room=room, currency=currency, left_minor=left_minor)
    if isinstance(judged, NotReduced):
        raise not_usable(judged)
