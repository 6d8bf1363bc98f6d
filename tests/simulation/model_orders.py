"""Orders and payments of the model: the product's decisions, with dicts for tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence

from commerce.kernel.errors import CommerceError, not_found
from commerce.orders.checkout.model import ORDER, LateLine, PlaceOrder
from commerce.orders.checkout.rules import (
    check_still_held,
    decide_late,
    decide_settlement,
    hash_request,
    is_late,
    next_release_at_ms,
    quote_order,
)
from commerce.orders.payments.model import PAYMENT, Payment, PaymentReport, Settled, Settlement
from commerce.orders.payments.ports import ProviderRefusedError, ProviderUnavailableError
from commerce.orders.payments.reports import CREATE_DELAY_MS
from commerce.orders.payments.rules import (
    call_answered_by,
    check_amount,
    decide_steps,
    next_retry_ms,
)
from commerce.orders.payments.service import CALL_LEASE_MS, CALLS_A_ROUND_MAX, SILENT_MS
from tests.simulation.core import CURRENCY, PER_BUYER, OrderBook, ProviderDesk
from tests.simulation.core import order_id as derive_order_id
from tests.simulation.model_rows import POOL, SHOW, Attempt, Call, Entry, Held, Order

NEVER_MS = 2**63 - 1


class ModelOrders(ABC):
    """The half of the model that follows money; the other half has the stock."""

    total: int
    claimed: int
    sold_now: int | None

    def __init__(self, provider: ProviderDesk, start_ms: int) -> None:
        self.provider = provider
        self.now_ms = start_ms
        self.skew_ms = 0
        self.holds: dict[str, Held] = {}
        self.buyers: Counter[str] = Counter()
        self.orders: dict[str, Order] = {}
        self.attempts: dict[str, Attempt] = {}
        self.calls: dict[tuple[str, str], Call] = {}
        self.events: set[str] = set()
        # What a job still has to look at, in the order it came; what is over is taken out.
        self.unpaid: dict[str, Order] = {}
        self.unanswered: dict[str, Attempt] = {}
        self.pending: dict[tuple[str, str], Call] = {}
        self.tries: dict[str, list[Attempt]] = {}
        # Before these times the jobs have nothing to look at.
        self.next_dead_order_ms = self.next_call_ms = self.next_question_ms = NEVER_MS

    @abstractmethod
    def free(self, ids: Sequence[str], from_states: Sequence[str], to_state: str) -> None:
        """Give units back, once."""

    @abstractmethod
    def expire_due(self) -> None:
        """End the holds whose time is over."""

    @abstractmethod
    def step(self, claimed: int, total: int) -> None:
        """Change the pool's figures."""

    @abstractmethod
    def entry_of(self, reservation_id: str) -> Entry | None:
        """Return the entry whose offer a reservation is."""

    # Orders -----------------------------------------------------------------------------------

    def place_order(self, user_id: str, key: str, ids: Sequence[str]) -> str:
        """Order reservations; a repeated key meets its own order."""
        wish = PlaceOrder(user_id, key, list(ids))
        id = derive_order_id(user_id, key)
        known = self.orders.get(id)
        if known is None:
            found = [self.holds[one] for one in ids if one in self.holds]
            draft = quote_order(wish, [held.as_hold() for held in found])
            check_still_held([held.as_state() for held in found], self.now_ms)
            for held in found:
                held.release_at_ms = next_release_at_ms(held.as_state(), self.now_ms)
                held.state, held.is_extended = "paying", True
                self.next_dead_order_ms = min(self.next_dead_order_ms, held.release_at_ms)
            order = Order(id, user_id, draft.request_hash, draft.total_minor, list(ids))
            self.orders[id] = self.unpaid[id] = order
            self.create(self.open(order))
        elif known.request_hash != hash_request(wish):
            raise CommerceError("idempotency_conflict", "This key ordered something else.")
        elif known.state == "awaiting_payment":
            self.create(self.attempts_of(id)[-1])
        return id

    def attempts_of(self, order_id: str) -> list[Attempt]:
        """Return an order's attempts to pay, oldest first."""
        return self.tries.get(order_id, [])

    def read_order(self, order_id: str) -> OrderBook:
        """Return an order."""
        order = self.orders[order_id]
        return OrderBook(
            id=order.id,
            user_id=order.user_id,
            state=order.state,
            total_minor=order.total_minor,
            reservation_ids=tuple(order.reservation_ids),
            payments=[(one.payment.id, one.state) for one in self.attempts_of(order_id)],
        )

    def cancel(self, user_id: str, order_id: str) -> None:
        """Cancel an unpaid order."""
        order = self.orders.get(order_id)
        if order is None or order.user_id != user_id:
            raise not_found("order")
        if order.state != "cancelled":
            self.end_order(order, "cancel", "released")

    def end_order(self, order: Order, event: str, hold_state: str) -> None:
        """End an order without money."""
        order.state = ORDER.next(order.state, event)
        self.free(order.reservation_ids, ["paying"], hold_state)
        for one in self.attempts_of(order.id):
            if one.state in ("created", "declined", "authorised"):
                self.owe(one.payment.id, "void", 0)

    def expire_orders(self) -> None:
        """Job: end waiting orders that have lost a reservation."""
        # What ends frees units, which looks like another death: then the next round looks again.
        self.next_dead_order_ms = NEVER_MS
        for order in list(self.unpaid.values()):
            self.expire_if_dead(order)
            if order.state != "awaiting_payment":
                del self.unpaid[order.id]
                continue
            ends_ms = min(self.holds[id].release_at_ms for id in order.reservation_ids)
            self.next_dead_order_ms = min(self.next_dead_order_ms, ends_ms)

    def expire_if_dead(self, order: Order) -> None:
        """End a waiting order that has lost a reservation."""
        if order.state != "awaiting_payment":
            return
        for id in order.reservation_ids:
            one = self.holds[id]
            is_alive = one.state == "paying" and one.release_at_ms > self.now_ms
            if one.state != "sold" and not is_alive:
                self.end_order(order, "expire", "expired")
                return

    def settle(self, order: Order) -> Settlement:
        """Make an order paid while its reservations are its own, or have them again."""
        held = [self.holds[id] for id in order.reservation_ids]
        settlement = decide_settlement(order.state, [h.as_state() for h in held], self.now_ms)
        if is_late(settlement) and self.reserve_again(held):
            settlement = Settled()
        if isinstance(settlement, Settled):
            order.state = ORDER.next(order.state, "pay")
            self.sold_now = None
            for one in held:
                one.state = "sold"
                entry = self.entry_of(one.id)
                if entry is not None and entry.state == "offered":
                    entry.state = "bought"
        return settlement

    def decide_late(self, lines: Sequence[LateLine]) -> bool:
        """Ask the rules whether what is lost can be had again."""
        return decide_late(lines, {POOL: self.total - self.claimed}, self.now_ms)

    def reserve_again(self, held: Sequence[Held]) -> bool:
        """Have all lost reservations of an order again, or none."""
        self.expire_due()
        lost = [one for one in held if one.state == "expired"]
        lines = [
            LateLine(
                id=one.id,
                pool_id=POOL,
                sale_id=SHOW,
                qty=one.qty,
                state=one.state,
                release_at_ms=one.release_at_ms,
                per_buyer=PER_BUYER,
                bought=self.buyers[one.user_id],
                is_stopped=False,
            )
            for one in held
        ]
        if not self.decide_late(lines):
            for one in lost:
                one.state = "refused_late"
            return False
        for one in lost:
            self.buyers[one.user_id] += one.qty
        if lost:
            self.step(sum(one.qty for one in lost), 0)
        return True

    # Payments ---------------------------------------------------------------------------------

    def open(self, order: Order) -> Attempt:
        """Store an attempt to pay, whose creation is owed."""
        payment = Payment(
            id=f"pay-{len(self.attempts):04}",
            order_id=order.id,
            provider="simulated",
            provider_ref=None,
            url=None,
            amount_minor=order.total_minor,
            currency=CURRENCY,
            state="created",
        )
        attempt = Attempt(payment, "created", self.now_ms)
        self.attempts[payment.id] = self.unanswered[payment.id] = attempt
        self.tries.setdefault(order.id, []).append(attempt)
        self.owe(payment.id, "create", CREATE_DELAY_MS)
        return attempt

    def owe(self, payment_id: str, kind: str, delay_ms: int) -> None:
        """Owe the provider a call, once; one that had failed is owed anew, and counts as begun.

        So is a void that found nothing, for money that came after it.
        """
        key = payment_id, kind
        call = self.calls.setdefault(key, Call(payment_id, kind, self.now_ms + delay_ms))
        self.pending[key] = call
        if call.state == "failed" or (kind == "void" and call.state == "done"):
            call.state, call.attempts, call.next_at_ms = "pending", 1, self.now_ms
        self.next_call_ms = min(self.next_call_ms, call.next_at_ms)

    def create(self, attempt: Attempt) -> None:
        """Try to create a payment at once; otherwise a worker will."""
        if attempt.is_known_there or attempt.state != "created":
            return
        try:
            self.take(self.provider.call("create", attempt.payment), "create")
        except (ProviderUnavailableError, ProviderRefusedError, CommerceError):
            return

    def take_webhook(self, event_id: str, report: PaymentReport) -> None:
        """Take a report, once."""
        if event_id not in self.events:
            self.events.add(event_id)
            self.apply(report)

    def take(self, report: PaymentReport, kind: str | None = None) -> None:
        """Apply a report, and note the call that it answers."""
        self.apply(report)
        if kind is not None:
            self.finish(report.payment_id, kind)

    def finish(self, payment_id: str, kind: str) -> bool:
        """Note that a call is over; False when nobody waited for it."""
        call = self.calls.get((payment_id, kind))
        if call is None or call.state == "done":
            return False
        call.state = "done"
        return True

    def apply(self, report: PaymentReport) -> None:
        """Walk a payment to the reported state."""
        attempt = self.attempts[report.payment_id]
        check_amount(attempt.payment, report)
        if not attempt.is_known_there:
            attempt.is_known_there = True
            self.next_question_ms = min(self.next_question_ms, attempt.created_at_ms + SILENT_MS)
        steps = decide_steps(attempt.state, report)
        for step in steps:
            attempt.state = PAYMENT.next(attempt.state, step)
        answered = call_answered_by(attempt.state)
        if answered is not None and attempt.state == report.state:
            self.finish(report.payment_id, answered)
        if not steps:
            return
        order = self.orders[attempt.payment.order_id]
        if "authorise" in steps:
            self.use_money(attempt, order, is_captured="capture" in steps)
        elif "capture" in steps and self.finish(report.payment_id, "void"):
            self.owe(report.payment_id, "refund", 0)
        elif attempt.state in ("declined", "voided") and order.state == "awaiting_payment":
            self.create(self.open(order))

    def use_money(self, attempt: Attempt, order: Order, *, is_captured: bool) -> None:
        """Confirm the order with authorised money, or let the money go."""
        void = self.calls.get((attempt.payment.id, "void"))
        if void is not None and void.state == "pending" and void.attempts == 0:
            del self.calls[attempt.payment.id, "void"], self.pending[attempt.payment.id, "void"]
            void = None
        settled = void is None and isinstance(self.settle(order), Settled)
        if settled:
            for one in self.attempts_of(order.id):
                # The page after a declined card, or that card's own: neither takes one any more.
                if one is not attempt and one.state in ("created", "declined"):
                    self.owe(one.payment.id, "void", 0)
            if not is_captured:
                self.owe(attempt.payment.id, "capture", 0)
            return
        if is_captured:
            self.finish(attempt.payment.id, "void")
        self.owe(attempt.payment.id, "refund" if is_captured else "void", 0)
        self.expire_if_dead(order)

    def run_calls(self) -> None:
        """Job: make the calls that are due, each claimed when the one before is answered."""
        for _ in range(CALLS_A_ROUND_MAX):
            call = self.claim_call()
            if call is None:
                self.next_call_ms = min(
                    (one.next_at_ms for one in self.pending.values()), default=NEVER_MS
                )
                return
            try:
                self.make(call)
            except ProviderUnavailableError:
                self.postpone(call)
            except (ProviderRefusedError, CommerceError):
                if call.kind in ("capture", "void") and not self.ask_what_it_is(
                    self.attempts[call.payment_id]
                ):
                    self.postpone(call)
                    continue
                call.state = "failed" if call.state == "pending" else call.state

    def postpone(self, call: Call) -> None:
        """Make a call again later, or give it up."""
        pause_ms = next_retry_ms(call.attempts)
        call.state = "failed" if pause_ms is None else call.state
        call.next_at_ms = self.now_ms + (pause_ms or 0)

    def ask_what_it_is(self, attempt: Attempt) -> bool:
        """Learn what a payment is; False when the provider is away."""
        try:
            self.take(self.provider.call("status", attempt.payment))
        except ProviderUnavailableError:
            return False
        except (ProviderRefusedError, CommerceError):
            pass
        return True

    def claim_call(self) -> Call | None:
        """Take the most urgent due call, the oldest first; what was withdrawn is not there."""
        self.pending = {key: one for key, one in self.pending.items() if one.state == "pending"}
        due = [call for call in self.pending.values() if call.next_at_ms <= self.now_ms]
        if not due:
            return None
        urgency = {"capture": 0, "void": 2}
        call = min(due, key=lambda one: (urgency.get(one.kind, 1), one.next_at_ms))
        call.attempts += 1
        call.next_at_ms = self.now_ms + CALL_LEASE_MS
        return call

    def make(self, call: Call) -> None:
        """Make one call and take its answer."""
        attempt = self.attempts[call.payment_id]
        if not attempt.is_known_there:
            self.take(self.provider.call("create", attempt.payment), "create")
            if call.kind == "create":
                return
        kind = "status" if call.kind == "create" else call.kind
        self.take(self.provider.call(kind, attempt.payment), call.kind)
        if kind == "refund" and PAYMENT.allows(attempt.state, kind):
            # Late money goes back whole; no report is a step to it, our own refund is.
            attempt.state = PAYMENT.next(attempt.state, kind)

    def poll(self) -> None:
        """Job: ask after payments that nothing was heard of."""
        next_question_ms = self.now_ms + SILENT_MS  # What is asked now or opened is due by then.
        for id, attempt in list(self.unanswered.items()):
            order = self.orders[attempt.payment.order_id]
            is_open = attempt.state in ("created", "declined")
            if not is_open or order.state != "awaiting_payment":
                del self.unanswered[id]
                continue
            due_ms = max(attempt.created_at_ms, attempt.polled_at_ms) + SILENT_MS
            if attempt.is_known_there and due_ms <= self.now_ms:
                attempt.polled_at_ms = self.now_ms
                self.ask_what_it_is(attempt)
            elif attempt.is_known_there:
                next_question_ms = min(next_question_ms, due_ms)
        # Last: a worker that is killed while it asks has not looked at the rest.
        self.next_question_ms = next_question_ms if self.unanswered else NEVER_MS
