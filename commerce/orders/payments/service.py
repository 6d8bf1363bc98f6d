"""Follow the money: believe verified reports once, settle orders, and call the provider.

Invariants: no lock is held while a provider is called; whatever we owe a provider is a row
before it is a call; a report is applied in the transaction that stores it, in the lock order
payment, order, reservations.

A call is made by whoever has claimed its row, and by nobody else until the lease is over; up to
`CALLS_AT_ONCE` of them are under way in one process.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ports import Clock, Database, Ids, Transaction
from commerce.orders.payments import store
from commerce.orders.payments.cards import Cards
from commerce.orders.payments.model import (
    PAYMENT,
    Payment,
    PaymentCall,
    PaymentReport,
    Refund,
    RefundReport,
    Settled,
    Settlement,
    TooLate,
)
from commerce.orders.payments.ports import (
    PayingOrder,
    PaymentPorts,
    PaymentProvider,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from commerce.orders.payments.rules import (
    PENDING_REFUND_MS,
    check_amount,
    check_refund,
    decide_steps,
    next_refund_state,
    next_retry_ms,
)

log = logging.getLogger(__name__)

# Longer than any call with its timeouts: only a dead worker's call is taken over.
CALL_LEASE_MS = 30_000
# Whoever opens a payment creates it at once; the worker comes in only when that has failed.
CREATE_DELAY_MS = 3_000
# One round of a job is bounded, so that the worker's other jobs get their turn.
CALLS_A_ROUND_MAX = 100
# A slow provider must not make the next buyer wait for the last; more would only fill its queue,
# and each of them needs a connection to the database for a moment.
CALLS_AT_ONCE = 8
POLLS_A_ROUND_MAX = 100
# A webhook that has not come for this long is asked after.
SILENT_MS = 30_000
ERROR_CHARS_MAX = 500


class _After(msgspec.Struct, frozen=True):
    """What to do once a report's transaction is committed."""

    fresh_payment: str | None = None
    dead_order: str | None = None


