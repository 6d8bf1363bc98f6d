"""What a run leaves for the verdict: what every client saw, and what the server says is true.

Invariant: nothing here is judged; it can be written to a file and judged elsewhere. Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from loadtests.canonical import Mix
from loadtests.journal_check import Step
from loadtests.room_view import RoomView

RESERVED = "reserved"
UNANSWERED = "unanswered"


class Press(msgspec.Struct):
    """One press of *buy* under one idempotency key, and how it was decided."""

    key: str
    via: str
    outcome: str = UNANSWERED
    reservation: str | None = None
    version: int | None = None
    """The pool's version that the answer is true of."""
    pressed_ms: float = 0.0
    answered_ms: float = 0.0


class OrderSeen(msgspec.Struct, frozen=True):
    """An order as its buyer reads it at the end."""

    id: str
    state: str
    reservations: list[str | None]


class BuyerSeen(msgspec.Struct):
    """What one buyer was told during the run, and reads at its end."""

    user: str
    presses: list[Press] = []
    released: list[str] = []
    paid: list[str] = []
    """Orders whose payment the provider took."""
    holds: list[str] = []
    """Live holds of the sale, read at the end."""
    orders: list[OrderSeen] = []
    """Orders with a line of the sale, read at the end."""

    @property
    def acked(self) -> set[str]:
        """Return the reservations that were promised to this buyer."""
        return {p.reservation for p in self.presses if p.reservation is not None}


class ClientSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What one client saw of the room."""

    name: str
    joined: bool
    epoch: str | None
    based_at: int
    offset: int
    events: dict[int, int]
    covered: list[tuple[int, int]]
    repeats: int
    conflicts: int
    gaps: int
    syncs: int
    versions_back: int
    malformed: int
    own_lines_missing: int
    lines_seen: int
    lines_dropped: int
    recoveries: dict[str, int]
    closes: dict[str, int]
    processes: dict[str, int]


class SaleSeen(msgspec.Struct, frozen=True):
    """The flash sale at the end, from the room's state."""

    id: str
    units: int
    stock: list[int]


class JournalSeen(msgspec.Struct, frozen=True):
    """The sale's pool, version by version; `granted` is reservation id → version."""

    steps: list[Step]
    granted: dict[str, int]


class Measure(msgspec.Struct, frozen=True):
    """One row of Locust's statistics; durations in ms."""

    name: str
    count: int
    failures: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run can say."""

    machine: str
    commit: str
    command: str
    mix_name: str
    mix: Mix
    took_s: float
    troubles: list[str]
    """What kept the run from being carried out as planned."""
    failures: list[str]
    """Requests that Locust counts as failed, by name and reason."""
    client_lag_p99_ms: float
    """How late this process's own timers were: latencies below it mean nothing."""
    epoch: str | None
    base_offset: int
    end_offset: int
    log: dict[int, int] | None
    """The room's log after `base_offset`, read by a fresh client; None: it could not be read."""
    clients: list[ClientSeen]
    buyers: list[BuyerSeen]
    sale: SaleSeen | None
    audit: dict[str, Any] | None
    journal: JournalSeen | None
    measures: list[Measure]
    delivery: dict[str, Any] | None = None
    """The last minute's delivery, as the console reads it from the clients' acknowledgements."""


def see_client(
    name: str, view: RoomView, *, closes: dict[str, int], processes: dict[str, int]
) -> ClientSeen:
    """Note what a client has seen so far."""
    lane = view.lane
    # A line that was accepted just before a break may be shown to others only.
    own_lines_missing = 0 if closes else len(view.own_lines)
    return ClientSeen(
        name=name,
        joined=lane.based_at is not None,
        epoch=lane.epoch,
        based_at=lane.based_at or 0,
        offset=lane.offset,
        events=dict(lane.events),
        covered=list(lane.covered),
        repeats=lane.repeats,
        conflicts=lane.conflicts,
        gaps=lane.gaps,
        syncs=lane.syncs,
        versions_back=view.versions_back,
        malformed=view.malformed,
        own_lines_missing=own_lines_missing,
        lines_seen=view.lines_seen,
        lines_dropped=view.lines_dropped,
        recoveries=dict(view.recoveries),
        closes=dict(closes),
        processes=dict(processes),
    )
