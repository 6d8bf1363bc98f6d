"""Name every HTTP request, say one line about it, and let all its log lines carry the name.

Invariant: a line has method, path, status, duration, request id and user id; never a query
string, a header or a body.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.ops.logging import request_id, user_id

log = logging.getLogger(__name__)

HEADER = "x-request-id"
# A proxy may name the request; anything unlike an id is replaced, so that no log line is forged.
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Who has the address of a payment page can pay on it; that of a session of video is half of a key.
SECRET_PATH = re.compile(r"(/sandbox-pay/p/|/wh[ie]p/[^/]*/|/media/sessions/).+")
# Asked for all the time; a line for each would bury the others.
QUIET = ("/static/", "/healthz", "/readyz", "/metrics")


class AccessLog:
    """ASGI middleware around the whole application; sockets do not pass here."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], str]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and log its end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = _given_id(scope) or self._new_id()
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (HEADER.encode(), name.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        request_id.set(name)
        user_id.set(None)
        started = time.perf_counter()
        try:
            await self._app(scope, receive, send_named)
        finally:
            self._note(scope, status, (time.perf_counter() - started) * 1000)

    def _note(self, scope: Scope, status: int, took_ms: float) -> None:
        is_quiet = scope["path"].startswith(QUIET)
        log.log(
            logging.DEBUG if is_quiet else logging.INFO,
            "request",
            extra={
                "method": scope["method"],
                "path": SECRET_PATH.sub(r"\1***", scope["path"]),
                "status": status,
                "took_ms": round(took_ms, 1),
            },
        )


def _given_id(scope: Scope) -> str | None:
    for key, value in scope["headers"]:
        if key == HEADER.encode():
            text = str(value.decode("latin-1"))
            return text if GIVEN_ID.fullmatch(text) else None
    return None
