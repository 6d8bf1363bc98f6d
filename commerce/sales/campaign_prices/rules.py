"""What a campaign price may be, when it begins, and when it ends if it is taken back. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from commerce.kernel.errors import CommerceError, invalid
from commerce.sales.campaign_prices.model import CampaignPrice, CampaignPriceTerms
from commerce.sales.pricing.rules import DAY_MS, check_guard_limits

# A longer or a later one is a typing error.
LASTS_MS_MAX = 366 * DAY_MS
AHEAD_MS_MAX = 366 * DAY_MS


def decide_window(terms: CampaignPriceTerms, now_ms: int) -> tuple[int, int]:
    """Return (from_ms, until_ms) of a price that is set at `now_ms`.

    A start that is past is the next millisecond: what was read in this one keeps its price. Raises
    `invalid_request` for a window that is empty, too long or too far away.
    """
    from_ms = max(terms.from_ms or 0, now_ms + 1)
    if from_ms - now_ms > AHEAD_MS_MAX:
        raise invalid("The start is more than a year away.", field="from_ms")
    if not 0 < terms.until_ms - from_ms <= LASTS_MS_MAX:
        raise invalid("The end comes after the start, within a year.", field="until_ms")
    return from_ms, terms.until_ms


def decide_end(price: CampaignPrice, now_ms: int) -> int:
    """Return when a price ends that is taken back at `now_ms`: with this very millisecond.

    One that has not begun ends where it would have begun; one that is over stays as it was.
    """
    return min(price.until_ms, max(price.from_ms, now_ms + 1))


def check_terms(terms: CampaignPriceTerms, list_price_minor: int) -> None:
    """Raise `invalid_request` for a price that is none, or no reduction, or a guard that is none.

    The misprice guard itself is asked by `check_price`.
    """
    check_guard_limits(terms.guard)
    if not 0 < terms.price_minor < list_price_minor:
        raise invalid("A campaign price is below the list price.", field="price_minor")


def hash_terms(terms: CampaignPriceTerms) -> str:
    """Return a digest of the terms: a retry must ask for the same. A confirmation is no term."""
    asked = msgspec.structs.replace(terms, confirm_price_minor=None)
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def check_same(stored: CampaignPrice, terms: CampaignPriceTerms) -> None:
    """Raise `idempotency_conflict` when a key comes back with other terms."""
    if stored.request_hash != hash_terms(terms):
        raise CommerceError("idempotency_conflict", "This key was used for another price.")
