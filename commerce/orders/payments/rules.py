"""Which steps a report asks for, and when a failed call to a provider is tried again."""

from __future__ import annotations

from commerce.kernel.errors import CommerceError
from commerce.orders.payments.model import PAYMENT, Payment, PaymentReport

# The steps that lead to each state a provider can report. A report may be ahead of us by more
# than one step: the webhook in between was lost, or comes later.
STEPS_TO: dict[str, tuple[str, ...]] = {
    "created": (),
    "declined": ("decline",),
    "authorised": ("authorise",),
    "captured": ("authorise", "capture"),
    "voided": ("void",),
    "refunded": ("authorise", "capture", "refund"),
}

FIRST_RETRY_MS = 1_000
# A provider that was away for an hour is asked again within five minutes of its return.
RETRY_MS_MAX = 300_000
# About a day of retries; then a person has to look.
ATTEMPTS_MAX = 300


def decide_steps(state: str, report: PaymentReport) -> tuple[str, ...]:
    """Return the steps from our state to the reported one; none when it is old news."""
    steps: list[str] = []
    for step in STEPS_TO.get(report.state, ()):
        if PAYMENT.allows(state, step):
            steps.append(step)
            state = PAYMENT.next(state, step)
    return tuple(steps) if state == report.state else ()


def check_amount(payment: Payment, report: PaymentReport) -> None:
    """Raise `amount_mismatch` when the provider speaks of other money than we asked for."""
    if (report.amount_minor, report.currency) != (payment.amount_minor, payment.currency):
        raise CommerceError(
            "amount_mismatch",
            f"Payment {payment.id} is over {payment.amount_minor} {payment.currency}.",
        )


def next_retry_ms(attempts: int) -> int | None:
    """Return the pause after `attempts` (≥ 1) failed calls, or None to give up."""
    if attempts >= ATTEMPTS_MAX:
        return None
    return int(min(RETRY_MS_MAX, FIRST_RETRY_MS * 2 ** min(attempts - 1, 10)))
