"""What a request for stock is, and every answer it can get."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from commerce.goods.press_rules.model import PressRules

# One press can ask for at most this many units; more is a typing error or an attack.
QTY_MAX = 1000


class Outcome(IntEnum):
    """The answers of `reserve_batch`, with the numbers that the SQL function uses."""

    RESERVED = 0
    REPLAYED = 1
    CONFLICT = 2
    NO_SUCH_SALE = 3
    NOT_OPEN = 4
    ENDED = 5
    LIMIT_REACHED = 6
    SOLD_OUT = 7
    HELD_OUT = 8
    NOT_ENOUGH_LEFT = 9
    HALTED = 10


class Request(msgspec.Struct, frozen=True):
    """One press: `id` is derived from user, sale and idempotency key."""

    id: str
    sale_id: str
    user_id: str
    qty: int


class Reservation(msgspec.Struct, frozen=True):
    """A hold as its buyer sees it; money in minor units, times in Unix ms of the database."""

    id: str
    sale_id: str
    user_id: str
    sku: str
    qty: int
    unit_price_minor: int
    currency: str
    state: str
    version: int
    decided_at_ms: int
    shown_until_ms: int
    expires_in_ms: int


class Grant(msgspec.Struct, frozen=True):
    """What a commit says of a request that it granted, or that met its own row."""

    price_minor: int | None
    shown_until_ms: int | None
    version: int | None
    state: str | None
    now_ms: int


class Reserved(msgspec.Struct, frozen=True):
    """The answer of a granted request, also when a retry meets its own row."""

    reservation: Reservation


class Refused(msgspec.Struct, frozen=True):
    """The answer of a refused request; `version` is the pool's version that it is true of."""

    outcome: Outcome
    version: int
    opens_in_ms: int | None = None
    available: int | None = None
    is_latched: bool = False
    waiting: int | None = None
    """How many wait for units that come free; known of a pool that is held out."""
    reason: str | None = None
    """Why the host stopped the sale, of HALTED alone."""


Answer = Reserved | Refused


class Hold(msgspec.Struct, frozen=True):
    """A reservation that was freed: whom to tell, and which figures changed."""

    id: str
    sale_id: str
    user_id: str


class PooledSale(msgspec.Struct, frozen=True):
    """What a process remembers of a sale to address its pool; none of it decides anything."""

    id: str
    pool_id: str
    room_id: str
    sku: str
    currency: str
    rules: PressRules | None = None
    """Who may press; a sale keeps the rules that it was armed with."""
    is_drawn: bool = False
    """Its units are drawn first, as it was armed."""
    is_grouped: bool = False
    """Its units are had in teams alone."""


class BatchResult(msgspec.Struct, frozen=True):
    """What one commit decided: parallel arrays in the order of the requests."""

    outcomes: list[int]
    states: list[str | None]
    versions: list[int | None]
    prices: list[int | None]
    shown_until: list[int | None]
    opens_at: list[int | None]
    now_ms: int
    pool_version: int
    total: int
    claimed: int
    is_sold_out: bool
    """Whether every unit is paid for; else, when none is free, some are held."""
    expired: list[Hold]

    @property
    def available(self) -> int:
        """Return the units that nobody has claimed."""
        return self.total - self.claimed
