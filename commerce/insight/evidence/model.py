"""The facts that an order's evidence is made of, as they are read; times in Unix ms.

Nothing here is written for evidence alone but `Terms` and a press's `log_offset`: all other facts
are the rows that the shop itself works with.
"""

from __future__ import annotations

from typing import Any

import msgspec

from commerce.shows.recordings.model import RecordedPart

FORMAT = "hubbub-evidence/3"
# Those that were ever written: a file is kept for years. 2 has the order's coupon and its halt,
# 3 the entry of a unit that was drawn.
FORMATS = ("hubbub-evidence/1", "hubbub-evidence/2", FORMAT)

# The chat that is shown around a press; whoever disputes a sale speaks of that minute.
CHAT_BEFORE_MS = 60_000
CHAT_AFTER_MS = 30_000
CHAT_LINES_MAX = 200
# A cart is one press; so many different presses of one order are nobody's honest evening.
CHAT_WINDOWS_MAX = 10


class CouponFacts(msgspec.Struct, frozen=True):
    """The coupon of an order; `halted_at_ms` is None of one that is good at the moment."""

    id: str
    title: str
    halted_at_ms: int | None
    halt_reason: str | None


class OrderFacts(msgspec.Struct, frozen=True):
    """The order with its room and show, and the parts that its total adds up from."""

    id: str
    state: str
    user_id: str
    buyer: str
    room_id: str
    room: str
    host_id: str
    total_minor: int
    refunded_minor: int
    subtotal_minor: int
    discount_minor: int
    shipping_minor: int
    tax_minor: int
    is_tax_included: bool
    coupon: CouponFacts | None
    currency: str
    created_at_ms: int
    updated_at_ms: int
    paid_at_ms: int | None
    show_id: str
    show: str
    show_started_at_ms: int | None
    show_ended_at_ms: int | None


class DrawFacts(msgspec.Struct, frozen=True):
    """The entry by which a buyer's unit was drawn, or that lost and waited: its rank `of` all."""

    entry: str
    entered_at_ms: int
    drawn_at_ms: int
    rank: int
    of: int


class Press(msgspec.Struct, frozen=True):
    """A line of the order with its reservation: what was decided, in which order, at which price.

    `log_offset` is the newest event of the room's log when it was decided, None where that was
    not recorded yet; `stock` is (total, claimed) of the pool before the batch.
    """

    reservation: str
    sale: str
    kind: str
    item: str
    no: int
    sku: str
    title: str
    title_zh: str | None
    qty: int
    unit_price_minor: int
    origin: str
    state: str
    pool: str
    version: int
    seq: int
    decided_at_ms: int
    shown_until_ms: int
    release_at_ms: int
    log_offset: int | None
    stock: tuple[int, int]
    asked_at_ms: int | None
    """When the buyer joined the waiting list, or entered the draw, that the reservation came by."""
    price_source: str
    discount_minor: int
    tax_minor: int
    total_minor: int
    """What was charged for all units of the line: at their price, less what is off."""
    draw: DrawFacts | None = None

    @property
    def moments_ms(self) -> set[int]:
        """When the buyer did something for this reservation, and when it was decided."""
        moments = {self.decided_at_ms, self.asked_at_ms}
        if self.draw is not None:
            moments.add(self.draw.entered_at_ms)
        return {at_ms for at_ms in moments if at_ms is not None}


class Price(msgspec.Struct, frozen=True):
    """A row of the price log: from `at_ms` on an offer has the SKU so; None is no more.

    The offer is a sale, or of the kind `campaign` a campaign price of the whole shop.
    """

    id: int
    sale: str | None
    campaign_price: str | None
    kind: str
    price_minor: int | None
    at_ms: int


class Terms(msgspec.Struct, frozen=True):
    """A version of a sale's row; it decided every reservation of a later version of the pool."""

    version: int
    pool_version: int
    at_ms: int
    fields: dict[str, Any]


class Event(msgspec.Struct, frozen=True):
    """An entry of the room's log."""

    offset: int
    at_ms: int
    type: str
    payload: dict[str, Any]


class Line(msgspec.Struct, frozen=True):
    """A stored line of chat; `user` is None for a line of the house."""

    id: str
    at_ms: int
    user: str | None
    name: str
    text: str
    flags: list[str]
    removed_at_ms: int | None
    removed_by: str | None


class PressFacts(msgspec.Struct, frozen=True):
    """What the record holds about the moment of one press."""

    press: Press
    prices: list[Price]
    terms: list[Terms]
    events: list[Event]
    """Of the sale and of the pins, and the newest picture of the room, oldest first."""


class ChatFacts(msgspec.Struct, frozen=True):
    """The lines around a moment, each list at most one longer than what is shown of all.

    `principal` are those of the buyer and the host, so that a busy room cannot crowd them out.
    """

    at_ms: int
    principal: list[Line]
    before: list[Line]
    after: list[Line]


class Facts(msgspec.Struct, frozen=True):
    """All that an order's evidence is made of, read in one instant of the database."""

    made_at_ms: int
    order: OrderFacts
    presses: list[PressFacts]
    chats: list[ChatFacts]
    money: dict[str, list[dict[str, Any]]]
    """`payments`, `events`, `calls` and `refunds`, in the order of time."""
    recorded: list[RecordedPart] = []
    """The show's recording; none where it was not recorded, or is kept no longer."""
