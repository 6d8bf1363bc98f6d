"""When a price falls, and for whom. Pure.

Invariant: a threshold is decided once; what is decided stays so, whoever leaves afterwards.
"""

from __future__ import annotations

from commerce.kernel.errors import invalid
from commerce.sales.unlocks.model import Outcome, Unlock, UnlockTerms

UNITS_MIN = 2


def check_unlock(terms: UnlockTerms, *, plain_minor: int, quantity: int) -> None:
    """Raise `invalid_request` naming what could never come true of a threshold."""
    if not UNITS_MIN <= terms.units <= quantity:
        raise invalid(f"units must be {UNITS_MIN} to the sale's quantity.", field="unlock.units")
    if not 1 <= terms.price_minor < plain_minor:
        raise invalid("The price to unlock must be below the sale's.", field="unlock.price_minor")


def is_over(unlock: Unlock, now_ms: int) -> bool:
    """Say whether the time in which units count is over, noted by a job or not."""
    return unlock.sale_state in ("ended", "cancelled") or now_ms >= unlock.ends_at_ms


def decide_outcome(unlock: Unlock, now_ms: int) -> Outcome:
    """Return what holds at a moment: an open threshold whose time is over has been missed."""
    if unlock.state == "open" and is_over(unlock, now_ms):
        return "missed"
    return unlock.state


def falls_with(unlock: Unlock, qty: int, now_ms: int) -> bool:
    """Say whether the price falls with so many units more."""
    return decide_outcome(unlock, now_ms) == "open" and unlock.promised + qty >= unlock.units
