"""A draw as everybody sees it, an entry as its owner does, and every answer to a wish to enter."""

from __future__ import annotations

from enum import IntEnum

import msgspec

# What the order is computed by; a new way would get a new name.
ALGORITHM = "hubbub-draw-1"


class Entering(IntEnum):
    """The answers of `enter_draw_batch`, with the numbers that the SQL function uses.

    What a press can hear as well has the number of `Outcome`. They are two lists because neither
    function can give the other's answers: in one, `match` could not be complete for either.
    """

    ENTERED = 0
    REPLAYED = 1
    CONFLICT = 2
    NO_SUCH_SALE = 3
    NOT_OPEN = 4
    ENDED = 5
    LIMIT_REACHED = 6
    ALREADY_ENTERED = 7
    ENTRIES_CLOSED = 8
    NOT_A_DRAW = 9
    HALTED = 10


class Entry(msgspec.Struct, frozen=True):
    """An entry as it was answered; `state` is `entered` or `withdrawn`."""

    id: str
    sale_id: str
    qty: int
    state: str


class Refusal(msgspec.Struct, frozen=True):
    """A wish to enter that was refused; `opens_in_ms` of a sale that has not opened."""

    outcome: Entering
    opens_in_ms: int | None = None


Entered = Entry | Refusal


class EntryBatch(msgspec.Struct, frozen=True):
    """What one commit decided: parallel arrays in the order of the requests."""

    outcomes: list[int]
    is_withdrawn: list[bool]
    now_ms: int
    opens_at: int | None


class Receipt(msgspec.Struct, frozen=True):
    """An entry as its owner sees it at any time.

    `state` is `entered`, `withdrawn`, `won`, `lost`, or `void` when the sale ended undrawn; `rank`
    counts from 1 among `of`; `key` is what the rank was sorted by, in hex; `waiting` is the place
    in the line of somebody who lost and waits.
    """

    id: str
    sale_id: str
    user_id: str
    room_id: str
    qty: int
    state: str
    rank: int | None
    of: int | None
    key: str | None
    reservation_id: str | None
    waiting: int | None


class DrawView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A draw as the room sees it; what comes with the draw is left out before it."""

    commit: str
    entry_closes_at_ms: int
    entries: int = -1
    seed: str | None = None
    digest: str | None = None
    winners: int | None = None


class DrawPage(msgspec.Struct, frozen=True):
    """A stretch of a draw's public data, in the order of entry ids; hashes and seed in hex."""

    algorithm: str
    commit: str
    seed: str | None
    digest: str | None
    units: int
    entry_closes_at_ms: int
    entry_count: int
    winner_count: int | None
    entries: list[tuple[str, int]]
    winners: list[str]
    """The entries of this page that won."""
    is_end: bool


class Drawn(msgspec.Struct, frozen=True):
    """A draw that was just done, and where."""

    sale_id: str
    room_id: str
    seed: str
    digest: str
    entries: int
    winners: int
