"""A payment at the pretend provider, and what may happen to it there."""

from __future__ import annotations

import msgspec

from commerce.kernel.transitions import Transitions

# The provider's own table. Repeating an act that was done is answered, not refused.
REMOTE_PAYMENT = Transitions(
    "The sandbox payment",
    {
        ("created", "pay"): "authorised",
        ("created", "decline"): "declined",
        ("created", "void"): "voided",
        ("authorised", "capture"): "captured",
        ("authorised", "void"): "voided",
        ("declined", "void"): "declined",
        # Once all of it has gone back; a part leaves it captured.
        ("captured", "refund"): "refunded",
    },
)
# Test cards that several payments may share, to try a limit for each card.
CARDS = ("test-1", "test-2")
# The states in which an act was done: a buyer whose press was not answered may press again when the
# shop has taken the money.
STATES_AFTER = {
    "pay": frozenset({"authorised", "captured"}),
    "decline": frozenset({"declined"}),
    "void": frozenset({"voided"}),
    "capture": frozenset({"captured"}),
}


class NewPayment(msgspec.Struct, frozen=True):
    """What a shop asks for; `reference` is the shop's own id and the idempotency key."""

    reference: str
    order_reference: str
    amount_minor: int
    currency: str
    return_path: str


class Capture(msgspec.Struct, frozen=True):
    """How much of the granted money a shop takes; all of it when it does not say."""

    amount_minor: int | None = None


class NewRefund(msgspec.Struct, frozen=True):
    """What a shop wants back; `reference` is the shop's own id and the idempotency key."""

    reference: str
    amount_minor: int


class SandboxRefund(msgspec.Struct, frozen=True):
    """Money that went back, in minor units; at the pretend bank it is there at once."""

    id: str
    reference: str
    amount_minor: int


class SandboxPayment(msgspec.Struct, frozen=True):
    """A payment with the unguessable key of its page, and when it was opened.

    `card` is what it was paid with: one of the page's test cards, or a card of its own.
    """

    id: str
    page_key: str
    reference: str
    order_reference: str
    amount_minor: int
    currency: str
    return_path: str
    state: str
    created_at_ms: int
    refunded_minor: int
    card: str | None = None


class Delivery(msgspec.Struct, frozen=True):
    """A webhook that is to be delivered."""

    id: str
    body: str
    attempts: int


class SandboxError(Exception):
    """A refusal of the sandbox's API: a status and a code of its own."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
