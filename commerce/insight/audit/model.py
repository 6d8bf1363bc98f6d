"""What the auditor checks by, what it finds, and what it says."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Kind = Literal["pool", "order", "buyer", "room", "coupon", "clock"]
Severity = Literal["violation", "warning"]

# A report names this many offenders of each check; the count is exact anyway.
OFFENDERS_SHOWN_MAX = 20


class Check(msgspec.Struct, frozen=True):
    """One invariant: its name, what it works on, a sentence for people, and its SQL.

    `sql` returns the rows that break it, out of `facts`: the relation of its kind (`facts.py`)
    for the keys that are looked at. Each row has its key: `pool`, `order`, `sale` and `buyer`, or
    `room`. A check of kind `clock` breaks by waiting alone: it is asked every time, without keys,
    so it must read little.
    """

    name: str
    kind: Kind
    says: str
    sql: str
    severity: Severity = "violation"


class Offender(msgspec.Struct, frozen=True):
    """A row that breaks a check; `since_ms` is when that was first seen."""

    check: str
    kind: Kind
    key: str
    row: dict[str, Any]
    since_ms: int


Pair = tuple[str, str]


class Piece(msgspec.Struct, frozen=True):
    """What was read of a pool's journal or a room's log so far, from its first row on.

    That is up to `version`, an offset of a log. As many `rows` as `version` says that none is
    missing. Of a journal alone: what is `claimed` of the `total` there, and in `off_version` the
    first version at which less than nothing was claimed, or more than the total.
    """

    rows: int = 0
    version: int = 0
    claimed: int = 0
    total: int = 0
    off_version: int | None = None


UNREAD = Piece()


class Keys(msgspec.Struct):
    """What to look at: pools, orders, rooms, coupons by id, buyers as (sale, user).

    `pieces` is what earlier steps have read of journals and logs, by pool and by room.
    """

    pool: set[str] = set()
    order: set[str] = set()
    buyer: set[Pair] = set()
    room: set[str] = set()
    pieces: dict[str, Piece] = {}
    coupon: set[str] = set()

    def __len__(self) -> int:
        """Return how many keys there are."""
        return (
            len(self.pool) + len(self.order) + len(self.buyer) + len(self.room) + len(self.coupon)
        )


class Marks(msgspec.Struct):
    """Marks that were taken away, added up: what changed, and by how much the sums do."""

    keys: Keys
    live: dict[str, int]
    events: dict[str, int]
    deep: set[str]
    rows: int = 0


class Broken(msgspec.Struct, frozen=True):
    """A check that does not hold: how many rows break it, and the first of them."""

    check: str
    count: int
    rows: list[dict[str, Any]]
    says: str = ""
    since_ms: int | None = None


class Turn(msgspec.Struct, frozen=True):
    """How far the turn over everything is; times are Unix ms of the database.

    `keys` were looked at since `began_at_ms`; what was changed by nobody was last looked at, at the
    latest, in the whole turn that began at `last_began_at_ms` (None: there was none yet).
    """

    walk: str
    keys: int
    began_at_ms: int
    last_began_at_ms: int | None = None
    last_ended_at_ms: int | None = None


class AuditReport(msgspec.Struct, frozen=True):
    """What an audit says: nothing here is older than `at_ms` but what `turn` speaks of.

    `checked` counts what was looked at. `behind` are marks of changes that were visible at `at_ms`
    and wait for the next round: 0 means that every change before `at_ms` has been looked at.
    """

    ok: bool
    checked: dict[str, int]
    violations: list[Broken]
    warnings: list[Broken] = []
    mode: Literal["full", "incremental"] = "full"
    at_ms: int = 0
    behind: int = 0
    turn: Turn | None = None

    @property
    def oversold(self) -> int:
        """Return how many pools sold more than they had."""
        return sum(one.count for one in self.violations if one.check == "oversold")