class PaymentService:
    """Payments of one provider at a time, with every registered provider's webhooks."""

    def __init__(self, database: Database, ids: Ids, clock: Clock, ports: PaymentPorts) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._providers = ports.providers
        self._orders = ports.orders
        self._refunded = ports.refunded
        self._cards = Cards(database, ports.hash_card)
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

    async def find(self, payment_id: str) -> Payment:
        """Return a payment; raises `not_found`."""
        async with self._database.reading() as connection:
            payment = await store.select_payment(connection, payment_id)
        if payment is None:
            raise not_found("payment")
        return payment

    async def ensure_created(self, payment_id: str) -> None:
        """Try to create the payment at its provider now; otherwise a worker will do it."""
        async with self._database.reading() as connection:
            payment = await store.select_payment(connection, payment_id)
        if payment is None or payment.provider_ref is not None or payment.state != "created":
            return
        try:
            report = await self._provider(payment.provider).create(payment)
            await self._take(report, answered="create")
        except (ProviderUnavailableError, ProviderRefusedError, CommerceError) as error:
            log.warning("payment %s is not created yet: %s", payment_id, error)

    def signature_header(self, provider_name: str) -> str:
        """Return the header that carries a provider's signature; raises `not_found`."""
        return self._provider(provider_name).signature_header

    async def receive_webhook(self, provider_name: str, body: bytes, signature: str) -> bool:
        """Take a provider's webhook; False when it was known already.

        Raises `not_found`, `bad_signature`, `invalid_request` or `amount_mismatch`; then
        nothing has changed.
        """
        provider = self._provider(provider_name)
        event = provider.read_webhook(body, signature, self._clock.now_ms())
        report = await self._cards.complete(provider, event.report)
        after = _After()
        async with self._database.transaction() as transaction:
            if not await store.insert_event(transaction, provider_name, event, body):
                return False
            if isinstance(report, RefundReport):
                await self._apply_refund(transaction, report)
            elif report is not None:
                after = await self._apply(transaction, report)
        await self._follow_up(after)
        return True

    async def run_payment_calls(self) -> int:
        """Job: make the calls that are due, several at once; return how many were tried."""
        tickets = iter(range(CALLS_A_ROUND_MAX))

        async def work() -> int:
            tried = 0
            for _ in tickets:
                async with self._database.transaction() as transaction:
                    call = await store.claim_call(transaction, lease_ms=CALL_LEASE_MS)
                if call is None:
                    break
                tried += 1
                await self._make(call)
            return tried

        try:
            async with asyncio.TaskGroup() as group:
                workers = [group.create_task(work()) for _ in range(CALLS_AT_ONCE)]
        except ExceptionGroup as errors:
            # The worker knows what a lost database means, not what several losses at once do.
            raise errors.exceptions[0] from None
        return sum(worker.result() for worker in workers)

    async def poll_silent_payments(self, silent_ms: int = SILENT_MS) -> int:
        """Job: ask after payments whose webhook may be lost; return how many were asked."""
        async with self._database.transaction() as transaction:
            payments = await store.claim_silent(
                transaction, silent_ms=silent_ms, limit=POLLS_A_ROUND_MAX
            )
        for payment in payments:
            try:
                report = await self._provider(payment.provider).status(payment)
                await self._take(report)
            except (ProviderUnavailableError, ProviderRefusedError, CommerceError) as error:
                log.warning("asking after payment %s failed: %s", payment.id, error)
        return len(payments)

    def _provider(self, name: str) -> PaymentProvider:
        provider = self._providers.get(name)
        if provider is None:
            raise not_found("payment provider")
        return provider

    async def _make(self, call: PaymentCall) -> None:
        """Make one call, outside any transaction, and note its answer."""
        try:
            if call.refund is not None:
                await self._refund(call, call.refund)
            else:
                await self._take(await self._ask(call), answered=call.kind)
        except ProviderUnavailableError as error:
            await self._postpone(call, str(error))
        except (ProviderRefusedError, CommerceError) as error:
            await self._give_up(call, str(error))

    async def _ask(self, call: PaymentCall) -> PaymentReport:
        payment, provider = call.payment, self._provider(call.payment.provider)
        if payment.provider_ref is None:
            # Creating is idempotent: a creation in flight elsewhere gets the same answer.
            report = await provider.create(payment)
            async with self._database.transaction() as transaction:
                await self._apply(transaction, report)
                await store.finish_call(transaction, payment.id, "create")
                payment = await store.select_payment(transaction, payment.id) or payment
            if call.kind == "create":
                return report
        match call.kind:
            case "create":
                return await provider.status(payment)
            case "capture":
                return await provider.capture(payment)
            case "void":
                return await provider.void(payment)
            case _:
                raise ProviderRefusedError(f"no such call: {call.kind}")

    async def _take(self, report: PaymentReport, *, answered: str | None = None) -> None:
        """Apply a report in a transaction of its own, and note the call that it answers."""
        async with self._database.transaction() as transaction:
            after = await self._apply(transaction, report)
            if answered is not None:
                await store.finish_call(transaction, report.payment_id, answered)
        await self._follow_up(after)

    async def _refund(self, call: PaymentCall, refund: Refund) -> None:
        """Have the money sent back; what a bank has not decided yet is asked for again later."""
        report = await self._provider(call.payment.provider).refund(call.payment, refund)
        async with self._database.transaction() as transaction:
            await self._apply_refund(transaction, report)
            if report.state == "pending":
                await store.delay_call(
                    transaction, call.id, pause_ms=PENDING_REFUND_MS, error="not decided yet"
                )

    async def _apply_refund(self, transaction: Transaction, report: RefundReport) -> None:
        """Note what has become of a refund, and let its order follow."""
        payment = await store.lock_payment(transaction, report.payment_id)
        refund = await store.select_refund(transaction, report.refund_id)
        if payment is None or refund is None or refund.payment_id != payment.id:
            log.warning("a provider reports refund %s, which is not ours", report.refund_id)
            return
        check_refund(refund, report)
        state = next_refund_state(refund.state, report.state)
        if state == "done":
            await store.finish_refund(transaction, refund, provider_ref=report.provider_ref)
            await self._refunded.take_back(transaction, refund)
        elif state == "failed":
            await self._fail_refund(transaction, refund, report.error, report.provider_ref)
        elif refund.state == "done" and report.state == "failed":
            log.error("refund %s was done and has failed since; the bank sent it back", refund.id)

    async def _fail_refund(
        self, transaction: Transaction, refund: Refund, error: str, provider_ref: str = ""
    ) -> None:
        log.error("refund %s failed: %s", refund.id, error)
        await store.fail_refund(
            transaction, refund, error=error[:ERROR_CHARS_MAX], provider_ref=provider_ref
        )
        await self._refunded.tell_failed(transaction, refund)

    async def _apply(self, transaction: Transaction, report: PaymentReport) -> _After:
        """Walk the payment to the reported state, as far as the table of steps allows."""
        payment = await store.lock_payment(transaction, report.payment_id)
        if payment is None:
            log.warning("a provider reports payment %s, which is not ours", report.payment_id)
            return _After()
        check_amount(payment, report)
        await store.update_provider(
            transaction, payment.id, provider_ref=report.provider_ref, url=report.url
        )
        steps = decide_steps(payment.state, report)
        if not steps:
            return _After()
        state = payment.state
        for step in steps:
            state = PAYMENT.next(state, step)
        await store.update_state(
            transaction, payment.id, state, is_authorised_now="authorise" in steps
        )
        order = await self._orders.lock(transaction, payment.order_id)
        if "authorise" in steps:
            card = await self._cards.note(transaction, payment, report)
            is_captured = "capture" in steps
            return await self._settle(transaction, payment, order, card, is_captured=is_captured)
        if state in ("declined", "voided") and order.is_waiting:
            return await self._reopen(transaction, payment, order, state)
        return _After()

    async def _settle(
        self,
        transaction: Transaction,
        payment: Payment,
        order: PayingOrder,
        card: str | None,
        *,
        is_captured: bool,
    ) -> _After:
        """Confirm the order with authorised money, or let the money go.

        Money that the provider was asked to let go is not taken any more: it may be gone.
        """
        settlement: Settlement = TooLate(f"order_{order.state}")
        if await store.withdraw_void(transaction, payment.id):
            settlement = await self._orders.settle(transaction, order.id, card)
        if isinstance(settlement, Settled):
            if not is_captured:
                await self._owe(transaction, payment.id, "capture")
            return _After()
        assert isinstance(settlement, TooLate)
        if is_captured:
            await self._owe_late_refund(transaction, payment, settlement.reason)
        else:
            await self._owe(transaction, payment.id, "void")
        await store.update_let_go(transaction, payment.id, settlement.reason)
        news = {"order": order.id, "reason": settlement.reason}
        transaction.tell(order.room_id, order.user_id, "payment.voided", news)
        return _After(dead_order=order.id if order.is_waiting else None)

    async def _owe_late_refund(
        self, transaction: Transaction, payment: Payment, reason: str
    ) -> None:
        """Owe all the money that no order could take."""
        refund = Refund(
            id=self._ids.new(),
            payment_id=payment.id,
            order_id=payment.order_id,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            state="pending",
            origin="late",
            reason=reason,
            restock=False,
            retries=0,
        )
        await store.insert_refund(transaction, refund)

    async def _reopen(
        self, transaction: Transaction, payment: Payment, order: PayingOrder, state: str
    ) -> _After:
        """Give a waiting order a fresh attempt: the hold continues, the old page is over."""
        if state == "declined":
            transaction.tell(order.room_id, order.user_id, "payment.declined", {"order": order.id})
        fresh = await self.open(
            transaction,
            order_id=order.id,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
        )
        return _After(fresh_payment=fresh)

    async def _follow_up(self, after: _After) -> None:
        """Do at once, after COMMIT, what the jobs would do a little later."""
        if after.fresh_payment is not None:
            await self.ensure_created(after.fresh_payment)
        if after.dead_order is not None:
            await self._orders.expire_if_dead(after.dead_order)

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

    async def _postpone(self, call: PaymentCall, error: str) -> None:
        pause_ms = next_retry_ms(call.attempts)
        if pause_ms is None:
            await self._give_up(call, error)
            return
        async with self._database.transaction() as transaction:
            await store.delay_call(
                transaction, call.id, pause_ms=pause_ms, error=error[:ERROR_CHARS_MAX]
            )

    async def _give_up(self, call: PaymentCall, error: str) -> None:
        """Leave a call for a person: the money is not where we want it."""
        log.error("%s of payment %s failed: %s", call.kind, call.payment.id, error)
        async with self._database.transaction() as transaction:
            if call.refund is not None:
                # The payment's lock decides between this and a webhook that says it is done.
                await store.lock_payment(transaction, call.payment.id)
                refund = await store.select_refund(transaction, call.refund.id)
                if refund is not None and refund.state == "pending":
                    await self._fail_refund(transaction, refund, error)
                return
            await store.fail_call(transaction, call.id, error=error[:ERROR_CHARS_MAX])
