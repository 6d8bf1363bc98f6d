"""What an order is, from its lines to the proof that its buyer can check."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from commerce.kernel.transitions import Transitions
from commerce.sales.pricing.model import PriceSource, Quote, QuotedLine, Reduction, Tax

# The whole life of an order; nothing else changes its state.
ORDER = Transitions(
    "The order",
    {
        ("awaiting_payment", "pay"): "paid",
        # Money for a seat in a team waits for the team to form.
        ("awaiting_payment", "seat"): "awaiting_group",
        ("awaiting_group", "pay"): "paid",
        ("awaiting_group", "cancel"): "cancelled",
        ("awaiting_group", "expire"): "expired",
        # The money of a formed team's member could not be taken: once it may come another way.
        ("awaiting_group", "lose_money"): "awaiting_payment",
        ("paid", "lose_money"): "awaiting_payment",
        ("paid", "lose_seat"): "expired",
        ("awaiting_payment", "cancel"): "cancelled",
        ("awaiting_payment", "expire"): "expired",
        # Late money, when the units could be had again.
        ("expired", "pay"): "paid",
        ("paid", "refund"): "refunded",
    },
)


class PlaceOrder(msgspec.Struct, frozen=True):
    """A buyer's wish to order; `key` is the idempotency key, `coupon` a claim of theirs."""

    user_id: str
    key: str
    reservation_ids: Sequence[str]
    ship_to: str | None = None
    coupon: str | None = None


class Hold(msgspec.Struct, frozen=True):
    """A reservation as checkout sees it, with what is printed on the order's line."""

    id: str
    user_id: str
    pool_id: str
    sale_id: str
    room_id: str
    show_id: str
    item_id: str
    no: int
    sku: str
    title: str
    title_zh: str | None
    qty: int
    unit_price_minor: int
    currency: str
    source: PriceSource = "list"
    """What kind of price was frozen with it."""
    room: str = ""
    """The room's slug."""
    group_id: str | None = None
    unlock_minor: int | None = None
    """What a unit will cost if enough are promised; None where that is open no more, or never."""


class HoldState(msgspec.Struct, frozen=True):
    """The part of a locked reservation that decides; times in ms of the database's clock."""

    id: str
    state: str
    decided_at_ms: int
    release_at_ms: int
    is_extended: bool
    unit_price_minor: int = 0
    team_release_at_ms: int | None = None
    """Until when its team, which still forms, can keep it: the deadline with the hold's grace."""

    def is_dead(self, now_ms: int) -> bool:
        """Say whether it holds nothing any more, also when no sweeper has come by yet."""
        if self.state in ("held", "paying"):
            return self.release_at_ms <= now_ms
        return self.state != "sold"


class LateLine(msgspec.Struct, frozen=True):
    """A locked line of an order whose money came late, with what its sale still allows."""

    id: str
    pool_id: str
    sale_id: str
    qty: int
    state: str
    release_at_ms: int
    per_buyer: int | None
    bought: int
    """Live quantity of this buyer in this sale."""
    is_stopped: bool
    """Whether the sale was called off, or is halted, or was when it ended: it gives nothing."""


class Seat(msgspec.Struct, frozen=True):
    """The seat in a team that an order is for."""

    reservation_id: str
    group_id: str
    pool_id: str
    sale_id: str


class OrderUnlock(msgspec.Struct, frozen=True):
    """That an order's price may fall: its sale, its only reservation, and how many units."""

    sale_id: str
    reservation_id: str
    qty: int


class CardLine(msgspec.Struct, frozen=True):
    """Units of an order in a sale, or one use of a coupon, that limits what a card may pay for."""

    sale_id: str
    qty: int
    per_card: int


class Draft(msgspec.Struct, frozen=True):
    """An order before it exists."""

    id: str
    user_id: str
    room_id: str
    show_id: str
    quote: Quote
    ship_to: str | None
    request_hash: str
    coupon: str | None = None
    unlocked: Quote | None = None
    """What it will cost instead, if enough units of its sale are promised."""

    @property
    def total_minor(self) -> int:
        """What it costs in all: the quote's total, and nothing else."""
        return self.quote.total_minor

    @property
    def currency(self) -> str:
        """The currency of all its amounts."""
        return self.quote.currency


class Charge(msgspec.Struct, frozen=True):
    """What an order is charged, as it was stored: enough to compute its total anew."""

    lines: Sequence[QuotedLine]
    shipping_minor: int
    tax: Tax
    reduction: Reduction | None
    currency: str


