"""Two sides of one payment, and how they may differ."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Kind = Literal[
    "captured_not_paid",
    "missing_here",
    "other_amount",
    "missing_there",
    "other_state",
    "other_refunds",
]
# The gravest first: money of somebody that we know nothing of, or have no right to.
KINDS: tuple[Kind, ...] = get_args(Kind)


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
    created_at_ms: int
    updated_at_ms: int
    is_settling: bool
    authorised_minor: int | None = None
    """What was granted, where less was to be taken: a provider names it until then."""


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
    """The whole report; `ok` when nothing differs. Times in ms.

    It covers payments begun on either side from `since_ms` to `at_ms`: `compared` of ours; `older`
    of ours are not in it. `counts` are of all differences by kind; `differences` are the gravest of
    them, and `truncated` says that there are more.
    """

    ok: bool
    since_ms: int
    at_ms: int
    compared: int
    older: int
    counts: dict[Kind, int]
    differences: list[Difference]
    truncated: bool
    sums: list[Sums]
