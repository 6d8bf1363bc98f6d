"""An entry of a waiting list, and every answer that somebody who wants to join can get."""

from __future__ import annotations

from enum import StrEnum

import msgspec

# More people in one line could not be served within a show: an offer may take 90 s to come back.
# It also bounds what counting places and serving the line cost.
LIST_MAX = 5_000


class Join(StrEnum):
    """The answers to a wish to wait; all but the first two are refusals with this code."""

    JOINED = "joined"
    REPLAYED = "replayed"
    CONFLICT = "idempotency_conflict"
    ALREADY_WAITING = "already_waiting"
    NOT_OPEN = "not_open"
    HALTED = "halted"
    ENDED = "ended"
    LIMIT_REACHED = "limit_reached"
    NOT_HELD_OUT = "not_held_out"
    SOLD_OUT = "sold_out"
    NOT_ENOUGH_LEFT = "not_enough_left"
    LIST_FULL = "list_full"


class Wish(msgspec.Struct, frozen=True):
    """A wish to wait: `id` is derived from user, sale and idempotency key."""

    id: str
    sale_id: str
    user_id: str
    qty: int


class Line(msgspec.Struct, frozen=True):
    """A pool and a buyer's standing in it, as the decision finds them under the pool's lock."""

    now_ms: int
    total: int
    claimed: int
    sold: int
    waiting: int
    """Entries of the pool that wait."""
    bought: int
    """Live quantity of this buyer in this sale."""
    known_qty: int | None
    """What the entry with the wish's own id asked for, when there is one."""
    live_entry: str | None
    """This buyer's entry of this sale that waits or has an offer."""


class Entry(msgspec.Struct, frozen=True):
    """An entry as its owner sees it; `place` counts from 1 in the pool's line while it waits."""

    id: str
    sale_id: str
    user_id: str
    room_id: str
    room: str
    pool_id: str
    qty: int
    state: str
    place: int | None
    waiting: int
    reservation_id: str | None
    reason: str | None


class Waiter(msgspec.Struct, frozen=True):
    """An entry in line as the one who serves it sees it."""

    id: str
    qty: int
    bought: int
    per_buyer: int | None
    is_over: bool = False
    """Whether its sale has ended."""
    is_halted: bool = False
    """Whether its sale was stopped for a while; its time may be over all the same."""
