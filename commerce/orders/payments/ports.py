"""What payments need from outside: somebody who moves money, and the orders that wait for it."""

from __future__ import annotations

from typing import Protocol

import msgspec

from commerce.kernel.ports import Transaction
from commerce.orders.payments.model import Payment, PaymentEvent, PaymentReport, Settlement


class ProviderUnavailableError(Exception):
    """The provider did not answer; the same call may be repeated with the same key."""


class ProviderRefusedError(Exception):
    """The provider answered and will not do it; repeating the call is no use."""


class PaymentProvider(Protocol):
    """A payment provider over its own API; every call is idempotent by the payment's id.

    All of them raise ProviderUnavailableError or ProviderRefusedError.
    """

    async def create(self, payment: Payment) -> PaymentReport:
        """Open the payment there; the report carries the page where the buyer pays."""

    async def capture(self, payment: Payment) -> PaymentReport:
        """Take the authorised money."""

    async def void(self, payment: Payment) -> PaymentReport:
        """Let go of money that is not captured, and close the page."""

    async def refund(self, payment: Payment) -> PaymentReport:
        """Give captured money back."""

    async def status(self, payment: Payment) -> PaymentReport:
        """Say what the payment is now."""

    def read_webhook(self, body: bytes, signature: str, now_ms: int) -> PaymentEvent:
        """Verify and parse a webhook; raises CommerceError `bad_signature` or
        `invalid_request`."""


class PayingOrder(msgspec.Struct, frozen=True):
    """Whose order a payment is for, and whether it still waits for money."""

    id: str
    user_id: str
    room_id: str
    state: str

    @property
    def is_waiting(self) -> bool:
        """Say whether the order still can be paid."""
        return self.state == "awaiting_payment"


class PaymentOrders(Protocol):
    """The orders, as payments see them; every method runs in the payment's transaction."""

    async def lock(self, transaction: Transaction, order_id: str) -> PayingOrder:
        """Lock the order's row."""

    async def settle(self, transaction: Transaction, order_id: str) -> Settlement:
        """Make the locked order paid if its reservations are still its own."""

    async def expire_if_dead(self, order_id: str) -> bool:
        """In a transaction of its own: end an order that has lost a reservation."""
