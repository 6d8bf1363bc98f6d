"""The reservation core as the pure rules over a dict.

Invariant: each decision is the product's own function from a `rules.py` or a table of steps; what
is written here is storage, which changes at once or not at all. What differs from PostgreSQL is
found by running the same seeds on both.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from commerce.goods.adjustments.model import PoolCounts
from commerce.goods.adjustments.rules import check_total
from commerce.goods.inventory.model import BatchResult, Outcome, Request
from commerce.goods.inventory.rules import PoolState, SaleTerms, decide_batch
from commerce.goods.waiting_list.model import Join, Line, Waiter, Wish
from commerce.goods.waiting_list.rules import decide_join, decide_offers
from commerce.kernel.errors import CommerceError, invalid, not_found
from commerce.kernel.ids import entry_id
from commerce.sales.flash_sales.rules import LIMITS
from loadtests.journal_check import Step
from tests.simulation.core import (
    GRACE_MS,
    HOLD_MS,
    OFFER_MS,
    PER_BUYER,
    SALE_MS,
    UNITS,
    Books,
    EntryBook,
    ProviderDesk,
    ReservationBook,
)
from tests.simulation.model_orders import ModelOrders
from tests.simulation.model_rows import Entry, Held

SALE = "00000000-0000-4000-8000-000000000001"
LIVE = ("held", "paying", "sold")
NEVER_MS = 2**63 - 1


class ModelCore(ModelOrders):
    """One sale of the model; orders and payments are in `ModelOrders`."""

    sale_id = SALE

    def __init__(
        self, provider: ProviderDesk, start_ms: int, buyers: int, units: int = UNITS
    ) -> None:
        super().__init__(provider, start_ms)
        self.users = [str(uuid.UUID(int=n + 1)) for n in range(buyers)]
        self.terms = SaleTerms(SALE, "open", start_ms, start_ms + SALE_MS, PER_BUYER)
        self.total, self.claimed, self.version = units, 0, 1
        self.steps = [Step(1, 0, units, start_ms)]
        self.entries: dict[str, Entry] = {}
        self.changes: dict[str, int] = {}
        # Most questions are asked when there is nothing to do; these say so without a look.
        self.next_due_ms = 0
        """No hold ends before."""
        self.is_line_empty = True

    def close(self) -> None:
        """Nothing is open."""

    def set_clock(self, now_ms: int) -> None:
        """Move the clock."""
        self.now_ms = now_ms

    def jump_node_clock(self, skew_ms: int) -> None:
        """Keep the skew, which nothing here may ask."""
        self.skew_ms = skew_ms

    @contextmanager
    def undone_when_refused(self) -> Iterator[None]:
        """Take back what was done before a refusal, as a transaction does."""
        kept = None
        if self.due():
            kept = copy.deepcopy((self.holds, self.entries, self.buyers, self.steps))
        figures = self.figures()
        try:
            yield
        except CommerceError:
            if kept is not None:
                self.holds, self.entries, self.buyers, self.steps = kept
                self.total, self.claimed, self.version = figures
                self.next_due_ms, self.is_line_empty = 0, False
            raise

    # Stock ------------------------------------------------------------------------------------

    def pool_state(self, requests: Sequence[Request]) -> PoolState:
        """Return what a batch finds."""
        known = (self.holds.get(request.id) for request in requests)
        return PoolState(
            self.total,
            self.claimed,
            self.sold(),
            {held.id: held.qty for held in known if held is not None},
            {(SALE, one.user_id): self.buyers[one.user_id] for one in requests},
        )

    def sold(self) -> int:
        """Return the paid units."""
        return sum(held.qty for held in self.holds.values() if held.state == "sold")

    def reserve(self, requests: list[Request]) -> BatchResult:
        """Decide and commit one batch."""
        self.expire_due()
        self.serve()
        state = self.pool_state(requests)
        outcomes = decide_batch(state, {SALE: self.terms}, requests, self.now_ms)
        won = [r for r, o in zip(requests, outcomes, strict=True) if o is Outcome.RESERVED]
        if won:
            self.step(sum(request.qty for request in won), 0)
            for request in won:
                self.hold(request.id, request.user_id, request.qty, "walk_in", HOLD_MS)
        held = [self.holds.get(request.id) for request in requests]
        nothing: list[int | None] = [None] * len(requests)
        return BatchResult(
            outcomes=[int(outcome) for outcome in outcomes],
            states=[one.state if one else None for one in held],
            versions=[one.version if one else None for one in held],
            prices=nothing,
            shown_until=nothing,
            opens_at=nothing,
            now_ms=self.now_ms,
            pool_version=self.version,
            total=self.total,
            claimed=self.claimed,
            sold=state.sold,
            expired=[],
        )

    def step(self, claimed: int, total: int) -> None:
        """Change the pool's figures, with a row of the journal."""
        self.claimed += claimed
        self.total += total
        self.version += 1
        self.steps.append(Step(self.version, claimed, total, self.now_ms))

    def hold(self, id: str, user_id: str, qty: int, origin: str, hold_ms: int) -> None:
        """Store a granted reservation of the version that was just made."""
        release_at_ms = self.now_ms + hold_ms + GRACE_MS
        self.holds[id] = Held(id, user_id, qty, origin, self.version, self.now_ms, release_at_ms)
        self.buyers[user_id] += qty
        self.next_due_ms = min(self.next_due_ms, release_at_ms)

    def owned(self) -> dict[str, frozenset[str]]:
        """Return the ids of what holds or has units, by owner."""
        owned: dict[str, frozenset[str]] = {}
        for id, held in self.holds.items():
            if held.state in LIVE:
                owned[held.user_id] = owned.get(held.user_id, frozenset()) | {id}
        return owned

    def free(self, ids: Sequence[str], from_states: Sequence[str], to_state: str) -> None:
        """Give units back, once, and serve the line in the same moment."""
        freed = [self.holds[id] for id in ids if self.holds[id].state in from_states]
        if not freed:
            return
        for held in freed:
            held.state = to_state
            self.buyers[held.user_id] -= held.qty
        self.step(-sum(held.qty for held in freed), 0)
        after = "missed" if to_state == "expired" else "passed"
        for held in freed:
            entry = self.entry_of(held.id)
            if entry is not None and entry.state == "offered":
                entry.state = after
        self.serve()

    def entry_of(self, reservation_id: str) -> Entry | None:
        """Return the entry whose offer this reservation is."""
        held = self.holds[reservation_id]
        return self.entries[held.entry_id] if held.entry_id else None

    def due(self) -> list[str]:
        """Return the holds whose time is over."""
        if self.now_ms < self.next_due_ms:
            return []
        live = [one for one in self.holds.values() if one.state in ("held", "paying")]
        self.next_due_ms = min((one.release_at_ms for one in live), default=NEVER_MS)
        return [one.id for one in live if one.release_at_ms <= self.now_ms]

    def expire_due(self) -> None:
        """End the holds whose time is over."""
        due = self.due()
        if due:
            self.free(due, ["held", "paying"], "expired")

    def sweep(self) -> None:
        """Job: end due holds."""
        self.expire_due()

    def release(self, user_id: str, reservation_id: str) -> None:
        """Give a hold back."""
        held = self.holds.get(reservation_id)
        if held is None or held.user_id != user_id:
            raise not_found("reservation")
        self.free([reservation_id], ["held"], "released")
        if held.state in LIVE:
            raise CommerceError("wrong_state", held.state)

    def adjust(self, delta: int, key: str) -> None:
        """Change the total."""
        if key in self.changes:
            return
        if self.total + delta < LIMITS["quantity"][0]:
            raise invalid("A flash sale has units.", field="quantity")
        with self.undone_when_refused():
            if delta < 0:
                self.expire_due()
            check_total(PoolCounts("p", self.total, self.claimed, self.version), delta)
        self.changes[key] = delta
        self.step(0, delta)
        self.serve()

    # The waiting list -------------------------------------------------------------------------

    def in_line(self) -> list[Entry]:
        """Return who waits, in order of arrival."""
        if self.is_line_empty:
            return []
        waiting = [entry for entry in self.entries.values() if entry.state == "waiting"]
        self.is_line_empty = not waiting
        return waiting

    def serve(self) -> None:
        """Give what is free to those who wait."""
        waiting = self.in_line() if self.claimed < self.total else []
        if not waiting:
            return
        ends_at_ms = self.terms.ends_at_ms
        is_over = ends_at_ms is not None and self.now_ms >= ends_at_ms
        offers, closed = decide_offers(
            self.total - self.claimed,
            [Waiter(e.id, e.qty, self.buyers[e.user_id], PER_BUYER, is_over) for e in waiting],
        )
        for id, reason in closed.items():
            self.entries[id].state, self.entries[id].reason = "closed", reason
        if not offers:
            return
        won = [self.entries[id] for id in offers]
        self.step(sum(entry.qty for entry in won), 0)
        for entry in won:
            entry.state, entry.reservation_id = "offered", f"offer:{entry.id}"
            entry.offered_version = self.version
            self.hold(entry.reservation_id, entry.user_id, entry.qty, "waiting_list", OFFER_MS)
            self.holds[entry.reservation_id].entry_id = entry.id

    def join(self, user_id: str, qty: int, key: str) -> str:
        """Wait for units."""
        with self.undone_when_refused():
            return self._join(user_id, qty, key)

    def _join(self, user_id: str, qty: int, key: str) -> str:
        self.expire_due()
        wish = Wish(entry_id(user_id, SALE, key), SALE, user_id, qty)
        known = self.entries.get(wish.id)
        mine = [e for e in self.entries.values() if e.user_id == user_id]
        live = [e.id for e in mine if e.state in ("waiting", "offered")]
        line = Line(
            now_ms=self.now_ms,
            total=self.total,
            claimed=self.claimed,
            sold=self.sold(),
            waiting=len(self.in_line()),
            bought=self.buyers[user_id],
            known_qty=known.qty if known else None,
            live_entry=live[0] if live else None,
        )
        join = decide_join(self.terms, line, wish)
        if join is Join.JOINED:
            self.entries[wish.id] = Entry(wish.id, user_id, qty, self.now_ms)
            self.is_line_empty = False
        elif join is not Join.REPLAYED:
            raise CommerceError(join.value, "No place in the line.")
        return wish.id

    def leave(self, user_id: str, entry_id: str) -> None:
        """Leave the line, or pass an offer on."""
        entry = self.entries[entry_id]
        if entry.state == "waiting":
            entry.state = "left"
        elif entry.state == "offered":
            assert entry.reservation_id is not None
            self.free([entry.reservation_id], ["held"], "released")
        if entry.state in ("offered", "bought"):
            raise CommerceError("wrong_state", entry.state)

    def read_entry(self, entry_id: str) -> EntryBook:
        """Return an entry."""
        e = self.entries[entry_id]
        return EntryBook(
            id=e.id,
            user_id=e.user_id,
            qty=e.qty,
            state=e.state,
            reservation_id=e.reservation_id,
            offered_version=e.offered_version,
            joined_at_ms=e.joined_at_ms,
        )

    def tend(self) -> None:
        """Job: close what nothing can come for."""
        if not self.in_line():
            return
        self.serve()
        ends_at_ms = self.terms.ends_at_ms
        is_over = ends_at_ms is not None and self.now_ms >= ends_at_ms
        if is_over or self.sold() == self.total:
            for entry in self.in_line():
                entry.state, entry.reason = "closed", "ended" if is_over else "sold_out"

    def figures(self) -> tuple[int, int, int]:
        """Return the pool's total, what is claimed of it, and its version."""
        return self.total, self.claimed, self.version

    def read(self) -> Books:
        """Return everything."""
        return Books(
            total=self.total,
            claimed=self.claimed,
            steps=tuple(self.steps),
            reservations={
                held.id: ReservationBook(
                    id=held.id,
                    user_id=held.user_id,
                    qty=held.qty,
                    state=held.state,
                    origin=held.origin,
                    version=held.version,
                    decided_at_ms=held.decided_at_ms,
                    release_at_ms=held.release_at_ms,
                )
                for held in self.holds.values()
            },
            orders={id: self.read_order(id) for id in self.orders},
            entries=[self.read_entry(id) for id in self.entries],
            buyers=dict(self.buyers),
        )
