"""A WHIP and WHEP endpoint over any forwarder, with no tickets: what pages and benchmarks talk to.

The product's own endpoint is tested where it is; this one keeps tests of the picture apart from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from realtime.video.ports import Session, VideoError

SCRIPT = Path(__file__).with_name("page.js")
PAGE = (
    '<!doctype html><meta charset="utf-8"><title>{title}</title>'
    '<video muted autoplay playsinline></video><script src="/page.js"></script>'
)
STATUSES = {"publisher_present": 409, "not_live": 409, "video_full": 503, "session_unknown": 404}


class Answering(Protocol):
    """What of a forwarder it needs."""

    async def publish(self, room_id: str, offer: str, *, take_over: bool) -> Session:
        """Answer a publisher."""
        ...

    async def play(self, room_id: str, offer: str) -> Session:
        """Answer a viewer."""
        ...

    async def end(self, session_id: str) -> None:
        """End a session."""
        ...


def build_app(forwarder: Answering) -> Starlette:
    """Return the application: `/whip/{room}`, `/whep/{room}`, `/session/{id}`, and test pages."""

    async def publish(request: Request) -> Response:
        offer = (await request.body()).decode()
        take_over = request.query_params.get("take_over") == "1"
        return await _answer(
            forwarder.publish(request.path_params["room"], offer, take_over=take_over)
        )

    async def play(request: Request) -> Response:
        offer = (await request.body()).decode()
        return await _answer(forwarder.play(request.path_params["room"], offer))

    async def end(request: Request) -> Response:
        try:
            await forwarder.end(request.path_params["id"])
        except VideoError as error:
            return _refusal(error)
        return Response()

    async def page(request: Request) -> Response:
        return HTMLResponse(PAGE.format(title=request.path_params["name"]))

    async def script(_: Request) -> Response:
        return PlainTextResponse(
            SCRIPT.read_text(encoding="utf-8"), media_type="text/javascript; charset=utf-8"
        )

    return Starlette(
        routes=[
            Route("/whip/{room}", publish, methods=["POST"]),
            Route("/whep/{room}", play, methods=["POST"]),
            Route("/session/{id}", end, methods=["DELETE"]),
            Route("/page/{name}", page),
            Route("/page.js", script),
        ]
    )


async def _answer(session: Any) -> Response:
    try:
        found: Session = await session
    except VideoError as error:
        return _refusal(error)
    headers = {"Location": f"/session/{found.id}"}
    return Response(found.answer, status_code=201, headers=headers, media_type="application/sdp")


def _refusal(error: VideoError) -> Response:
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return PlainTextResponse(error.code, status_code=STATUSES.get(error.code, 422), headers=headers)


@contextlib.asynccontextmanager
async def serve(
    forwarder: Answering, wrap: Callable[[Starlette], ASGIApp] = lambda app: app
) -> AsyncIterator[str]:
    """Serve it on a free port of 127.0.0.1; yields the address without a trailing slash."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(wrap(build_app(forwarder)), lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    # The loop's signals are the test runner's.
    task = asyncio.create_task(server._serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await task
        listener.close()


class WhipClient:
    """One session by HTTP: call it with an offer to get the answer; `end` deletes it.

    Raises httpx.HTTPStatusError for a refusal.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._headers = dict(headers or {})
        self.session_url = ""

    async def __call__(self, offer: str) -> str:
        """Post the offer and return the answer."""
        async with httpx.AsyncClient(timeout=30, headers=self._headers) as client:
            response = await client.post(
                self._url, content=offer, headers={"Content-Type": "application/sdp"}
            )
            response.raise_for_status()
            self.session_url = str(response.url.join(response.headers["Location"]))
            return response.text

    async def end(self) -> None:
        """Delete the session."""
        async with httpx.AsyncClient(timeout=30, headers=self._headers) as client:
            (await client.delete(self.session_url)).raise_for_status()
