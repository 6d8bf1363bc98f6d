"""The rows of the model's storage, which change in place."""

from __future__ import annotations

import copy
from typing import TypeVar

import msgspec

from commerce.orders.checkout.model import Hold, HoldState
from commerce.orders.payments.model import Payment
from tests.simulation.core import CURRENCY, PRICE_MINOR

POOL, SHOW = "p", "s"
Row = TypeVar("Row", bound=msgspec.Struct)


class Held(msgspec.Struct):
    """A reservation."""

    id: str
    user_id: str
    qty: int
    origin: str
    version: int
    decided_at_ms: int
    release_at_ms: int
    state: str = "held"
    is_extended: bool = False
    entry_id: str | None = None

    def as_state(self) -> HoldState:
        """Return what checkout's rules look at."""
        return HoldState(
            self.id, self.state, self.decided_at_ms, self.release_at_ms, self.is_extended
        )

    def as_hold(self) -> Hold:
        """Return what checkout quotes."""
        return Hold(
            id=self.id,
            user_id=self.user_id,
            pool_id=POOL,
            sale_id=SHOW,
            room_id="r",
            show_id=SHOW,
            item_id="i",
            no=1,
            sku="k",
            title="Tea bowl",
            title_zh=None,
            qty=self.qty,
            unit_price_minor=PRICE_MINOR,
            currency=CURRENCY,
        )


class Entry(msgspec.Struct):
    """An entry of the waiting list."""

    id: str
    user_id: str
    qty: int
    joined_at_ms: int
    state: str = "waiting"
    reason: str | None = None
    reservation_id: str | None = None
    offered_version: int | None = None


class Order(msgspec.Struct):
    """An order."""

    id: str
    user_id: str
    request_hash: str
    total_minor: int
    reservation_ids: list[str]
    state: str = "awaiting_payment"


class Attempt(msgspec.Struct):
    """An attempt to pay, and what was heard of it."""

    payment: Payment
    state: str
    created_at_ms: int
    polled_at_ms: int = 0
    is_known_there: bool = False


class Call(msgspec.Struct):
    """A call owed to the provider."""

    payment_id: str
    kind: str
    next_at_ms: int
    attempts: int = 0
    state: str = "pending"


def copied(table: dict[str, Row]) -> dict[str, Row]:
    """Return a table as it is now; what is in a row's fields never changes in place."""
    return {id: copy.copy(row) for id, row in table.items()}
