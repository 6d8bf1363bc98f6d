"""A flash sale as its host asks for it, and as the jobs see it."""

from __future__ import annotations

from typing import Literal

import msgspec

from commerce.goods.press_rules.model import PressRules
from commerce.sales.pricing.model import PriceGuard
from commerce.sales.unlocks.model import UnlockTerms


class FlashSaleTerms(msgspec.Struct, frozen=True):
    """What a host asks for; price in minor units, durations in seconds.

    `show_reference` shows the lowest price of the last 30 days beside the sale's own. A price that
    trips the `guard` is armed only when `confirm_price_minor` is the same price again.
    """

    sku: str
    price_minor: int
    quantity: int
    per_buyer: int
    countdown_s: int
    duration_s: int
    hold_s: int = 300
    grace_s: int = 60
    offer_s: int = 90
    """How long somebody of the waiting list has an offer to themselves."""
    show_reference: bool = False
    guard: PriceGuard | None = None
    confirm_price_minor: int | None = None
    rules: PressRules | None = None
    """Who may press; nothing is asked of anybody without."""
    fairness: Literal["first_come", "draw"] = "first_come"
    entry_s: int = 30
    """How long people may enter a draw, from the opening of the sale."""
    unlock: UnlockTerms | None = None
    """A price that falls for everybody once enough units are promised."""

    @property
    def lowest_minor(self) -> int:
        """The lowest price that anybody may come to pay."""
        return self.price_minor if self.unlock is None else self.unlock.price_minor


class FlashSale(msgspec.Struct, frozen=True):
    """A stored sale with where it belongs."""

    id: str
    room_id: str
    room: str
    show_id: str
    item_id: str
    pool_id: str
    kind: str
    sku: str
    state: str
    opens_at_ms: int | None
    ends_at_ms: int | None
    quantity: int | None
    request_hash: str | None
    halted_from: str | None = None
    reason: str | None = None


class Halted(msgspec.Struct, frozen=True):
    """A sale that was halted, and how many holds were given back with it."""

    sale: FlashSale
    released: int
