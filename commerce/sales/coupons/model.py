"""What a coupon takes off, how it is dropped into a room, and who has one; money in minor units."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Literal

import msgspec

from commerce.goods.press_rules.model import PressRules
from commerce.kernel.transitions import Transitions
from commerce.sales.pricing.model import PriceSource, Reduction

DROP = Transitions(
    "The drop",
    {
        ("armed", "open"): "open",
        ("open", "run_out"): "gone",
        ("armed", "end"): "ended",
        ("open", "end"): "ended",
        ("armed", "cancel"): "cancelled",
        ("open", "cancel"): "cancelled",
    },
)
# Where a coupon can be used: in the room that drops it, or in every room of the shop.
CouponScope = Literal["room", "shop"]
# `claimed` is dead from its expiry on; `used` comes back only when all of the money went back.
CLAIM = Transitions(
    "The coupon",
    {
        ("claimed", "lock"): "locked",
        ("locked", "use"): "used",
        ("locked", "return"): "claimed",
        ("used", "return"): "claimed",
    },
)


class CouponTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a host asks for: `amount_minor` off, or `percent` off and at most `max_minor`.

    `scope` says in which rooms, `skus` of what, empty: of everything there; `quantity` may be given
    out in all, `budget_minor` may be taken off in all. One card may pay for `per_card` orders with
    it, whoever has claimed it.
    """

    title: str
    title_zh: str | None = None
    amount_minor: int = 0
    percent: int = 0
    max_minor: int | None = None
    threshold_minor: int = 0
    skus: Sequence[str] = ()
    sources: Sequence[PriceSource] = ("list", "campaign")
    valid_s: int = 86_400
    per_person: int = 1
    quantity: int
    budget_minor: int | None = None
    per_card: int | None = None
    scope: CouponScope = "room"


class DropTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a coupon go into the room, and when.

    `min_age_s` keeps names out that were made for the moment; `claims_per_address_s` is a pace.
    """

    coupon: str
    quantity: int
    countdown_s: int
    duration_s: int
    min_age_s: int = 0
    claims_per_address_s: int | None = None


class CouponView(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A coupon as everybody sees it."""

    id: str
    room: str
    title: str
    title_zh: str | None = None
    amount_minor: int = 0
    percent: int = 0
    max_minor: int | None = None
    threshold_minor: int = 0
    skus: Sequence[str] = ()
    sources: Sequence[PriceSource]
    currency: str
    valid_s: int
    per_person: int
    per_card: int | None = None
    scope: CouponScope = "room"
    halt_reason: str | None = None
    """Why its host has stopped it; there while it is stopped."""

    def reduction(self, claim_id: str) -> Reduction:
        """Return what a claim of this coupon takes off."""
        return Reduction(
            id=claim_id,
            amount_minor=self.amount_minor,
            percent=self.percent,
            max_minor=self.max_minor,
            threshold_minor=self.threshold_minor,
            skus=self.skus,
            sources=self.sources,
        )


class DropView(msgspec.Struct, frozen=True):
    """A drop as viewers see it; `left` of `quantity` can still be claimed. Times in Unix ms."""

    id: str
    coupon: CouponView
    state: str
    quantity: int
    left: int
    opens_at_ms: int
    ends_at_ms: int
    min_age_s: int


class CouponFigures(msgspec.Struct, frozen=True):
    """A coupon as its host sees it: how many are out, and what they take off."""

    coupon: CouponView
    quantity: int
    granted: int
    claimed: int
    locked: int
    used: int
    budget_minor: int | None
    spent_minor: int


class DropRow(msgspec.Struct, frozen=True):
    """A locked drop."""

    id: str
    coupon_id: str
    room_id: str
    room: str
    state: str
    quantity: int
    claimed: int


class KnownDrop(msgspec.Struct, frozen=True):
    """What a process remembers of a drop; none of it changes."""

    id: str
    room_id: str
    rules: PressRules | None


class Claiming(IntEnum):
    """The answers of `claim_coupons_batch`, with the numbers that the SQL function uses."""

    CLAIMED = 0
    REPLAYED = 1
    NO_SUCH_DROP = 2
    NOT_OPEN = 3
    ENDED = 4
    LIMIT_REACHED = 5
    GONE = 6
    TOO_NEW = 7
    NO_SUCH_PERSON = 8
    HALTED = 9


class ClaimBatch(msgspec.Struct, frozen=True):
    """What the database says of a batch; arrays in the order of its requests."""

    outcomes: Sequence[int]
    states: Sequence[str | None] | None
    expires_at: Sequence[int | None] | None
    now_ms: int
    opens_at: int | None
    left_over: int | None


class Claimed(msgspec.Struct, frozen=True):
    """A claim that is committed."""

    id: str
    drop: str
    state: str
    expires_in_ms: int


class ClaimRefused(msgspec.Struct, frozen=True):
    """A claim that was refused, with when the drop opens or why it is halted if that is why."""

    outcome: Claiming
    opens_in_ms: int | None = None
    reason: str | None = None


ClaimAnswer = Claimed | ClaimRefused
# As it is read: a claim that is free is `halted` while its coupon is, and `expired` in time.
ClaimState = Literal["claimed", "locked", "used", "expired", "halted"]


class ClaimView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's own coupon; `order` has it while it is locked or used."""

    id: str
    drop: str
    state: ClaimState
    coupon: CouponView
    claimed_at_ms: int
    expires_at_ms: int
    order: str | None = None
    off_minor: int = 0
