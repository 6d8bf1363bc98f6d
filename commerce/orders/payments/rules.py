"""Which steps a report asks for, and when a failed call to a provider is tried again."""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.errors import CommerceError
from commerce.orders.payments.model import (
    PAYMENT,
    REFUND,
    Payment,
    PaymentReport,
    Refund,
    RefundReport,
)

# The steps that lead to each state a provider can report. A report may be ahead of us by more
# than one step: the webhook in between was lost, or comes later.
STEPS_TO: dict[str, tuple[str, ...]] = {
    "created": (),
    "declined": ("decline",),
    "authorised": ("authorise",),
    "captured": ("authorise", "capture"),
    "voided": ("void",),
    # Money goes back by our own refunds alone, each a row. What a provider gave back otherwise
    # is no step: reconciliation shows it to a person.
    "refunded": (),
}

FIRST_RETRY_MS = 1_000
# A provider that was away for an hour is asked again within five minutes of its return.
RETRY_MS_MAX = 300_000
# About a day of retries; then a person has to look.
ATTEMPTS_MAX = 300
# A refund that the provider has taken and a bank has not: the webhook tells, this is for when
# it does not. Ten days, as long as banks take, are well within the attempts.
PENDING_REFUND_MS = 3_600_000


def decide_steps(state: str, report: PaymentReport) -> tuple[str, ...]:
    """Return the steps from our state to the reported one; none when it is old news."""
    steps: list[str] = []
    for step in STEPS_TO.get(report.state, ()):
        if PAYMENT.allows(state, step):
            steps.append(step)
            state = PAYMENT.next(state, step)
    return tuple(steps) if state == report.state else ()


def standing(payments: Sequence[Payment]) -> list[Payment]:
    """Return those of an order's payments whose money was not let go: it may stand on them."""
    return [payment for payment in payments if payment.let_go_reason is None]


def call_answered_by(state: str) -> str | None:
    """Return the kind of call that is done once a provider reports this state."""
    return {"captured": "capture", "voided": "void"}.get(state)


def is_from(payment: Payment, provider: str, report: PaymentReport) -> bool:
    """Say whether a provider's report is about this very payment of theirs."""
    return payment.provider == provider and payment.provider_ref in (None, report.provider_ref)


def excess_of(payment: Payment, report: PaymentReport) -> int:
    """Return how much of what was granted a provider took beyond what we want; 0 for other news.

    Somebody may capture the full sum at the provider before we have taken the lesser one.
    """
    granted_minor = payment.authorised_minor
    is_taking = payment.state == "authorised" and report.state == "captured"
    if granted_minor is None or not is_taking or report.currency != payment.currency:
        return 0
    if not payment.amount_minor < report.amount_minor <= granted_minor:
        return 0
    return report.amount_minor - payment.amount_minor


def check_amount(payment: Payment, report: PaymentReport) -> None:
    """Raise `amount_mismatch` when the provider speaks of other money than we asked for.

    Where less is to be taken than was granted, that is what it speaks of before, and after a void.
    What it took beyond is ours to give back.
    """
    if excess_of(payment, report):
        return
    amounts = {payment.amount_minor}
    if report.state != "captured" and payment.authorised_minor is not None:
        amounts.add(payment.authorised_minor)
    if report.amount_minor not in amounts or report.currency != payment.currency:
        raise CommerceError(
            "amount_mismatch",
            f"Payment {payment.id} is over {payment.amount_minor} {payment.currency}.",
        )


def view_excess(refund: Refund) -> dict[str, object]:
    """Return what a buyer is told of money that was taken beyond the order's price."""
    return {
        "order": refund.order_id,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "state": refund.state,
    }


def check_refund(refund: Refund, report: RefundReport) -> None:
    """Raise `amount_mismatch` when the provider has given back other money than we asked for."""
    if (report.amount_minor, report.currency) != (refund.amount_minor, refund.currency):
        raise CommerceError(
            "amount_mismatch",
            f"Refund {refund.id} is over {refund.amount_minor} {refund.currency}.",
        )


def is_of_old_attempt(refund: Refund, report: RefundReport) -> bool:
    """Say whether a report is about another attempt than the one under way."""
    if refund.provider_ref is None:
        return report.provider_ref in refund.failed_refs
    return report.provider_ref != refund.provider_ref


def next_refund_state(refund: Refund, report: RefundReport) -> str | None:
    """Return the state that a report leads to, or None when it is old news.

    That is what its table does not have. The failure of an attempt that was asked for again since
    is told late or twice: it says nothing of the next.
    """
    step = {"done": "finish", "failed": "fail"}.get(report.state)
    if step is None or not REFUND.allows(refund.state, step):
        return None
    if step == "fail" and is_of_old_attempt(refund, report):
        return None
    return REFUND.next(refund.state, step)


def next_retry_ms(attempts: int) -> int | None:
    """Return the pause after `attempts` (≥ 1) failed calls, or None to give up."""
    if attempts >= ATTEMPTS_MAX:
        return None
    return int(min(RETRY_MS_MAX, FIRST_RETRY_MS * 2 ** min(attempts - 1, 10)))
