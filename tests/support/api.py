"""Call a running Hubbub over HTTP, as a host, a guest or an operator."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

CALM_S = 0.05
AGAIN_S = 0.1
INSIST_S = 90.0
UNAVAILABLE = 503
# The server closes a connection that was idle for 5 s; one that is used again just then is lost.
KEPT = httpx.Limits(keepalive_expiry=2.0)
# Everything is on this machine, without TLS; reading the system's certificates for each client
# costs 50 ms.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def open_client(url: str = "", **options: Any) -> httpx.AsyncClient:
    """Return a client for a server on this machine, cheap enough to have hundreds of them."""
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, verify=NO_TLS, **options)


async def insist_on(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Ask until a process that can answers: one gateway may be up while another comes back."""
    async with asyncio.timeout(INSIST_S):
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await ask()
                if answer.status_code != UNAVAILABLE:
                    return answer
            await asyncio.sleep(AGAIN_S)


class Caller:
    """One person with a token; every call is strict about its status."""

    def __init__(self, url: str, token: str, user: dict[str, Any]) -> None:
        self.token = token
        self.user = user
        self.http = open_client(url, limits=KEPT, headers={"Authorization": f"Bearer {token}"})

    async def call(
        self, method: str, path: str, body: object = None, *, status: int = 200, key: str = ""
    ) -> Any:
        """Make a call that must answer `status`; writes get a fresh key unless one is given."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())} if method != "GET" else {}
        response = await self.http.request(method, path, json=body, headers=headers)
        assert response.status_code == status, f"{method} {path}: {response.text}"
        return response.json()

    async def insist(
        self, method: str, path: str, body: object = None, *, status: int = 200
    ) -> Any:
        """Call as a good client does: until a process that can answers, with the same key."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method != "GET" else {}
        answer = await insist_on(
            lambda: self.http.request(method, path, json=body, headers=headers)
        )
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        return answer.json()

    async def close(self) -> None:
        """Let go of connections."""
        await self.http.aclose()


async def audit_now(operator: Caller, timeout_s: float = 60.0) -> dict[str, Any]:
    """Return the continuous audit's report once it speaks of this moment, with nothing left."""
    asked_ms: int | None = None
    async with asyncio.timeout(timeout_s):
        while True:
            report: dict[str, Any] = await operator.call("GET", "/api/audit")
            if report["at_ms"] is not None:
                asked_ms = asked_ms or report["now_ms"]
                if report["at_ms"] > asked_ms and report["behind"] == 0:
                    return report
            await asyncio.sleep(CALM_S)


async def enter(url: str, name: str = "Lin") -> Caller:
    """Come in as a guest."""
    return await _sign_in(url, "/api/guests", {"name": name})


async def log_in(url: str, login: str) -> Caller:
    """Come in as a member of the demo's staff."""
    return await _sign_in(url, "/api/login", {"login": login, "password": f"demo-{login}"})


async def _sign_in(url: str, path: str, body: dict[str, str]) -> Caller:
    async with open_client(url) as http:
        response = await insist_on(lambda: http.post(path, json=body))
    assert response.is_success, response.text
    answer = response.json()
    return Caller(url, answer["token"], answer["user"])


async def start_flash_sale(host: Caller, **terms: Any) -> dict[str, Any]:
    """Start the demo show, pin the tea bowl and arm a flash sale of it; returns the sale."""
    await host.call("POST", "/api/rooms/demo/start")
    state = await host.call("GET", "/api/rooms/demo")
    bowl = next(item for item in state["bag"] if item["sku"] == "demo-tea-bowl")
    await host.call("POST", "/api/rooms/demo/pin", {"item": bowl["item"]})
    wanted = {
        "sku": "demo-tea-bowl",
        "price_minor": 19_900,
        "quantity": 20,
        "per_buyer": 1,
        "countdown_s": 1,
        "duration_s": 600,
    }
    answer = await host.call("POST", "/api/rooms/demo/flash-sales", wanted | terms, status=201)
    sale: dict[str, Any] = answer["sale"]
    return sale


async def pay(buyer: Caller, reservation_id: str) -> dict[str, Any]:
    """Order one reservation, pay it on the sandbox's page, and wait until it is paid."""
    order = await buyer.call("POST", "/api/orders", {"reservations": [reservation_id]}, status=201)
    async with open_client() as http:
        page = await http.post(order["payment"]["url"], data={"act": "pay"})
        assert page.status_code == 303, page.text

    async def is_paid() -> Any:
        fresh = await buyer.call("GET", f"/api/orders/{order['order']['id']}")
        return fresh["order"] if fresh["order"]["state"] == "paid" else None

    paid: dict[str, Any] = await eventually(is_paid)
    return paid


async def eventually(ask: Callable[[], Any], timeout_s: float = 60) -> Any:
    """Ask until the answer is true, and return it; fail after `timeout_s`."""
    async with asyncio.timeout(timeout_s):
        while True:
            answer = await ask()
            if answer:
                return answer
            await asyncio.sleep(CALM_S)
