"""What a payment is here, and what a provider reports about it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from commerce.kernel.transitions import Transitions

# Every step a payment can take. What a provider reports out of turn is not in the table and
# changes nothing: duplicates, late and reordered reports are normal.
PAYMENT = Transitions(
    "The payment",
    {
        ("created", "authorise"): "authorised",
        ("created", "decline"): "declined",
        ("created", "void"): "voided",
        # A page of some providers takes another card after one that was declined.
        ("declined", "authorise"): "authorised",
        ("authorised", "capture"): "captured",
        ("authorised", "void"): "voided",
        ("captured", "refund"): "refunded",
    },
)
# Every step of a refund. A failure can turn out to be none, for the provider's word that money
# went is the truth; what is done stays done, for the goods have been dealt with.
REFUND = Transitions(
    "The refund",
    {
        ("pending", "finish"): "done",
        ("pending", "fail"): "failed",
        ("failed", "finish"): "done",
        ("failed", "retry"): "pending",
    },
)


class Payment(msgspec.Struct, frozen=True):
    """One attempt to pay an order; `provider_ref` and `url` are None until it is created there.

    `authorised_minor` is what was granted, where less is to be taken by now. `let_go_reason` is why
    no order stands on its money any more, though it may be there until a void or a refund is done.
    """

    id: str
    order_id: str
    provider: str
    provider_ref: str | None
    url: str | None
    amount_minor: int
    currency: str
    state: str
    authorised_minor: int | None = None
    let_go_reason: str | None = None


class Refund(msgspec.Struct, frozen=True):
    """Money of one payment that goes back.

    `state` is pending, done or failed. `origin` is person; late: money that no order could take;
    or excess: what a provider took beyond what the order costs. `retries` counts how often a
    person has asked again after a failure. `provider_ref` is the attempt under way, None before
    the provider has named it; `failed_refs` are those before.
    """

    id: str
    payment_id: str
    order_id: str
    amount_minor: int
    currency: str
    state: str
    origin: str
    reason: str
    restock: bool
    retries: int
    provider_ref: str | None = None
    failed_refs: Sequence[str] = ()


class PaymentReport(msgspec.Struct, frozen=True):
    """What a provider says a payment is now; `payment_id` is our id, which it was given.

    `fingerprint` is the provider's own name of the card, the same for one card whoever pays with
    it; empty when it was not told, or when no card was used.
    """

    payment_id: str
    provider_ref: str
    state: str
    amount_minor: int
    currency: str
    url: str | None = None
    fingerprint: str = ""


class RefundReport(msgspec.Struct, frozen=True):
    """What a provider says of a refund: pending, done or failed; both ids are ours.

    `error` says why it failed, for a person.
    """

    payment_id: str
    refund_id: str
    provider_ref: str
    state: str
    amount_minor: int
    currency: str
    error: str = ""


class ProviderPayment(msgspec.Struct, frozen=True):
    """A payment as a provider lists it; `payment_id` is what it was told is our id.

    `refunded_minor` is what has gone back of captured money; the time is the provider's.
    """

    provider_ref: str
    payment_id: str
    state: str
    amount_minor: int
    currency: str
    refunded_minor: int
    created_at_ms: int


class PaymentEvent(msgspec.Struct, frozen=True):
    """A verified webhook: the provider's id of the event, and its report.

    The report is None when the event is about nothing of ours.
    """

    id: str
    type: str
    report: PaymentReport | RefundReport | None


class PaymentCall(msgspec.Struct, frozen=True):
    """A call owed to the provider: create, capture, void, or `refund`, which has its refund."""

    id: str
    kind: str
    attempts: int
    payment: Payment
    refund: Refund | None = None


class CallView(msgspec.Struct, frozen=True):
    """A call as an operator sees it: its state, what it is about, and what went wrong last."""

    id: str
    kind: str
    state: str
    payment: str
    order: str
    provider: str
    amount_minor: int
    currency: str
    attempts: int
    error: str | None
    created_at_ms: int


class Settled(msgspec.Struct, frozen=True):
    """The order took the money: it is paid now."""


class TooLate(msgspec.Struct, frozen=True):
    """The order cannot take the money; `reason` says why, for the buyer's page."""

    reason: str


class Seated(msgspec.Struct, frozen=True):
    """The order keeps the money and does not take it yet: a team has to form first."""


Settlement = Settled | Seated | TooLate
