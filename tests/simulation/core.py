"""What the simulated world asks of a reservation core, and what is read of it in the end.

Two cores have this shape: the pure rules over a dict, and the real services on PostgreSQL. Every
method is one request or one round of a job; time stands still while it runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import msgspec

from commerce.goods.inventory.model import BatchResult, Request
from commerce.kernel import ids
from commerce.orders.payments.model import Payment, PaymentReport
from loadtests.journal_check import Step

UNITS = 20
PER_BUYER = 2
PRICE_MINOR = 19_900
CURRENCY = "CNY"
HOLD_MS = 120_000
GRACE_MS = 60_000
OFFER_MS = 90_000
SALE_MS = 1_800_000
NAMES_MAX = 10_000

# The model's buyers have the same names in every sale, and so have their presses.
reservation_id = lru_cache(NAMES_MAX)(ids.reservation_id)
entry_id = lru_cache(NAMES_MAX)(ids.entry_id)
order_id = lru_cache(NAMES_MAX)(ids.order_id)


class ProviderDesk(Protocol):
    """The payment provider as the core calls it.

    Raises ProviderUnavailableError or ProviderRefusedError; a process may be killed in the call.
    """

    def call(self, kind: str, payment: Payment) -> PaymentReport:
        """Make one call: create, capture, void, refund or status."""


class EntryBook(msgspec.Struct, frozen=True):
    """An entry of the waiting list; `offered_version` is that of its offer's reservation."""

    id: str
    user_id: str
    qty: int
    state: str
    reservation_id: str | None
    offered_version: int | None
    joined_at_ms: int


class ReservationBook(msgspec.Struct, frozen=True):
    """A reservation as it is stored."""

    id: str
    user_id: str
    qty: int
    state: str
    origin: str
    version: int
    decided_at_ms: int
    release_at_ms: int


class OrderBook(msgspec.Struct, frozen=True):
    """An order with its lines and its attempts to pay, as (payment id, state)."""

    id: str
    user_id: str
    state: str
    total_minor: int
    reservation_ids: Sequence[str]
    payments: Sequence[tuple[str, str]]


class Books(msgspec.Struct, frozen=True):
    """Everything that is committed; entries in the order of their arrival."""

    total: int
    claimed: int
    steps: Sequence[Step]
    reservations: Mapping[str, ReservationBook]
    orders: Mapping[str, OrderBook]
    entries: Sequence[EntryBook]
    buyers: Mapping[str, int]
    problems: Sequence[str] = ()
    """What the core's own auditor found; the model has none."""


class Core(Protocol):
    """A reservation core with one open sale; refusals raise CommerceError."""

    sale_id: str
    users: Sequence[str]
    """The ids of the buyers."""
    now_ms: int
    """The database's clock; the world moves it, never back."""

    def jump_node_clock(self, skew_ms: int) -> None:
        """Let the clock of the application's nodes be wrong by this much."""

    def reserve(self, requests: list[Request]) -> BatchResult:
        """Decide and commit one batch."""

    def owned(self) -> dict[str, frozenset[str]]:
        """Return the ids of the reservations that hold or have units, by owner."""

    def release(self, user_id: str, reservation_id: str) -> None:
        """Give a hold back."""

    def join(self, user_id: str, qty: int, key: str) -> str:
        """Wait for units; return the entry's id."""

    def leave(self, user_id: str, entry_id: str) -> None:
        """Leave the line, or pass an offer on."""

    def look(self, entry_id: str) -> tuple[str, str | None]:
        """Return an entry's state, and the reservation that it was offered."""

    def place_order(self, user_id: str, key: str, ids: Sequence[str]) -> str:
        """Order reservations; return the order's id."""

    def read_order(self, order_id: str) -> OrderBook:
        """Return an order."""

    def cancel(self, user_id: str, order_id: str) -> None:
        """Cancel an unpaid order."""

    def adjust(self, delta: int, key: str) -> None:
        """Change the total by `delta` units."""

    def due_jobs(self) -> Collection[str]:
        """Name the jobs that have something to do now: the others would write nothing.

        One too many is a round in vain; one that is missing for good is a debt that the checks see.
        """

    def take_webhook(self, event_id: str, report: PaymentReport) -> None:
        """Take a provider's report, once."""

    def sweep(self) -> None:
        """Job: end due holds."""

    def expire_orders(self) -> None:
        """Job: end orders that have lost a reservation."""

    def run_calls(self) -> None:
        """Job: make the calls that are due at the provider."""

    def poll(self) -> None:
        """Job: ask after silent payments."""

    def tend(self) -> None:
        """Job: serve and close the waiting list."""

    def figures(self) -> tuple[int, int, int]:
        """Return the pool's total, what is claimed of it, and its version."""

    def read(self) -> Books:
        """Return everything."""

    def close(self) -> None:
        """Let go of what it holds open."""
