"""The demo's film comes in by the doors that a host's page uses: log in, ticket, WHIP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from server.ops.demo_film import Door, show_film
from tests.support.media.loopback import only_loopback
from tests.support.media.signalling import WhipClient, serve
from tests.support.media.stock import StockForwarder
from tests.support.media.verifier import Verifier

PASSWORD = "demo-moderator"


def with_doors(inner: Starlette) -> ASGIApp:
    """Put the shop's log-in and tickets before an endpoint, which then wants the ticket's token."""

    async def log_in(request: Request) -> Response:
        person = await request.json()
        if person != {"login": "moderator", "password": PASSWORD}:
            return PlainTextResponse("no", status_code=401)
        return JSONResponse({"token": "mei", "user": {}})

    async def ticket(request: Request) -> Response:
        if request.headers["authorization"] != "Bearer mei":
            return PlainTextResponse("no", status_code=401)
        return JSONResponse({"url": "/whip/demo", "token": "stage"}, status_code=201)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        whip = scope["path"].startswith("/whip/")
        if whip and Request(scope).headers.get("authorization") != "Bearer stage":
            await PlainTextResponse("no", status_code=401)(scope, receive, send)
        else:
            await inner(scope, receive, send)

    return Starlette(
        routes=[
            Route("/api/login", log_in, methods=["POST"]),
            Route("/api/rooms/demo/video/publish", ticket, methods=["POST"]),
            Mount("/", guarded),
        ]
    )


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A shop's address."""
    forwarder = StockForwarder()
    with only_loopback():
        async with serve(forwarder, with_doors) as url:
            yield url
            await forwarder.close()


async def test_the_film_is_on_in_the_demo_room(address: str) -> None:
    task = asyncio.create_task(show_film(Door(address, "demo", "moderator", PASSWORD)))
    verifier = Verifier()
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    await verifier.start(WhipClient(f"{address}/whep/demo"))
                    break
                except Exception:  # Not on yet: a page tries again, too.
                    await verifier.close()
                    verifier = Verifier()
                    await asyncio.sleep(0.1)
        await verifier.wait_frames(5, timeout_s=60)
        assert verifier.size == (720, 1280)
        assert verifier.sounds > 0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await verifier.close()


async def test_a_wrong_password_is_tried_again_and_ends_nothing(address: str) -> None:
    task = asyncio.create_task(show_film(Door(address, "demo", "moderator", "wrong")))

    done, _ = await asyncio.wait([task], timeout=0.5)

    assert not done
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
