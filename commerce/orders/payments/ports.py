"""What payments need from outside: somebody who moves money, and the orders that wait for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Literal, Protocol

import msgspec

from commerce.kernel.ports import Transaction
from commerce.orders.payments.model import (
    Payment,
    PaymentEvent,
    PaymentReport,
    ProviderPayment,
    Refund,
    RefundReport,
    Settlement,
)


class ProviderUnavailableError(Exception):
    """The provider did not answer; the same call may be repeated with the same key."""


class ProviderRefusedError(Exception):
    """The provider answered and will not do it; repeating the call is no use."""


class ProviderMissingError(ProviderUnavailableError):
    """The payment's provider is not registered here; its calls wait until it is again."""


class PaymentNotOpenedError(ProviderRefusedError):
    """The provider will not open this payment: nothing is there, and nothing will be."""


class PaymentProvider(Protocol):
    """A payment provider over its own API; every call is idempotent by our ids.

    All of them raise ProviderUnavailableError or ProviderRefusedError.
    """

    @property
    def signature_header(self) -> str:
        """The HTTP header that carries a webhook's signature."""

    def refuse_total(self, amount_minor: int, currency: str) -> str | None:
        """Say why no payment over this much can be opened, as far as that is known before."""

    async def create(self, payment: Payment) -> PaymentReport:
        """Open the payment there; the report carries the page where the buyer pays.

        Raises PaymentNotOpenedError when it will never be opened.
        """

    async def capture(self, payment: Payment) -> PaymentReport:
        """Take the authorised money."""

    async def void(self, payment: Payment) -> PaymentReport:
        """Let go of money that is not captured, and close the page."""

    async def refund(self, payment: Payment, refund: Refund) -> RefundReport:
        """Give captured money back, or say what has become of it since."""

    async def status(self, payment: Payment) -> PaymentReport:
        """Say what the payment is now."""

    def list_since(self, since_ms: int) -> AsyncIterator[ProviderPayment]:
        """Yield the payments opened since a moment, page by page, each once.

        One on which no money was ever tried may be left out.
        """

    def read_webhook(self, body: bytes, signature: str, now_ms: int) -> PaymentEvent:
        """Verify and parse a webhook; raises CommerceError `bad_signature` or
        `invalid_request`."""


class RefundedOrders(Protocol):
    """What a refund means for the order; both run in the payment's transaction.

    The payment is locked; the order and what lies under it are not yet.
    """

    async def take_back(self, transaction: Transaction, refund: Refund) -> None:
        """Note that the money is back: the order's sum, its goods, the buyer's news."""

    async def tell_failed(self, transaction: Transaction, refund: Refund) -> None:
        """Tell the buyer that the money has not gone back yet."""


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

    @property
    def has_money(self) -> bool:
        """Say whether the order stands on money that was granted."""
        return self.state in ("awaiting_group", "paid")


class PaymentOrders(Protocol):
    """The orders, as payments see them; every method runs in the payment's transaction."""

    async def lock(self, transaction: Transaction, order_id: str) -> PayingOrder:
        """Lock the order's row."""

    async def settle(
        self, transaction: Transaction, order_id: str, card: str | None = None
    ) -> Settlement:
        """Make the locked order paid if its reservations are still its own.

        `card` is how the card is known here; one that may not pay for it ends the order.
        """

    async def lose_money(
        self, transaction: Transaction, order_id: str
    ) -> Literal["reopened", "ended"] | None:
        """Say what becomes of a locked order of a team's seat whose granted money is gone.

        "reopened" waits for other money, once; "ended" has given its seat back; None is no seat's,
        and stays as it is.
        """

    async def give_up(self, transaction: Transaction, order_id: str) -> bool:
        """End a locked order that is paid, for its money cannot be taken; False for any other."""

    async def expire_if_dead(self, order_id: str) -> bool:
        """In a transaction of its own: end an order that has lost a reservation."""


class PaymentPorts(msgspec.Struct, frozen=True):
    """All that payments need from outside.

    New payments go to the first provider; the others still answer for older ones.
    """

    providers: Mapping[str, PaymentProvider]
    orders: PaymentOrders
    refunded: RefundedOrders
    hash_card: Callable[[str], str] | None = None
    """Hides a card's fingerprint under a key; without it no card is known, and none can pay for
    a sale that limits cards."""
