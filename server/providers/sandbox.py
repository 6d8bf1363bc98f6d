"""The sandbox payment provider as the shop calls it: HTTP out, signed webhooks in."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from functools import cache
from typing import Any, TypeVar

import httpx
import msgspec

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
from server.providers.signatures import SIGNATURE_HEADER, is_genuine

# A provider that is slower than this is treated as away; the call is repeated with its key.
CALL_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 20
SERVER_FAULT = 500
TOO_MANY = 429
BAD_REQUEST = 400
UNPROCESSABLE = 422
Decoded = TypeVar("Decoded")


class RemotePayment(msgspec.Struct, frozen=True):
    """A payment in the sandbox's own words."""

    id: str
    reference: str
    state: str
    amount_minor: int
    currency: str
    url: str | None = None
    refunded_minor: int = 0
    created_at_ms: int = 0
    card: str | None = None


class RemoteRefund(msgspec.Struct, frozen=True):
    """A refund in the sandbox's own words; it is done as soon as it is there."""

    id: str
    reference: str
    amount_minor: int


class Answer(msgspec.Struct, frozen=True):
    """Every answer of the sandbox's API; a refund's call has its refund."""

    payment: RemotePayment
    refund: RemoteRefund | None = None


class Page(msgspec.Struct, frozen=True):
    """A page of the list of payments; `after` leads to the next one."""

    payments: list[RemotePayment]
    after: str | None


class Webhook(msgspec.Struct, frozen=True):
    """What the sandbox posts when a payment has changed."""

    id: str
    type: str
    payment: RemotePayment
    refund: RemoteRefund | None = None


@cache
def _tls() -> ssl.SSLContext:
    """Return the system's certificates, which take 50 ms to read, once for all clients."""
    return ssl.create_default_context()


def open_http() -> httpx.AsyncClient:
    """Return a client for providers; it follows no redirect and no proxy setting."""
    return httpx.AsyncClient(
        timeout=CALL_TIMEOUT_S,
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        trust_env=False,
        verify=_tls(),
    )


# The sandbox's own bounds of an amount.
AMOUNT_MINOR_MAX = 10**15


class SandboxProvider:
    """Satisfies `PaymentProvider`; `base_url` is where the sandbox's app is mounted."""

    signature_header = SIGNATURE_HEADER

    def __init__(
        self, http: httpx.AsyncClient, *, base_url: str, api_key: str, webhook_secret: str
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._webhook_secret = webhook_secret

    async def create(self, payment: Payment) -> PaymentReport:
        """Open the payment; our id is its reference, so a repeated call meets its own row."""
        body = {
            "reference": payment.id,
            "order_reference": payment.order_id,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "return_path": f"/orders/{payment.order_id}",
        }
        try:
            return _report(await self._call("POST", "/api/payments", body))
        except ProviderRefusedError as error:
            # Only this says that the payment itself is wrong; a wrong key is somebody's to mend.
            if str(error).startswith(f"{UNPROCESSABLE}:"):
                raise PaymentNotOpenedError(str(error)) from error
            raise

    def refuse_total(self, amount_minor: int, currency: str) -> str | None:
        """Say why the sandbox takes no such amount."""
        if amount_minor < 1:
            return "there is nothing to pay"
        return "it is too much" if amount_minor > AMOUNT_MINOR_MAX else None

    async def capture(self, payment: Payment) -> PaymentReport:
        """Take of the authorised money what the payment is over by now; the rest is let go."""
        path = f"/api/payments/{payment.provider_ref}/capture"
        return _report(await self._call("POST", path, {"amount_minor": payment.amount_minor}))

    async def void(self, payment: Payment) -> PaymentReport:
        """Let the money go."""
        return _report(await self._call("POST", f"/api/payments/{payment.provider_ref}/void"))

    async def refund(self, payment: Payment, refund: Refund) -> RefundReport:
        """Give the money back; our id is its reference, so a repeated call is one refund."""
        answer = await self._call(
            "POST",
            f"/api/payments/{payment.provider_ref}/refunds",
            {"reference": refund.id, "amount_minor": refund.amount_minor},
        )
        if answer.refund is None:
            raise ProviderUnavailableError("no refund in the answer")
        return _refund_report(answer.payment, answer.refund)

    async def status(self, payment: Payment) -> PaymentReport:
        """Ask what the payment is now."""
        return _report(await self._call("GET", f"/api/payments/{payment.provider_ref}"))

    async def list_since(self, since_ms: int) -> AsyncIterator[ProviderPayment]:
        """Yield every payment opened there since then, oldest first."""
        query = f"since_ms={since_ms}"
        while True:
            page = await self._request("GET", f"/api/payments?{query}", None, Page)
            for remote in page.payments:
                yield ProviderPayment(
                    provider_ref=remote.id,
                    payment_id=remote.reference,
                    state=remote.state,
                    amount_minor=remote.amount_minor,
                    currency=remote.currency,
                    refunded_minor=remote.refunded_minor,
                    created_at_ms=remote.created_at_ms,
                )
            if page.after is None:
                return
            query = f"since_ms={since_ms}&after={page.after}"

    def read_webhook(self, body: bytes, signature: str, now_ms: int) -> PaymentEvent:
        """Verify the signature first; only then look into the body."""
        if not is_genuine(body, signature, secret=self._webhook_secret, now_s=now_ms // 1000):
            raise CommerceError("bad_signature", "The webhook's signature does not fit.")
        try:
            webhook = msgspec.json.decode(body, type=Webhook)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise invalid("The webhook is not what the sandbox sends.") from None
        if webhook.refund is not None:
            report = _refund_report(webhook.payment, webhook.refund)
            return PaymentEvent(webhook.id, webhook.type, report)
        return PaymentEvent(webhook.id, webhook.type, _remote_report(webhook.payment))

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        return await self._request(method, path, body, Answer)

    async def _request(
        self, method: str, path: str, body: dict[str, Any] | None, answer: type[Decoded]
    ) -> Decoded:
        try:
            response = await self._http.request(
                method,
                self._base_url + path,
                json=body,
                headers={"Authorization": f"Bearer {self._api_key}"},
            )
        except httpx.HTTPError as error:
            raise ProviderUnavailableError(f"{type(error).__name__} at {path}") from error
        if response.status_code >= SERVER_FAULT or response.status_code == TOO_MANY:
            raise ProviderUnavailableError(f"status {response.status_code} at {path}")
        if response.status_code >= BAD_REQUEST:
            raise ProviderRefusedError(f"{response.status_code}: {response.text[:200]}")
        try:
            return msgspec.json.decode(response.content, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProviderUnavailableError(f"no sense in the answer at {path}") from error


def _report(answer: Answer) -> PaymentReport:
    return _remote_report(answer.payment)


def _refund_report(payment: RemotePayment, refund: RemoteRefund) -> RefundReport:
    return RefundReport(
        payment_id=payment.reference,
        refund_id=refund.reference,
        provider_ref=refund.id,
        state="done",
        amount_minor=refund.amount_minor,
        currency=payment.currency,
    )


def _remote_report(payment: RemotePayment) -> PaymentReport:
    return PaymentReport(
        payment_id=payment.reference,
        provider_ref=payment.id,
        state=payment.state,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        url=payment.url,
        fingerprint=payment.card or "",
    )
