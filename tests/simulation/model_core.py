"""The reservation core as the pure rules over a dict.

Invariant: each decision is the product's own function from a `rules.py` or a table of steps; what
is written here is storage, which changes at once or not at all. What differs from PostgreSQL is
found by running the same seeds on both.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

from commerce.goods.adjustments.model import PoolCounts
from commerce.goods.adjustments.rules import check_total
from commerce.goods.inventory.model import BatchResult, Outcome, Request
from commerce.goods.inventory.rules import PoolState, SaleTerms, decide_batch
from commerce.goods.waiting_list.model import Join, Line, Waiter, Wish
from commerce.goods.waiting_list.rules import decide_join, decide_offers
from commerce.kernel.errors import CommerceError, invalid, not_found
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
    entry_id,
)
from tests.simulation.model_orders import NEVER_MS, ModelOrders
from tests.simulation.model_rows import Entry, Held, copied

SALE = "00000000-0000-4000-8000-000000000001"
LIVE = ("held", "paying", "sold")
Done = TypeVar("Done")


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
        self.line: dict[str, Entry] = {}
        """Who waits, in order of arrival."""
        self.sold_now: int | None = 0
        """The paid units; None when they are to be counted anew."""
        # What lives changes with the version alone.
        self.owned_version = 0
        self.owned_now: dict[str, frozenset[str]] = {}

    def close(self) -> None:
        """Nothing is open."""

    def jump_node_clock(self, skew_ms: int) -> None:
        """Keep the skew, which nothing here may ask."""
        self.skew_ms = skew_ms

    def whole(self, work: Callable[[], Done]) -> Done:
        """Do work that ends what is due first; when it refuses, that is taken back as well."""
        if not self.due():
            return work()
        kept = copied(self.holds), copied(self.entries), self.buyers.copy(), self.steps.copy()
        figures = self.figures()
        try:
            return work()
        except CommerceError:
            self.holds, self.entries, self.buyers, self.steps = kept
            self.total, self.claimed, self.version = figures
            self.next_due_ms, self.sold_now = 0, None
            self.line = {id: one for id, one in self.entries.items() if one.state == "waiting"}
            self.next_dead_order_ms = self.owned_version = 0
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
        if self.sold_now is None:
            self.sold_now = sum(one.qty for one in self.holds.values() if one.state == "sold")
        return self.sold_now

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
            is_sold_out=state.sold == self.total,
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
        if self.owned_version != self.version:
            owned: dict[str, set[str]] = {}
            for id, held in self.holds.items():
                if held.state in LIVE:
                    owned.setdefault(held.user_id, set()).add(id)
            self.owned_now = {user_id: frozenset(ids) for user_id, ids in owned.items()}
            self.owned_version = self.version
        return self.owned_now

    def free(self, ids: Sequence[str], from_states: Sequence[str], to_state: str) -> None:
        """Give units back, once, and serve the line in the same moment."""
        freed = [self.holds[id] for id in ids if self.holds[id].state in from_states]
        if not freed:
            return
        for held in freed:
            held.state = to_state
            self.buyers[held.user_id] -= held.qty
        self.step(-sum(held.qty for held in freed), 0)
        self.next_dead_order_ms = 0
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
        self.whole(lambda: self._check_change(delta))
        self.changes[key] = delta
        self.step(0, delta)
        self.serve()

    def _check_change(self, delta: int) -> None:
        if delta < 0:
            self.expire_due()
        check_total(PoolCounts("p", self.total, self.claimed, self.version), delta)

    # The waiting list -------------------------------------------------------------------------

    def in_line(self) -> list[Entry]:
        """Return who waits, in order of arrival."""
        return list(self.line.values())

    def step_out(self, entry: Entry, state: str, reason: str | None = None) -> None:
        """Let somebody who waits wait no more."""
        entry.state, entry.reason = state, reason
        del self.line[entry.id]

    def serve(self) -> None:
        """Give what is free to those who wait."""
        waiting = self.in_line() if self.line and self.claimed < self.total else []
        if not waiting:
            return
        ends_at_ms = self.terms.ends_at_ms
        is_over = ends_at_ms is not None and self.now_ms >= ends_at_ms
        offers, closed = decide_offers(
            self.total - self.claimed,
            [Waiter(e.id, e.qty, self.buyers[e.user_id], PER_BUYER, is_over) for e in waiting],
        )
        for id, reason in closed.items():
            self.step_out(self.entries[id], "closed", reason)
        if not offers:
            return
        won = [self.entries[id] for id in offers]
        self.step(sum(entry.qty for entry in won), 0)
        for entry in won:
            self.step_out(entry, "offered")
            entry.reservation_id = f"offer:{entry.id}"
            entry.offered_version = self.version
            self.hold(entry.reservation_id, entry.user_id, entry.qty, "waiting_list", OFFER_MS)
            self.holds[entry.reservation_id].entry_id = entry.id

    def join(self, user_id: str, qty: int, key: str) -> str:
        """Wait for units."""
        return self.whole(lambda: self._join(user_id, qty, key))

    def _join(self, user_id: str, qty: int, key: str) -> str:
        self.expire_due()
        wish = Wish(entry_id(user_id, SALE, key), SALE, user_id, qty)
        known = self.entries.get(wish.id)
        live = [
            entry.id
            for entry in self.entries.values()
            if entry.user_id == user_id and entry.state in ("waiting", "offered")
        ]
        line = Line(
            now_ms=self.now_ms,
            total=self.total,
            claimed=self.claimed,
            sold=self.sold(),
            waiting=len(self.line),
            bought=self.buyers[user_id],
            known_qty=known.qty if known else None,
            live_entry=live[0] if live else None,
        )
        join = decide_join(self.terms, line, wish)
        if join is Join.JOINED:
            entry = Entry(wish.id, user_id, qty, self.now_ms)
            self.entries[wish.id] = self.line[wish.id] = entry
        elif join is not Join.REPLAYED:
            raise CommerceError(join.value, "No place in the line.")
        return wish.id

    def leave(self, user_id: str, entry_id: str) -> None:
        """Leave the line, or pass an offer on."""
        entry = self.entries[entry_id]
        if entry.state == "waiting":
            self.step_out(entry, "left")
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

    def look(self, entry_id: str) -> tuple[str, str | None]:
        """Return an entry's state and offer."""
        entry = self.entries[entry_id]
        return entry.state, entry.reservation_id

    def due_jobs(self) -> list[str]:
        """Name the jobs that may have something to do: each knows before which time it has not."""
        now_ms, due = self.now_ms, []
        if now_ms >= self.next_due_ms:
            due.append("sweep")
        if now_ms >= self.next_dead_order_ms:
            due.append("expire_orders")
        if now_ms >= self.next_call_ms:
            due.append("run_calls")
        if now_ms >= self.next_question_ms:
            due.append("poll")
        if self.line and (self.claimed < self.total or self.why_hopeless()):
            due.append("tend")
        return due

    def tend(self) -> None:
        """Job: close what nothing can come for."""
        if not self.line:
            return
        self.serve()
        reason = self.why_hopeless()
        if reason is not None:
            for entry in self.in_line():
                self.step_out(entry, "closed", reason)

    def why_hopeless(self) -> str | None:
        """Return why nothing can come for who waits, or None."""
        ends_at_ms = self.terms.ends_at_ms
        if ends_at_ms is not None and self.now_ms >= ends_at_ms:
            return "ended"
        return "sold_out" if self.sold() == self.total else None

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