class OrderRow(msgspec.Struct, frozen=True):
    """An order's own row."""

    id: str
    user_id: str
    room_id: str
    state: str
    total_minor: int
    refunded_minor: int
    currency: str
    request_hash: str


class DiscountView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Money that was taken off; `coupon` is the buyer's claim, `title` what it is called."""

    source: str
    amount_minor: int
    coupon: str | None = None
    title: str | None = None
    title_zh: str | None = None


class PriceParts(msgspec.Struct, frozen=True):
    """What a total is made of, of a quote and of an order alike.

    total = subtotal - discounts + shipping, and + tax unless the prices include it.
    """

    subtotal_minor: int
    discounts: list[DiscountView]
    shipping_minor: int
    tax_minor: int
    tax_included: bool


class TeamOfLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """The team that a line's unit is a seat of: how many of `need` have paid, and until when.

    `is_completed` says that the shop completed it with fewer than it needs.
    """

    id: str
    state: str
    paid: int
    need: int
    deadline_ms: int
    is_completed: bool = False


class UnlockOfLine(msgspec.Struct, frozen=True):
    """The condition on which a line's price falls, and what the order costs then.

    `state` is open, unlocked or missed; `otherwise` says what becomes of the order when it is
    missed: charge (the plain price is taken) or release (nothing is).
    """

    state: str
    units: int
    price_minor: int
    total_minor: int
    otherwise: str


class LineView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of an order as its buyer sees it; `origin` is how its units were come by.

    It is left out after a press, else waiting_list, draw, group or staff. `total_minor` is what
    the line costs with its share of a discount; `price_source` is the kind of its unit price;
    `group` is the team, `unlock` the threshold that it was ordered under.
    """

    sku: str
    title: str
    title_zh: str | None
    picture: str
    qty: int
    unit_price_minor: int
    reservation: str
    sale: str
    no: int
    price_source: PriceSource
    total_minor: int
    origin: str = "walk_in"
    discount_minor: int = 0
    group: TeamOfLine | None = None
    unlock: UnlockOfLine | None = None


class PaymentView(msgspec.Struct, frozen=True, omit_defaults=True):
    """The payment whose money an order has, else the newest attempt; `url` is its page while open.

    `state` is the last word about the money: created, declined (with a `url`: a fresh page
    waits), authorised, captured, voided (it was granted and let go), closed (it was never
    granted), refunded. `attempt` counts from 1. `reason` says why granted money was let go;
    `error`, what the provider said of a capture that was given up, is for staff.
    """

    id: str
    state: str
    url: str | None
    attempt: int
    reason: str | None = None
    error: str | None = None


class Proof(msgspec.Struct, frozen=True):
    """A buyer's place in the decided order of a sale, as it was when the order was placed.

    `place` counts units, the buyer's own included, that were decided no later and were live then;
    `of` is how many there were on sale. `place` is never more. `decided_at_ms` is the press.
    """

    place: int
    of: int
    decided_at_ms: int


class Buyer(msgspec.Struct, frozen=True):
    """Who ordered, for the host."""

    id: str
    name: str


class RefundLineView(msgspec.Struct, frozen=True):
    """Units of a line that came back with a refund."""

    reservation: str
    qty: int


class RefundView(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Money that went back, is on its way, or could not go: done, pending, failed.

    `origin` is person, late (money that no order could take) or excess (what a provider took
    beyond the order's price). The buyer reads the reason;
    `error`, what the provider said, is for staff.
    """

    id: str
    state: str
    amount_minor: int
    currency: str
    reason: str
    origin: str
    restock: bool
    created_at_ms: int
    lines: list[RefundLineView]
    error: str | None = None


class OrderView(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An order as people see it; the field names are those of the wire.

    `proof` is in the detail alone, `buyer` in the host's list alone. `refunded_minor` is what
    is back for sure; it and `refunds`, oldest first, are absent while there are none.
    """

    id: str
    state: str
    total_minor: int
    currency: str
    created_at_ms: int
    paid_at_ms: int | None
    room: str
    parts: PriceParts
    lines: list[LineView]
    payment: PaymentView | None
    ship_to: str | None = None
    proof: Proof | None = None
    buyer: Buyer | None = None
    refunded_minor: int = 0
    refunds: list[RefundView] = []


class PaidLine(msgspec.Struct, frozen=True):
    """What the room may read of a paid line: the number and the title."""

    no: int
    title: str
    sale_id: str
