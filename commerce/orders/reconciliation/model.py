"""Two sides of one payment, and how they may differ."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal[
    "missing_there",
    "missing_here",
    "other_amount",
    "other_state",
    "other_refunds",
    "captured_not_paid",
]


class OurPayment(msgspec.Struct, frozen=True):
    """A payment as we have it, with its order's state.

    `refunded_minor` is what is back for sure. `is_settling` says that a refund is pending, or a
    call to the provider is; then the two sides may differ for a while. Times in ms.
    """

    id: str
    provider: str
    provider_ref: str | None
    order_id: str
    order_state: str
    state: str
    amount_minor: int
    currency: str
    refunded_minor: int
    updated_at_ms: int
    is_settling: bool


class Difference(msgspec.Struct, frozen=True):
    """One disagreement, for a person: which payment, and what each side says."""

    kind: Kind
    provider: str
    payment: str
    provider_ref: str | None
    order: str | None
    ours: str
    theirs: str


class Sums(msgspec.Struct):
    """Money of one currency in minor units: taken, and given back, by each side's word."""

    currency: str
    ours_in_minor: int = 0
    ours_out_minor: int = 0
    theirs_in_minor: int = 0
    theirs_out_minor: int = 0


class Reconciliation(msgspec.Struct, frozen=True):
    """The whole report; `ok` when nothing differs. Times in ms."""

    ok: bool
    since_ms: int
    at_ms: int
    compared: int
    differences: list[Difference]
    sums: list[Sums]
