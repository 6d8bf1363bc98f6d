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

from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ports import Clock, Database, Ids, Transaction
from commerce.orders.payments import store
from commerce.orders.payments.cards import Cards
from commerce.orders.payments.failed_calls import FailedCalls
from commerce.orders.payments.model import (
    REFUND,
    Payment,
    PaymentCall,
    PaymentReport,
    Refund,
    RefundReport,
)
from commerce.orders.payments.ports import (
    PaymentNotOpenedError,
    PaymentPorts,
    PaymentProvider,
    ProviderMissingError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from commerce.orders.payments.reports import ERROR_CHARS_MAX, After, Reports
from commerce.orders.payments.rules import PENDING_REFUND_MS, RETRY_MS_MAX, next_retry_ms
from commerce.records.rounds.store import LOST_CONNECTION

log = logging.getLogger(__name__)

# Longer than any call with its timeouts: only a dead worker's call is taken over.
CALL_LEASE_MS = 30_000
# One round of a job is bounded, so that the worker's other jobs get their turn.
CALLS_A_ROUND_MAX = 100
# A slow provider must not make the next buyer wait for the last; more would only fill its queue,
# and each of them needs a connection to the database for a moment.
CALLS_AT_ONCE = 8
POLLS_A_ROUND_MAX = 100
# A webhook that has not come for this long is asked after.
SILENT_MS = 30_000


class PaymentService:
    """Payments of one provider at a time, with every registered provider's webhooks."""

    def __init__(self, database: Database, ids: Ids, clock: Clock, ports: PaymentPorts) -> None:
        self._database = database
        self._clock = clock
        self._providers = ports.providers
        self._orders = ports.orders
        self._cards = Cards(database, ports.hash_card)
        self._reports = Reports(ids, ports, self._cards)
        self.failed_calls = FailedCalls(database, self._reports)

    async def open(
        self, transaction: Transaction, *, order_id: str, amount_minor: int, currency: str
    ) -> str:
        """Store a new attempt to pay and owe the provider its creation; return its id.

        Raises `total_not_payable`.
        """
        self.check_total(amount_minor, currency)
        return await self._reports.open(
            transaction, order_id=order_id, amount_minor=amount_minor, currency=currency
        )

    def check_total(self, amount_minor: int, currency: str) -> None:
        """Raise `total_not_payable` for what the provider would not take."""
        why = next(iter(self._providers.values())).refuse_total(amount_minor, currency)
        if why is not None:
            raise CommerceError(
                "total_not_payable",
                f"Nobody can pay {amount_minor} {currency} here: {why}.",
                detail={"total_minor": amount_minor, "currency": currency},
            )

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
            report = await self._provider_of(payment).create(payment)
            await self._take(payment, report, answered="create")
        except PaymentNotOpenedError as error:
            await self._close_unopened(payment, error)
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
        after: After | None = None
        async with self._database.transaction() as transaction:
            if not await store.insert_event(transaction, provider_name, event, body):
                return False
            if isinstance(report, RefundReport):
                await self._reports.apply_refund(transaction, report, provider=provider_name)
            elif report is not None:
                after = await self._reports.apply(transaction, report, provider=provider_name)
        if after is not None:
            await self._follow_up(after)
        return True

    async def run_payment_calls(self) -> int:
        """Job: make the calls that are due, several at once; return how many were tried.

        Whoever finds one calls for a hand with the next: most rounds have nothing to do.
        """
        tickets = iter(range(CALLS_A_ROUND_MAX))
        workers: list[asyncio.Task[None]] = []
        lost: list[Exception] = []
        tried = 0

        async def work() -> None:
            nonlocal tried
            for _ in tickets:
                try:
                    async with self._database.transaction() as transaction:
                        call = await store.claim_call(transaction, lease_ms=CALL_LEASE_MS)
                except Exception as error:
                    # Raised when the others are answered: they may be at the provider.
                    lost.append(error)
                    break
                if call is None:
                    break
                tried += 1
                if len(workers) < CALLS_AT_ONCE:
                    workers.append(group.create_task(work()))
                await self._make_apart(call)

        async with asyncio.TaskGroup() as group:
            workers.append(group.create_task(work()))
        if lost:
            # The worker knows what a lost database means, not what several losses at once do.
            raise lost[0]
        return tried

    async def poll_silent_payments(self, silent_ms: int = SILENT_MS) -> int:
        """Job: ask after payments whose webhook may be lost, several at once; return how many."""
        async with self._database.transaction() as transaction:
            payments = await store.claim_silent(
                transaction, silent_ms=silent_ms, limit=POLLS_A_ROUND_MAX
            )
        silent = iter(payments)
        lost: list[Exception] = []

        async def work() -> None:
            for payment in silent:
                try:
                    await self._ask_after(payment)
                except LOST_CONNECTION as error:
                    # Raised when the others are answered, as in `run_payment_calls`.
                    lost.append(error)
                    break

        async with asyncio.TaskGroup() as group:
            for _ in range(min(CALLS_AT_ONCE, len(payments))):
                group.create_task(work())
        if lost:
            raise lost[0]
        return len(payments)

    async def _ask_after(self, payment: Payment) -> None:
        """Ask what a silent payment is, and apply the answer; raises for a lost connection."""
        try:
            report = await self._provider_of(payment).status(payment)
            await self._take(payment, report)
        except (ProviderUnavailableError, ProviderRefusedError, CommerceError) as error:
            log.warning("asking after payment %s failed: %s", payment.id, error)
        except LOST_CONNECTION:
            raise
        except Exception:
            # All of them are claimed: what breaks here must not make the others wait.
            log.exception("asking after payment %s broke off", payment.id)

    def _provider(self, name: str) -> PaymentProvider:
        provider = self._providers.get(name)
        if provider is None:
            raise not_found("payment provider")
        return provider

    def _provider_of(self, payment: Payment) -> PaymentProvider:
        provider = self._providers.get(payment.provider)
        if provider is None:
            raise ProviderMissingError(f"{payment.provider} is not set up here")
        return provider

    async def _make_apart(self, call: PaymentCall) -> None:
        """Make one call; whatever breaks in it, a connection too, is no other call's end."""
        try:
            await self._make(call)
        except Exception as error:
            log.exception("%s of payment %s broke off", call.kind, call.payment.id)
            try:
                await self._postpone(call, f"{type(error).__name__}: {error}")
            except Exception as again:
                log.warning("it waits for the end of its lease: %s", type(again).__name__)

    async def _make(self, call: PaymentCall) -> None:
        """Make one call, outside any transaction, and note its answer."""
        try:
            if call.refund is not None:
                await self._refund(call, call.refund)
            else:
                await self._take(call.payment, await self._ask(call), answered=call.kind)
        except PaymentNotOpenedError as error:
            await self._close_unopened(call.payment, error)
        except ProviderMissingError as error:
            # For as long as it takes: an operator gives its keys back, and old payments go on.
            log.warning("%s of payment %s waits: %s", call.kind, call.payment.id, error)
            await self._delay(call, RETRY_MS_MAX, str(error))
        except ProviderUnavailableError as error:
            await self._postpone(call, str(error))
        except (ProviderRefusedError, CommerceError) as error:
            if call.kind in ("capture", "void") and not await self._ask_what_it_is(call):
                await self._postpone(call, str(error))
                return
            is_refused = call.kind == "capture" and isinstance(error, ProviderRefusedError)
            if is_refused and await self._replace_lost(call.payment.id):
                return
            await self._give_up(call, str(error))

    async def _replace_lost(self, payment_id: str) -> bool:
        """Let a team's seat go on without money that cannot be captured; False for other goods."""
        async with self._database.transaction() as transaction:
            payment = await store.lock_payment(transaction, payment_id)
            if payment is None or payment.state != "authorised":
                return payment is not None and payment.state == "captured"
            await self._orders.lock(transaction, payment.order_id)
            after = await self._reports.replace_lost(transaction, payment)
        if after is None:
            return False
        await self._follow_up(after)
        return True

    async def _ask_what_it_is(self, call: PaymentCall) -> bool:
        """Learn why money cannot be let go: taken meanwhile, it goes back by a refund.

        False when the provider is away: the call must not be given up before anything is known,
        for nobody asks after the money of an order that is over.
        """
        try:
            payment = await self.find(call.payment.id)
            await self._take(payment, await self._provider_of(payment).status(payment))
        except ProviderUnavailableError as error:
            log.warning("payment %s could not be asked after: %s", call.payment.id, error)
            return False
        except (ProviderRefusedError, CommerceError) as error:
            log.warning("asking after payment %s failed: %s", call.payment.id, error)
        return True

    async def _ask(self, call: PaymentCall) -> PaymentReport:
        payment, provider = call.payment, self._provider_of(call.payment)
        if payment.provider_ref is None:
            # Creating is idempotent: a creation in flight elsewhere gets the same answer.
            report = await provider.create(payment)
            await self._take(payment, report, answered="create")
            payment = await self.find(payment.id)
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

    async def _take(
        self, payment: Payment, report: PaymentReport, *, answered: str | None = None
    ) -> None:
        """Apply a report in a transaction of its own, and note the call that it answers.

        Raises ProviderRefusedError when the provider speaks of another payment.
        """
        async with self._database.transaction() as transaction:
            after = await self._reports.apply(transaction, report, provider=payment.provider)
            if after is not None and answered is not None:
                await store.finish_call(transaction, report.payment_id, answered)
        if after is None:
            raise ProviderRefusedError(f"it answers for {report.provider_ref}")
        await self._follow_up(after)

    async def _close_unopened(self, payment: Payment, error: PaymentNotOpenedError) -> None:
        log.error("payment %s cannot be opened: %s", payment.id, error)
        async with self._database.transaction() as transaction:
            await self._reports.close_unopened(transaction, payment.id)

    async def _refund(self, call: PaymentCall, refund: Refund) -> None:
        """Have the money sent back; what a bank has not decided yet is asked for again later."""
        report = await self._provider_of(call.payment).refund(call.payment, refund)
        provider = call.payment.provider
        async with self._database.transaction() as transaction:
            await self._reports.apply_refund(transaction, report, provider=provider)
            if report.state == "pending":
                await store.delay_call(
                    transaction, call.id, pause_ms=PENDING_REFUND_MS, error="not decided yet"
                )

    async def _follow_up(self, after: After) -> None:
        """Do at once, after COMMIT, what the jobs would do a little later."""
        if after.fresh_payment is not None:
            await self.ensure_created(after.fresh_payment)
        if after.dead_order is not None:
            await self._orders.expire_if_dead(after.dead_order)

    async def _postpone(self, call: PaymentCall, error: str) -> None:
        pause_ms = next_retry_ms(call.attempts)
        if pause_ms is None:
            await self._give_up(call, error)
            return
        await self._delay(call, pause_ms, error)

    async def _delay(self, call: PaymentCall, pause_ms: int, error: str) -> None:
        async with self._database.transaction() as transaction:
            await store.delay_call(
                transaction, call.id, pause_ms=pause_ms, error=error[:ERROR_CHARS_MAX]
            )

    async def _give_up(self, call: PaymentCall, error: str) -> None:
        """Leave a call for a person: the money is not where we want it."""
        log.error("%s of payment %s failed: %s", call.kind, call.payment.id, error)
        async with self._database.transaction() as transaction:
            # The payment's lock decides between this and a webhook that says it is done.
            await store.lock_payment(transaction, call.payment.id)
            if call.refund is not None:
                refund = await store.select_refund(transaction, call.refund.id)
                if refund is not None and REFUND.allows(refund.state, "fail"):
                    await self._reports.fail_refund(transaction, refund, error)
                return
            await store.fail_call(transaction, call.id, error=error[:ERROR_CHARS_MAX])
