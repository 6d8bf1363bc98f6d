"""Localstripe as a child process, the buyer's side of it, and wires that lose or keep requests.

What Stripe does and localstripe does not is done here or left untested; docs/operations.md says
which: no idempotency keys, no `amount_capturable_updated` or `canceled` event, no second card after
a decline.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import stripe

from server.providers.stripe import StripeProvider
from server.wiring.sources import SystemClock

ROOT = Path(__file__).resolve().parents[2]
SECRET_KEY = "sk_test_hubbubtests"
PUBLISHABLE_KEY = "pk_test_hubbubtests"
WEBHOOK_SECRET = "whsec_hubbubtests"
GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000341"
START_TIMEOUT_S = 30.0


@contextmanager
def run_localstripe() -> Iterator[str]:
    """Start localstripe, yield its address, stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.support.localstripe_child", str(port)]
    child = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(port, child)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(60)


def _wait(port: int, child: subprocess.Popen[bytes]) -> None:
    end_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end_s:
        assert child.poll() is None, "localstripe ended by itself"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("localstripe does not listen")


class StripeWires(httpx.AsyncBaseTransport):
    """Carries requests to localstripe, keeps them, and loses some on the way."""

    def __init__(self) -> None:
        self.real = httpx.AsyncHTTPTransport()
        self.requests: list[httpx.Request] = []
        self.is_cut = False
        self.are_answers_lost = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request, or lose it or its answer."""
        self.requests.append(request)
        if self.is_cut:
            raise httpx.ConnectError("cut", request=request)
        response = await self.real.handle_async_request(request)
        if self.are_answers_lost:
            await response.aread()
            raise httpx.ReadTimeout("no answer", request=request)
        return response

    def keys(self, path_end: str) -> list[str]:
        """Return the idempotency keys of the POSTs to paths that end so."""
        return [
            request.headers["idempotency-key"]
            for request in self.requests
            if request.method == "POST" and request.url.path.endswith(path_end)
        ]

    async def aclose(self) -> None:
        """Close the connections."""
        await self.real.aclose()


class StripeSide:
    """Stripe as its buyer's browser and its operator's dashboard use it."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.wires = StripeWires()
        self.http = httpx.AsyncClient(transport=self.wires)
        self.provider = StripeProvider(
            self.http, secret_key=SECRET_KEY, webhook_secret=WEBHOOK_SECRET, api_base=base
        )
        self._own = httpx.AsyncClient(base_url=base, auth=(SECRET_KEY, ""))

    async def post(self, path: str, data: dict[str, Any] | None = None) -> httpx.Response:
        """Call the API as somebody else than the shop."""
        return await self._own.post(path, data=data or {})

    async def intent(self, intent_id: str) -> dict[str, Any]:
        """Return a PaymentIntent."""
        found: dict[str, Any] = (await self._own.get(f"/v1/payment_intents/{intent_id}")).json()
        return found

    async def list(self, path: str) -> list[dict[str, Any]]:
        """Return the newest objects of a kind."""
        found: list[dict[str, Any]] = (await self._own.get(path)).json()["data"]
        return found

    async def enter_card(self, intent_id: str, number: str = GOOD_CARD) -> httpx.Response:
        """Do what Stripe's form does with a card: attach it and confirm."""
        card = {"number": number, "exp_month": "12", "exp_year": "2035", "cvc": "123"}
        fields = {"type": "card", **{f"card[{name}]": value for name, value in card.items()}}
        method = (await self.post("/v1/payment_methods", fields)).json()["id"]
        await self.post(f"/v1/payment_intents/{intent_id}", {"payment_method": method})
        return await self.post(f"/v1/payment_intents/{intent_id}/confirm")

    async def close(self) -> None:
        """Let go of connections."""
        await self._own.aclose()
        await self.http.aclose()


def event_of(thing: dict[str, Any], type: str) -> dict[str, Any]:
    """Return the event that Stripe would send of an object."""
    return {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": type,
        "data": {"object": thing},
    }


def signed(body: bytes, *, secret: str = WEBHOOK_SECRET, age_s: int = 0) -> str:
    """Return the signature that Stripe would send with a body."""
    sent_s = SystemClock().now_ms() // 1000 - age_s
    made: str = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, sent_s)
    return made


def encode(event: dict[str, Any]) -> bytes:
    """Return an event as it is sent."""
    return orjson.dumps(event)
