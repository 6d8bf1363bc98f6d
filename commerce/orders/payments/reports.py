"""Apply what a provider reports: walk the payment along its table, let its order follow.

Invariant: everything here runs in the transaction of its caller, in the lock order payment, order,
reservations; what is owed to a provider is a row, made by a job after COMMIT.
"""

from __future__ import annotations

import logging

import msgspec

from commerce.kernel.ports import Ids, Transaction
from commerce.orders.payments import store
from commerce.orders.payments.cards import Cards
from commerce.orders.payments.model import (
    PAYMENT,
    REFUND,
    Payment,
    PaymentReport,
    Refund,
    RefundReport,
    Settled,
    Settlement,
    TooLate,
)
from commerce.orders.payments.ports import PayingOrder, PaymentPorts
from commerce.orders.payments.rules import (
    call_answered_by,
    check_amount,
    check_refund,
    decide_steps,
    excess_of,
    is_from,
    is_of_old_attempt,
    next_refund_state,
    view_excess,
)

log = logging.getLogger(__name__)

# Whoever opens a payment creates it at once; the worker comes in only when that has failed.
CREATE_DELAY_MS = 3_000
ERROR_CHARS_MAX = 500
# Why money goes back that was taken beyond an order's price.
EXCESS = "captured_in_full"
# Why an order stands on granted money no more.
CAPTURE_FAILED = "capture_failed"


class After(msgspec.Struct, frozen=True):
    """What to do once a report's transaction is committed."""

    fresh_payment: str | None = None
    dead_order: str | None = None


