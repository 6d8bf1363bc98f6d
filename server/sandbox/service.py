"""What the pretend provider does: open, pay, decline, capture, void, refund, list.

Invariant: a change and the webhook that tells of it are one transaction.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

import msgspec

from commerce.kernel.ports import Database, Ids, Transaction
from server.sandbox import store
from server.sandbox.model import (
    CARDS,
    REMOTE_PAYMENT,
    STATES_AFTER,
    NewPayment,
    NewRefund,
    SandboxError,
    SandboxPayment,
    SandboxRefund,
)
from server.sandbox.webhooks import FIRST_RETRY_MS, WebhookSender

AMOUNT_MINOR_MAX = 10**15
CURRENCY = re.compile(r"[A-Z]{3}")
# A path of the shop that made the payment, never another site.
RETURN_PATH = re.compile(r"/(?!/)[A-Za-z0-9/_.-]{0,200}")
REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,64}")
PAGE_KEY_BYTES = 24
PAGE_PAYMENTS_MAX = 100


class Sandbox:
    """The pretend provider; `prefix` is the path where its app is mounted."""

    def __init__(self, database: Database, ids: Ids, sender: WebhookSender, *, prefix: str) -> None:
        self._database = database
        self._ids = ids
        self._sender = sender
        self._prefix = prefix

    async def open(self, new: NewPayment) -> SandboxPayment:
        """Open a payment; the same reference again returns the same payment.

        Raises SandboxError 422 for an impossible wish, 409 for one that differs from before.
        """
        _check(new)
        async with self._database.transaction() as transaction:
            await store.insert_payment(
                transaction,
                payment_id=f"sp_{self._ids.new()}",
                page_key=secrets.token_urlsafe(PAGE_KEY_BYTES),
                new=new,
            )
            payment = await store.select_by_reference(transaction, new.reference)
        assert payment is not None
        asked = (new.order_reference, new.amount_minor, new.currency)
        if asked != (payment.order_reference, payment.amount_minor, payment.currency):
            raise SandboxError(409, "reference_in_use", "This reference has another payment.")
        return payment

    async def find(self, payment_id: str) -> SandboxPayment:
        """Return a payment by its id; raises SandboxError 404."""
        _check_name(payment_id)
        async with self._database.reading() as connection:
            return _found(await store.select_by_id(connection, payment_id))

    async def find_page(self, page_key: str) -> SandboxPayment:
        """Return the payment of a page; raises SandboxError 404."""
        _check_name(page_key)
        async with self._database.reading() as connection:
            return _found(await store.select_by_page(connection, page_key))

    async def act(
        self, payment_id: str, act: str, amount_minor: int | None = None
    ) -> SandboxPayment:
        """Do what the shop asks: capture or void; asking again changes nothing.

        Capturing takes `amount_minor` of what was granted (None: all) and lets the rest go: from
        then on the payment is over that much. Raises SandboxError 404; 409 when the payment's
        state does not allow it; 422 for less than 1, or more than was granted.
        """
        payment, _ = await self._change(payment_id, act, taken_minor=amount_minor)
        return payment

    async def refund(self, payment_id: str, new: NewRefund) -> tuple[SandboxPayment, SandboxRefund]:
        """Give a part or all of captured money back; the same reference is the same refund.

        Raises SandboxError 404; 409 when the money is not there, or not that much of it, or
        the reference had another refund; 422 for an impossible wish.
        """
        _check_name(payment_id)
        if not REFERENCE.fullmatch(new.reference) or new.amount_minor < 1:
            raise SandboxError(422, "invalid_refund", "Amount or reference is wrong.")
        async with self._database.transaction() as transaction:
            payment = _found(await store.lock_by_id(transaction, payment_id))
            known = await store.select_refund(transaction, new.reference)
            if known is not None:
                if known[0] != payment.id or known[1].amount_minor != new.amount_minor:
                    raise SandboxError(409, "reference_in_use", "It has another refund.")
                return payment, known[1]
            if payment.state != "captured":
                raise SandboxError(409, "wrong_state", f"The payment is {payment.state}.")
            refunded_minor = payment.refunded_minor + new.amount_minor
            if refunded_minor > payment.amount_minor:
                raise SandboxError(409, "too_much", "More than is left of the payment.")
            refund = SandboxRefund(f"sr_{self._ids.new()}", new.reference, new.amount_minor)
            await store.insert_refund(
                transaction, refund_id=refund.id, payment_id=payment.id, new=new
            )
            if refunded_minor == payment.amount_minor:
                state = REMOTE_PAYMENT.next(payment.state, "refund")
                payment = msgspec.structs.replace(payment, state=state)
                await store.update_state(transaction, payment.id, state)
            payment = msgspec.structs.replace(payment, refunded_minor=refunded_minor)
            await self._tell(transaction, payment, "refund.done", refund)
        return payment, refund

    async def list_since(
        self, since_ms: int, *, after: str | None
    ) -> tuple[list[SandboxPayment], str | None]:
        """Return a page of payments opened since a moment, and what the next page is after."""
        if after is not None:
            _check_name(after)
        async with self._database.reading() as connection:
            last = _found(await store.select_by_id(connection, after)) if after else None
            payments = await store.select_since(
                connection, since_ms, after=last, limit=PAGE_PAYMENTS_MAX
            )
        return payments, payments[-1].id if len(payments) == PAGE_PAYMENTS_MAX else None

    async def choose(self, page_key: str, act: str, card: str = "") -> SandboxPayment:
        """Do what the buyer presses: pay or decline; the shop is told before the page goes on.

        `card` names a test card, which several payments may share; without one the payment has a
        card of its own.

        Raises SandboxError 404, or 409 when the page is not open any more.
        """
        page = await self.find_page(page_key)
        payment, webhook_id = await self._change(page.id, act, card if card in CARDS else "")
        if webhook_id is not None:
            await self._sender.deliver(webhook_id)
        return payment

    async def _change(
        self, payment_id: str, act: str, card: str = "", taken_minor: int | None = None
    ) -> tuple[SandboxPayment, str | None]:
        """Take a step and store the webhook that tells of it; None when nothing changed."""
        _check_name(payment_id)
        async with self._database.transaction() as transaction:
            payment = _found(await store.lock_by_id(transaction, payment_id))
            if payment.state in STATES_AFTER.get(act, ()):
                return payment, None
            if not REMOTE_PAYMENT.allows(payment.state, act):
                raise SandboxError(409, "wrong_state", f"The payment is {payment.state}.")
            state = REMOTE_PAYMENT.next(payment.state, act)
            if state == payment.state:
                return payment, None
            payment = msgspec.structs.replace(payment, state=state)
            if act == "capture" and taken_minor is not None:
                if not 1 <= taken_minor <= payment.amount_minor:
                    raise SandboxError(422, "invalid_capture", "That much was not granted.")
                payment = msgspec.structs.replace(payment, amount_minor=taken_minor)
                await store.update_amount(transaction, payment.id, taken_minor)
            await store.update_state(transaction, payment.id, state)
            if act == "pay":
                payment = msgspec.structs.replace(payment, card=card or f"own-{payment.id}")
                await store.update_card(transaction, payment.id, payment.card or "")
            webhook_id = await self._tell(transaction, payment, f"payment.{payment.state}")
        return payment, webhook_id

    async def _tell(
        self,
        transaction: Transaction,
        payment: SandboxPayment,
        type: str,
        refund: SandboxRefund | None = None,
    ) -> str:
        """Store a webhook; return its id."""
        webhook_id = f"we_{self._ids.new()}"
        body = {"id": webhook_id, "type": type, "payment": self.describe(payment)}
        if refund is not None:
            body["refund"] = msgspec.to_builtins(refund)
        await store.insert_webhook(
            transaction,
            webhook_id=webhook_id,
            payment_id=payment.id,
            body=msgspec.json.encode(body).decode(),
            first_retry_ms=FIRST_RETRY_MS,
        )
        return webhook_id

    def describe(self, payment: SandboxPayment) -> dict[str, Any]:
        """Return a payment in the words of the API; the page's address only while it is open."""
        url = f"{self._prefix}/p/{payment.page_key}" if payment.state == "created" else None
        return {
            "id": payment.id,
            "reference": payment.reference,
            "state": payment.state,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "refunded_minor": payment.refunded_minor,
            "created_at_ms": payment.created_at_ms,
            "url": url,
            "card": payment.card,
        }


def _check_name(text: str) -> None:
    """Refuse what names no payment before a database has to: NUL fits into no column."""
    if not REFERENCE.fullmatch(text):
        _found(None)


def _found(payment: SandboxPayment | None) -> SandboxPayment:
    if payment is None:
        raise SandboxError(404, "not_found", "There is no such payment.")
    return payment


def _check(new: NewPayment) -> None:
    is_possible = (
        0 <= new.amount_minor <= AMOUNT_MINOR_MAX
        and CURRENCY.fullmatch(new.currency)
        and RETURN_PATH.fullmatch(new.return_path)
        and REFERENCE.fullmatch(new.reference)
        and REFERENCE.fullmatch(new.order_reference)
    )
    if not is_possible:
        raise SandboxError(422, "invalid_payment", "Amount, currency or a reference is wrong.")
