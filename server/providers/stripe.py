"""Stripe as the shop calls it: PaymentIntents captured by hand, through Stripe's own library.

Invariants: our payment's and refund's ids are in the metadata of whatever we make there; every call
that moves money carries an idempotency key made of them; no card number ever comes here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NoReturn

import httpx
import msgspec
import stripe
from stripe.params import (
    ChargeListParams,
    PaymentIntentCreateParams,
    PaymentIntentRetrieveParams,
    RefundCreateParams,
    RefundListParams,
)

from commerce.kernel.errors import CommerceError, invalid
from commerce.orders.payments.model import (
    Payment,
    PaymentEvent,
    PaymentReport,
    ProviderPayment,
    Refund,
    RefundReport,
)
from commerce.orders.payments.ports import (
    PaymentNotOpenedError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from server.providers.stripe_amounts import from_stripe, refuse_amount, said, to_stripe
from server.providers.stripe_calls import ask, ask_once_only, under

# Stripe's own default: long enough for clocks that differ, short enough to make replays stale.
TOLERANCE_S = 300
PAGE_MAX = 100
PAYMENT_KEY = "hubbub_payment"
REFUND_KEY = "hubbub_refund"
# A payment that was declined waits for another card on the same page: nothing is over.
STATES: Mapping[str, str] = {
    "requires_payment_method": "created",
    "requires_confirmation": "created",
    "requires_action": "created",
    "processing": "created",
    "requires_capture": "authorised",
    "succeeded": "captured",
    "canceled": "voided",
}
REFUND_STATES: Mapping[str, str] = {
    "pending": "pending",
    "requires_action": "pending",
    "succeeded": "done",
    "failed": "failed",
    "canceled": "failed",
}


class HttpxClient(stripe.HTTPClient):
    """Stripe's library over the shop's own client, with its timeout, limits and no proxy."""

    name = "httpx"

    def __init__(self, http: httpx.AsyncClient) -> None:
        super().__init__()
        self._http = http

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send a request; raises APIConnectionError when there is no answer."""
        try:
            response = await self._http.request(method, url, headers=headers, content=post_data)
        except httpx.HTTPError as error:
            raise stripe.APIConnectionError(type(error).__name__) from error  # type: ignore[no-untyped-call]
        return response.content, response.status_code, response.headers

    async def sleep_async(self, secs: float) -> None:
        """Wait between attempts; there is one alone, the jobs make the others."""
        await asyncio.sleep(secs)

    async def close_async(self) -> None:
        """Leave the client open: it is not ours."""


