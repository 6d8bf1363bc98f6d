"""What Stripe keeps under an idempotency key is no answer to a call that is made once more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from commerce.orders.payments.model import Payment, PaymentReport, Refund
from commerce.orders.payments.ports import ProviderRefusedError, ProviderUnavailableError
from server.providers.stripe import StripeProvider
from server.providers.stripe_calls import KEYS_MAX

PAYMENT = Payment("p", "o", "stripe", "pi_1", None, 5_000, "CNY", "authorised")
REFUND = Refund("r", "p", "o", 5_000, "CNY", "pending", "person", "broken", restock=True, retries=0)
DONE = {"capture": "succeeded", "cancel": "canceled"}
FAULT = (500, "api_error")
REFUSAL = (400, "invalid_request_error")


class Stripe:
    """A payment at Stripe, which keeps every answer under its key as the documentation says."""

    def __init__(self) -> None:
        self.status = "requires_capture"
        self.faults: list[tuple[int, str]] = []
        self.kept: dict[str, httpx.Response] = {}
        self.keys: list[str] = []
        self.is_answer_lost = False
        self.provider = StripeProvider(
            httpx.AsyncClient(transport=httpx.MockTransport(self.answer)),
            secret_key="sk_test_1",
            webhook_secret="whsec_1",
            api_base="http://stripe.test",
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, or what was answered under its key before."""
        if request.method == "GET":
            is_list = request.url.path == "/v1/refunds"
            return httpx.Response(200, json=EMPTY if is_list else self.intent())
        key = request.headers["idempotency-key"]
        self.keys.append(key)
        if key in self.kept:
            before = self.kept[key]
            headers = {"Idempotent-Replayed": "true"}
            return httpx.Response(before.status_code, content=before.content, headers=headers)
        self.kept[key] = response = self.act(request.url.path.rsplit("/", 1)[1])
        if self.is_answer_lost:
            raise httpx.ReadTimeout("no answer", request=request)
        return response

    def act(self, act: str) -> httpx.Response:
        """Do what is asked, or meet the next fault."""
        if self.faults:
            status, type = self.faults.pop(0)
            return httpx.Response(status, json={"error": {"type": type, "message": "no"}})
        self.status = DONE[act]
        return httpx.Response(200, json=self.intent())

    def intent(self) -> dict[str, object]:
        """Return the PaymentIntent."""
        money = {"amount": 5_000, "amount_received": 5_000, "currency": "cny"}
        named = {"id": "pi_1", "object": "payment_intent", "metadata": {"hubbub_payment": "p"}}
        return {**named, **money, "status": self.status, "payment_method": None}


EMPTY = {"object": "list", "data": [], "has_more": False, "url": "/v1/refunds"}
Call = Callable[[StripeProvider, Payment], Awaitable[PaymentReport]]
CALLS = [(StripeProvider.capture, "capture:p"), (StripeProvider.void, "void:p")]


@pytest.mark.parametrize(("call", "key"), CALLS)
async def test_a_fault_of_a_moment_is_over_when_it_is_over(call: Call, key: str) -> None:
    """The same key would meet it again for a day, and the authorisation waits for nobody."""
    stripe = Stripe()
    stripe.faults = [FAULT, FAULT]
    for _ in range(2):
        with pytest.raises(ProviderUnavailableError):
            await call(stripe.provider, PAYMENT)
    assert (await call(stripe.provider, PAYMENT)).state in ("captured", "voided")
    assert stripe.keys == [key, key, f"{key}:1", key, f"{key}:1", f"{key}:2"]


async def test_a_person_who_mended_the_cause_asks_anew() -> None:
    stripe = Stripe()
    stripe.faults = [REFUSAL]
    with pytest.raises(ProviderRefusedError):
        await stripe.provider.capture(PAYMENT)
    assert stripe.keys == ["capture:p"], "a fresh refusal is an answer"
    assert (await stripe.provider.capture(PAYMENT)).state == "captured"


async def test_an_answer_that_was_lost_is_found_under_its_own_key() -> None:
    stripe = Stripe()
    stripe.is_answer_lost = True
    with pytest.raises(ProviderUnavailableError):
        await stripe.provider.capture(PAYMENT)
    stripe.is_answer_lost = False
    assert (await stripe.provider.capture(PAYMENT)).state == "captured"
    assert set(stripe.keys) == {"capture:p"}


async def test_money_is_given_back_under_one_key() -> None:
    """Nobody knows what became of it: a second key could give it back twice."""
    stripe = Stripe()
    stripe.faults = [FAULT]
    for _ in range(2):
        with pytest.raises(ProviderUnavailableError):
            await stripe.provider.refund(PAYMENT, REFUND)
    assert stripe.keys == ["refund:r:0"] * 2


async def test_a_long_fault_is_not_asked_for_ever() -> None:
    stripe = Stripe()
    stripe.faults = [FAULT] * (KEYS_MAX + 5)
    for _ in range(KEYS_MAX + 2):
        with pytest.raises(ProviderUnavailableError):
            await stripe.provider.capture(PAYMENT)
    assert len(stripe.kept) == KEYS_MAX