class Reports:
    """What becomes of payments and refunds by what is reported of them."""

    def __init__(self, ids: Ids, ports: PaymentPorts, cards: Cards) -> None:
        self._ids = ids
        self._cards = cards
        self._orders = ports.orders
        self._refunded = ports.refunded
        self._current = next(iter(ports.providers))

    async def open(
        self, transaction: Transaction, *, order_id: str, amount_minor: int, currency: str
    ) -> str:
        """Store a new attempt to pay and owe the provider its creation; return its id."""
        payment = Payment(
            id=self._ids.new(),
            order_id=order_id,
            provider=self._current,
            provider_ref=None,
            url=None,
            amount_minor=amount_minor,
            currency=currency,
            state="created",
        )
        await store.insert_payment(transaction, payment)
        await self._owe(transaction, payment.id, "create", delay_ms=CREATE_DELAY_MS)
        return payment.id

    async def apply(
        self, transaction: Transaction, report: PaymentReport, *, provider: str
    ) -> After | None:
        """Walk the payment to the reported state, as far as the table of steps allows.

        None when the report is about no payment that this provider has of ours.
        """
        payment = await store.lock_payment(transaction, report.payment_id)
        if payment is None or not is_from(payment, provider, report):
            name, ref = report.payment_id, report.provider_ref
            log.warning("%s reports payment %s as %s, which is not ours", provider, name, ref)
            return None
        check_amount(payment, report)
        if payment.provider_ref is None or (payment.url is None and report.url is not None):
            await store.update_provider(
                transaction, payment.id, provider_ref=report.provider_ref, url=report.url
            )
        steps = decide_steps(payment.state, report)
        state = payment.state
        for step in steps:
            state = PAYMENT.next(state, step)
        answered = call_answered_by(state)
        if answered is not None and state == report.state:
            # Somebody else did it, or the answer was lost: the call is over either way.
            await store.finish_call(transaction, payment.id, answered)
        if not steps:
            return After()
        excess_minor = excess_of(payment, report)
        payment = await self._note_taken(transaction, payment, payment.amount_minor + excess_minor)
        await store.update_state(
            transaction, payment.id, state, is_authorised_now="authorise" in steps
        )
        order = await self._orders.lock(transaction, payment.order_id)
        if "authorise" in steps:
            card = await self._cards.note(transaction, payment, report)
            is_captured = "capture" in steps
            return await self._settle(transaction, payment, order, card, is_captured=is_captured)
        if "capture" in steps:
            await self._give_back_taken(transaction, payment, order, excess_minor)
        if state == "voided" and payment.state == "authorised" and order.has_money:
            return await self.replace_lost(transaction, payment) or After()
        is_unpaid = payment.state == "created"
        if state in ("declined", "voided") and order.is_waiting and is_unpaid:
            return await self._reopen(transaction, payment, order, state)
        return After()

    async def replace_lost(self, transaction: Transaction, payment: Payment) -> After | None:
        """Let a team's seat go on without the money of a locked payment, as its order decides.

        Its order is locked too. An authorisation that cannot be captured is owed its void. None
        when the payment is for other goods, or was let go before: nothing has changed. The order
        may stand on the money that came after it by then.
        """
        if payment.let_go_reason is not None:
            return None
        what = await self._orders.lose_money(transaction, payment.order_id)
        if what is None:
            return None
        await store.finish_call(transaction, payment.id, "capture")
        await store.update_let_go(transaction, payment.id, CAPTURE_FAILED)
        await store.insert_voids_of_order(transaction, payment.order_id)
        if what == "ended":
            return After()
        fresh = await self.open(
            transaction,
            order_id=payment.order_id,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
        )
        return After(fresh_payment=fresh)

    async def give_up(self, transaction: Transaction, payment: Payment) -> bool:
        """End the order of a locked payment whose capture was given up; False when it stands."""
        order = await self._orders.lock(transaction, payment.order_id)
        if not await self._orders.give_up(transaction, order.id):
            return False
        await store.finish_call(transaction, payment.id, "capture")
        await store.update_let_go(transaction, payment.id, CAPTURE_FAILED)
        news = {"order": order.id, "reason": CAPTURE_FAILED}
        transaction.tell(order.room_id, order.user_id, "payment.voided", news)
        return True

    async def close_unopened(self, transaction: Transaction, payment_id: str) -> None:
        """End a payment that its provider will not open: there is nothing to let go."""
        payment = await store.lock_payment(transaction, payment_id)
        if payment is None or payment.provider_ref is not None:
            return
        if PAYMENT.allows(payment.state, "void"):
            state = PAYMENT.next(payment.state, "void")
            await store.update_state(transaction, payment.id, state, is_authorised_now=False)
        for kind in ("create", "void"):
            await store.finish_call(transaction, payment.id, kind)

    async def _settle(
        self,
        transaction: Transaction,
        payment: Payment,
        order: PayingOrder,
        card: str | None,
        *,
        is_captured: bool,
    ) -> After:
        """Confirm the order with authorised money, or let the money go.

        Money that the provider was asked to let go is not taken any more: nobody knows whether
        it is still there.
        """
        settlement: Settlement = TooLate(f"order_{order.state}")
        if await store.withdraw_void(transaction, payment.id):
            settlement = await self._orders.settle(transaction, order.id, card)
        if isinstance(settlement, TooLate):
            return await self._let_go(
                transaction, payment, order, settlement.reason, is_captured=is_captured
            )
        # The fresh page after a declined card, or that card's own: neither takes one any more.
        await store.insert_voids_of_order(transaction, order.id, but_for=payment.id)
        if isinstance(settlement, Settled) and not is_captured:
            await self._owe(transaction, payment.id, "capture")
        return After()

    async def _let_go(
        self,
        transaction: Transaction,
        payment: Payment,
        order: PayingOrder,
        reason: str,
        *,
        is_captured: bool,
    ) -> After:
        """Owe money back that its order does not take, and tell the buyer why."""
        if is_captured:
            await store.end_void(transaction, payment.id)
            await self._owe_late_refund(transaction, payment, reason)
        else:
            await self._owe(transaction, payment.id, "void")
        await store.update_let_go(transaction, payment.id, reason)
        news = {"order": order.id, "reason": reason}
        transaction.tell(order.room_id, order.user_id, "payment.voided", news)
        return After(dead_order=order.id if order.is_waiting else None)

    async def _owe_late_refund(
        self, transaction: Transaction, payment: Payment, reason: str
    ) -> None:
        """Owe all the money that no order could take."""
        await store.insert_refund(transaction, self._refund(payment, "late", reason))

    async def _note_taken(
        self, transaction: Transaction, payment: Payment, amount_minor: int
    ) -> Payment:
        """Return a locked payment over what the provider has taken of it."""
        if amount_minor != payment.amount_minor:
            await store.update_taken(transaction, payment.id, amount_minor)
        return msgspec.structs.replace(payment, amount_minor=amount_minor)

    async def _give_back_taken(
        self, transaction: Transaction, payment: Payment, order: PayingOrder, excess_minor: int
    ) -> None:
        """Owe all of money that was to be let go, or what was taken beyond the order's price."""
        if await store.end_void(transaction, payment.id):
            reason = "already_paid" if order.state == "paid" else f"order_{order.state}"
            await self._owe_late_refund(transaction, payment, reason)
        elif excess_minor:
            await self._owe_excess(transaction, payment, order, excess_minor)

    async def _owe_excess(
        self, transaction: Transaction, payment: Payment, order: PayingOrder, excess_minor: int
    ) -> None:
        """Owe what was taken beyond the order's price, and tell the buyer: nobody has to ask."""
        whole = self._refund(payment, "excess", EXCESS)
        refund = msgspec.structs.replace(whole, amount_minor=excess_minor)
        await store.insert_refund(transaction, refund)
        transaction.tell(order.room_id, order.user_id, "payment.excess", view_excess(refund))

    def _refund(self, payment: Payment, origin: str, reason: str) -> Refund:
        """Return a fresh refund of all of a payment."""
        return Refund(
            id=self._ids.new(),
            payment_id=payment.id,
            order_id=payment.order_id,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            state="pending",
            origin=origin,
            reason=reason,
            restock=False,
            retries=0,
        )

    async def _reopen(
        self, transaction: Transaction, payment: Payment, order: PayingOrder, state: str
    ) -> After:
        """Give a waiting order a fresh attempt: the hold continues, the old page is over."""
        if state == "declined":
            transaction.tell(order.room_id, order.user_id, "payment.declined", {"order": order.id})
        fresh = await self.open(
            transaction,
            order_id=order.id,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
        )
        return After(fresh_payment=fresh)

    async def apply_refund(
        self, transaction: Transaction, report: RefundReport, *, provider: str
    ) -> None:
        """Note what has become of a refund, and let its order follow."""
        payment = await store.lock_payment(transaction, report.payment_id)
        refund = await store.select_refund(transaction, report.refund_id)
        is_ours = payment is not None and payment.provider == provider
        if payment is None or refund is None or refund.payment_id != payment.id or not is_ours:
            log.warning("%s reports refund %s, which is not ours", provider, report.refund_id)
            return
        check_refund(refund, report)
        state = next_refund_state(refund, report)
        if state == "done":
            await store.end_attempt(
                transaction, refund.id, state, error=None, provider_ref=report.provider_ref
            )
            await self._add_refunded(transaction, payment, refund.amount_minor)
            await self._refunded.take_back(transaction, refund)
        elif state == "failed":
            await self.fail_refund(transaction, refund, report.error, report.provider_ref)
        elif report.state == "pending" and not is_of_old_attempt(refund, report):
            await store.note_attempt(transaction, refund.id, report.provider_ref)
        elif refund.state == "done" and report.state == "failed":
            if is_of_old_attempt(refund, report):
                return
            log.error("refund %s was done and has failed since; the bank sent it back", refund.id)

    async def _add_refunded(
        self, transaction: Transaction, payment: Payment, amount_minor: int
    ) -> None:
        """Note money that is back; a payment is refunded when all of it is."""
        refunded_minor = await store.add_refunded(transaction, payment.id, amount_minor)
        if refunded_minor == payment.amount_minor and PAYMENT.allows(payment.state, "refund"):
            state = PAYMENT.next(payment.state, "refund")
            await store.update_state(transaction, payment.id, state, is_authorised_now=False)

    async def fail_refund(
        self, transaction: Transaction, refund: Refund, error: str, provider_ref: str = ""
    ) -> None:
        """Note that the provider will not give the money back; a person may ask again."""
        log.error("refund %s failed: %s", refund.id, error)
        await store.end_attempt(
            transaction,
            refund.id,
            REFUND.next(refund.state, "fail"),
            error=error[:ERROR_CHARS_MAX],
            provider_ref=provider_ref,
        )
        await self._refunded.tell_failed(transaction, refund)

    async def _owe(
        self, transaction: Transaction, payment_id: str, kind: str, *, delay_ms: int = 0
    ) -> None:
        await store.insert_call(
            transaction,
            call_id=self._ids.new(),
            payment_id=payment_id,
            kind=kind,
            delay_ms=delay_ms,
        )