class StripeProvider:
    """Satisfies `PaymentProvider`; `api_base` is Stripe's address, another one for a fake."""

    signature_header = "Stripe-Signature"

    def __init__(
        self, http: httpx.AsyncClient, *, secret_key: str, webhook_secret: str, api_base: str
    ) -> None:
        self._stripe = stripe.StripeClient(
            secret_key,
            http_client=HttpxClient(http),
            base_addresses={"api": api_base.rstrip("/")},
            max_network_retries=0,
        ).v1
        self._webhook_secret = webhook_secret

    async def create(self, payment: Payment) -> PaymentReport:
        """Open a PaymentIntent; the buyer pays on our own page with Stripe's form in it.

        Which methods are offered is chosen in Stripe's dashboard; of those, Stripe offers what
        can be captured by hand. (Naming them here is an error since the API of 2026-09-30.)
        """
        try:
            params: PaymentIntentCreateParams = {
                "amount": to_stripe(payment.amount_minor, payment.currency),
                "currency": payment.currency.lower(),
                "capture_method": "manual",
                "metadata": {PAYMENT_KEY: payment.id, "hubbub_order": payment.order_id},
            }
            intent = await ask(
                self._stripe.payment_intents.create_async(params, under(f"create:{payment.id}"))
            )
        except ProviderRefusedError as error:
            raise PaymentNotOpenedError(str(error)) from error
        return _report(intent)

    def refuse_total(self, amount_minor: int, currency: str) -> str | None:
        """Say why Stripe takes no such amount, as far as its documentation tells."""
        return refuse_amount(amount_minor, currency)

    async def capture(self, payment: Payment) -> PaymentReport:
        """Take of the authorised money what the payment is over by now; the rest is let go."""
        amount = to_stripe(payment.amount_minor, payment.currency)
        call = partial(
            self._stripe.payment_intents.capture_async,
            _ref(payment),
            {"amount_to_capture": amount},
        )
        return await self._settle(payment, call, key=f"capture:{payment.id}", wanted="captured")

    async def void(self, payment: Payment) -> PaymentReport:
        """Cancel the PaymentIntent: held money is let go, the page takes no card any more."""
        call = partial(self._stripe.payment_intents.cancel_async, _ref(payment), {})
        return await self._settle(payment, call, key=f"void:{payment.id}", wanted="voided")

    async def refund(self, payment: Payment, refund: Refund) -> RefundReport:
        """Give captured money back.

        Stripe forgets idempotency keys after a day or more, and we may ask for longer: what it
        has already is found by our id, never made again.
        """
        known = await self._find_refund(payment, refund)
        if known is not None:
            return _refund_report(known, payment.id, refund.id)
        params: RefundCreateParams = {
            "payment_intent": _ref(payment),
            "amount": to_stripe(refund.amount_minor, refund.currency),
            "metadata": {PAYMENT_KEY: payment.id, REFUND_KEY: refund.id},
        }
        made = await ask(
            self._stripe.refunds.create_async(params, under(f"refund:{refund.id}:{refund.retries}"))
        )
        return _refund_report(made, payment.id, refund.id)

    async def status(self, payment: Payment) -> PaymentReport:
        """Ask what the payment is now."""
        return _report(await self._retrieve(payment, expand=["payment_method"]))

    async def client_secret(self, payment: Payment) -> str | None:
        """Return what Stripe's form needs to take a card; None when it takes none any more."""
        intent = await self._retrieve(payment)
        return intent.client_secret if STATES.get(intent.status) == "created" else None

    async def list_since(self, since_ms: int) -> AsyncIterator[ProviderPayment]:
        """Yield the payments on which money was tried: those that have a charge.

        Each once, however many cards it took; what carries no id of ours is somebody else's.
        """
        seen: set[str] = set()
        params: ChargeListParams = {
            "created": {"gt": max(0, since_ms // 1000 - 1)},
            "limit": PAGE_MAX,
            "expand": ["data.payment_intent"],
        }
        while True:
            page = await ask(self._stripe.charges.list_async(params))
            for charge in page.data:
                intent = charge.payment_intent
                if isinstance(intent, stripe.PaymentIntent) and intent.id not in seen:
                    found = _provider_payment(intent, charge)
                    # A card that was declined before holds nothing; the newest charge counts.
                    if found is not None and charge.status == "succeeded":
                        seen.add(intent.id)
                        yield found
            if not page.has_more or not page.data:
                return
            params["starting_after"] = page.data[-1].id

    def read_webhook(self, body: bytes, signature: str, now_ms: int) -> PaymentEvent:
        """Verify the signature with Stripe's library, its age with our clock; then parse."""
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._webhook_secret)
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            _refuse_signature()
        # The time that was signed is the one that Stripe's library took; a second one is a forgery.
        parts = [part.split("=", 2) for part in signature.split(",")]
        times = [part[1:2] for part in parts if part[0].strip() == "t"]
        if len(times) != 1 or abs(now_ms // 1000 - int(times[0][0])) > TOLERANCE_S:
            _refuse_signature()
        try:
            event = msgspec.json.decode(body, type=Event)
            return PaymentEvent(event.id, event.type, _read(event))
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise invalid("The webhook is not what Stripe sends.") from None

    async def _retrieve(
        self, payment: Payment, *, expand: list[str] | None = None
    ) -> stripe.PaymentIntent:
        params: PaymentIntentRetrieveParams = {"expand": expand} if expand else {}
        return await ask(self._stripe.payment_intents.retrieve_async(_ref(payment), params))

    async def _settle(
        self,
        payment: Payment,
        call: Callable[[stripe.RequestOptions], Awaitable[stripe.PaymentIntent]],
        *,
        key: str,
        wanted: str,
    ) -> PaymentReport:
        """Make a call that may have been made before: then its refusal is its success."""
        try:
            return _report(await ask_once_only(key, call))
        except ProviderRefusedError:
            report = await self.status(payment)
            if report.state != wanted:
                raise
            return report

    async def _find_refund(self, payment: Payment, refund: Refund) -> stripe.Refund | None:
        """Return the refund that carries our id; one that failed there is asked for anew."""
        params: RefundListParams = {"payment_intent": _ref(payment), "limit": PAGE_MAX}
        while True:
            page = await ask(self._stripe.refunds.list_async(params))
            for known in page.data:
                is_ours = _metadata(known).get(REFUND_KEY) == refund.id
                if is_ours and REFUND_STATES.get(known.status or "") != "failed":
                    return known
            if not page.has_more or not page.data:
                return None
            params["starting_after"] = page.data[-1].id


class EventObject(msgspec.Struct, frozen=True):
    """The fields that we read of an event's PaymentIntent or Refund."""

    id: str
    object: str
    amount: int
    currency: str
    amount_received: int | None = None
    status: str | None = None
    metadata: dict[str, str] | None = None
    payment_intent: str | None = None
    failure_reason: str | None = None


class EventData(msgspec.Struct, frozen=True):
    """What an event is about, unread until its type is known."""

    object: msgspec.Raw


class Event(msgspec.Struct, frozen=True):
    """A webhook's body."""

    id: str
    type: str
    data: EventData


def _read(event: Event) -> PaymentReport | RefundReport | None:
    """Return what an event says of a payment or refund of ours, or None."""
    if not event.type.startswith(("payment_intent.", "refund.")):
        return None
    thing = msgspec.json.decode(event.data.object, type=EventObject)
    metadata, currency = thing.metadata or {}, thing.currency.upper()
    if PAYMENT_KEY not in metadata:
        return None
    if thing.object == "payment_intent":
        return PaymentReport(
            payment_id=metadata[PAYMENT_KEY],
            provider_ref=thing.id,
            state=STATES.get(thing.status or "", "created"),
            amount_minor=from_stripe(said(thing), currency),
            currency=currency,
        )
    if REFUND_KEY not in metadata:
        return None
    return RefundReport(
        payment_id=metadata[PAYMENT_KEY],
        refund_id=metadata[REFUND_KEY],
        provider_ref=thing.id,
        state=REFUND_STATES.get(thing.status or "", "pending"),
        amount_minor=from_stripe(thing.amount, currency),
        currency=currency,
        error=thing.failure_reason or "",
    )


def _report(intent: stripe.PaymentIntent) -> PaymentReport:
    currency = intent.currency.upper()
    payment_id = _metadata(intent).get(PAYMENT_KEY, "")
    return PaymentReport(
        payment_id=payment_id,
        provider_ref=intent.id,
        state=STATES.get(intent.status, "created"),
        amount_minor=from_stripe(said(intent), currency),
        currency=currency,
        url=f"/pay/stripe/{payment_id}",
        fingerprint=_fingerprint(intent),
    )


def _fingerprint(intent: stripe.PaymentIntent) -> str:
    """Return Stripe's name of the card, where the payment method was asked for and is one."""
    method = intent.payment_method
    card = method.card if isinstance(method, stripe.PaymentMethod) else None
    return (card.fingerprint or "") if card is not None else ""


def _refund_report(refund: stripe.Refund, payment_id: str, refund_id: str) -> RefundReport:
    currency = refund.currency.upper()
    return RefundReport(
        payment_id=payment_id,
        refund_id=refund_id,
        provider_ref=refund.id,
        state=REFUND_STATES.get(refund.status or "", "pending"),
        amount_minor=from_stripe(int(refund.amount), currency),
        currency=currency,
        error=getattr(refund, "failure_reason", None) or "",
    )


def _provider_payment(
    intent: stripe.PaymentIntent, charge: stripe.Charge
) -> ProviderPayment | None:
    metadata, currency = _metadata(intent), intent.currency.upper()
    if PAYMENT_KEY not in metadata:
        return None
    # Letting held money go is a refund of what was never taken, in Stripe's books.
    refunded = int(charge.amount_refunded) if charge.captured else 0
    return ProviderPayment(
        provider_ref=intent.id,
        payment_id=metadata[PAYMENT_KEY],
        state=STATES.get(intent.status, "created"),
        amount_minor=from_stripe(said(intent), currency),
        currency=currency,
        refunded_minor=from_stripe(refunded, currency),
        created_at_ms=int(intent.created) * 1000,
    )


def _metadata(thing: stripe.PaymentIntent | stripe.Refund) -> dict[str, str]:
    return thing.metadata.to_dict() if thing.metadata is not None else {}


def _ref(payment: Payment) -> str:
    if payment.provider_ref is None:
        raise ProviderUnavailableError("the payment is not created yet")
    return payment.provider_ref


def _refuse_signature() -> NoReturn:
    raise CommerceError("bad_signature", "The webhook's signature does not fit.")
