"""What a flash sale may ask for, and its states."""

from __future__ import annotations

import hashlib

import msgspec

from commerce.goods.press_rules.rules import check_rules
from commerce.kernel.errors import CommerceError, invalid
from commerce.kernel.money import PRICE_MINOR_MAX
from commerce.kernel.transitions import Transitions
from commerce.sales.draws.rules import ENTRY_S_LIMITS
from commerce.sales.flash_sales.model import FlashSaleTerms
from commerce.sales.pricing.rules import check_guard_limits
from commerce.sales.unlocks.rules import check_unlock

# (lowest, highest) of each figure; an hour of countdown and a day of sale are plenty.
LIMITS = {
    "price_minor": (0, PRICE_MINOR_MAX),
    "quantity": (1, 1_000_000),
    "per_buyer": (1, 1_000),
    "countdown_s": (0, 3_600),
    "duration_s": (1, 86_400),
    "hold_s": (1, 900),
    "grace_s": (0, 300),
    "offer_s": (30, 300),
    "entry_s": ENTRY_S_LIMITS,
}

# Terms that came after the first stored digests.
ADDED_LATER = ("show_reference", "guard", "offer_s", "rules", "fairness", "entry_s", "unlock")

# A sentence on every viewer's screen.
REASON_CHARS_MAX = 120

SALE = Transitions(
    "The sale",
    {
        ("armed", "open"): "open",
        ("open", "sell_out"): "sold_out",
        ("sold_out", "resume"): "open",
        ("armed", "end"): "ended",
        ("open", "end"): "ended",
        ("sold_out", "end"): "ended",
        ("armed", "cancel"): "cancelled",
        ("open", "cancel"): "cancelled",
        ("sold_out", "cancel"): "cancelled",
        ("armed", "halt"): "halted",
        ("open", "halt"): "halted",
        ("sold_out", "halt"): "halted",
        ("halted", "end"): "ended",
        ("halted", "cancel"): "cancelled",
    },
)


def check_terms(terms: FlashSaleTerms) -> None:
    """Raise `invalid_request` naming the first figure that is out of its range."""
    for name, (lowest, highest) in LIMITS.items():
        if not lowest <= getattr(terms, name) <= highest:
            raise invalid(f"{name} must be {lowest} to {highest}.", field=name)
    check_guard_limits(terms.guard)
    if terms.rules is not None:
        check_rules(terms.rules)
    if terms.fairness == "draw" and terms.entry_s >= terms.duration_s:
        raise invalid("Entries must close before the sale ends.", field="entry_s")
    if terms.unlock is None:
        return
    if terms.fairness == "draw":
        raise invalid("A draw has no price to unlock.", field="unlock")
    check_unlock(terms.unlock, plain_minor=terms.price_minor, quantity=terms.quantity)


def check_reason(reason: str | None) -> None:
    """Raise `invalid_request` for a reason that is too long to be shown."""
    if reason is not None and len(reason) > REASON_CHARS_MAX:
        raise invalid(f"A reason has at most {REASON_CHARS_MAX} characters.", field="reason")


def clean_halt_reason(reason: str) -> str:
    """Return the reason without its margins; raises `invalid_request` when there is none."""
    reason = reason.strip()
    if not reason:
        raise invalid("Say why: the room reads it.", field="reason")
    check_reason(reason)
    return reason


def decide_unhalted(
    halted_from: str | None, *, opens_at_ms: int | None, now_ms: int, is_all_sold: bool
) -> str:
    """Return the state that a halted sale comes back to; its window has run on meanwhile.

    A sale that was told to be sold out is so again only while it is; one that was sold meanwhile
    opens, so that the job which notes it tells the room, once. A group buy that was halted for the
    sake of its teams has ended all the same.
    """
    if halted_from == "ended":
        return "ended"
    if opens_at_ms is None or now_ms < opens_at_ms:
        return "armed"
    return "sold_out" if halted_from == "sold_out" and is_all_sold else "open"


def hash_terms(terms: FlashSaleTerms) -> str:
    """Return a digest of the terms: a retry must ask for the same.

    What was not asked for is left out, so that the digest of plain terms stays what it was before
    there was more to ask.
    """
    asked = msgspec.to_builtins(terms)
    # The answer to a question of ours is no term: with or without it, the same sale is meant.
    del asked["confirm_price_minor"]
    for field in msgspec.structs.fields(FlashSaleTerms):
        if field.name in ADDED_LATER and asked[field.name] == field.default:
            del asked[field.name]
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def check_same(stored_hash: str | None, terms: FlashSaleTerms) -> None:
    """Raise `idempotency_conflict` when a key comes back with other terms."""
    if stored_hash != hash_terms(terms):
        raise CommerceError("idempotency_conflict", "This key was used for another flash sale.")
