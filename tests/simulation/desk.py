"""The simulated provider as the product's payment port, and the clock of an application node."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from commerce.orders.payments.model import (
    Payment,
    PaymentEvent,
    PaymentReport,
    ProviderPayment,
    Refund,
    RefundReport,
)
from tests.simulation.core import ProviderDesk


class NodeClock:
    """The clock of an application's node, which may be wrong."""

    def __init__(self, start_ms: int) -> None:
        self.at_ms = start_ms
        self.skew_ms = 0

    def now_ms(self) -> int:
        """Return what the node believes."""
        return self.at_ms + self.skew_ms


class Desk:
    """The simulated provider behind the product's port."""

    signature_header = "X-Simulated-Signature"

    def __init__(self, desk: ProviderDesk) -> None:
        self.desk = desk

    def refuse_total(self, amount_minor: int, currency: str) -> str | None:
        """Take any amount."""
        return None

    async def create(self, payment: Payment) -> PaymentReport:
        """Open a payment."""
        return self.desk.call("create", payment)

    async def capture(self, payment: Payment) -> PaymentReport:
        """Take the money."""
        return self.desk.call("capture", payment)

    async def void(self, payment: Payment) -> PaymentReport:
        """Let go of the money."""
        return self.desk.call("void", payment)

    async def refund(self, payment: Payment, refund: Refund) -> RefundReport:
        """Give the money back; late money is the only one that goes back here, and whole."""
        said = self.desk.call("refund", payment)
        return RefundReport(
            payment.id,
            refund.id,
            f"refund of {said.provider_ref}",
            "done",
            refund.amount_minor,
            refund.currency,
        )

    async def list_since(self, since_ms: int) -> AsyncIterator[ProviderPayment]:
        """Nobody reconciles in here."""
        for nothing in ():
            yield nothing

    async def status(self, payment: Payment) -> PaymentReport:
        """Say what a payment is."""
        return self.desk.call("status", payment)

    def read_webhook(self, body: bytes, signature: str, now_ms: int) -> PaymentEvent:
        """Parse a webhook; the signature is the event's id."""
        return PaymentEvent(signature, "simulated", msgspec.json.decode(body, type=PaymentReport))
