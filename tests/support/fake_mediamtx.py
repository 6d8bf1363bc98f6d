"""A stateful stand-in for MediaMTX: its WHIP and WHEP paths, and its calls of `authHTTPAddress`.

What it does is what MediaMTX documents: each offer is first put to the callback with action, path,
token and query; any status of 2xx lets it in. Reading a path without a publisher is 404. A second
publisher is 409, as other engines say it: MediaMTX itself lets it replace the first.
"""

from __future__ import annotations

import secrets
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.forwarding import ANSWER


class FakeMediaMtx:
    """One engine; `asked` is what it put to the callback."""

    def __init__(self, callback: httpx.AsyncClient) -> None:
        self.asked: list[dict[str, Any]] = []
        self.publishers: dict[str, str] = {}
        self.readers: dict[str, list[str]] = {}
        self.patched: list[tuple[str, str | None]] = []
        self.location: str | None = None  # What it names instead of its own session.
        self.status: int | None = None  # What it answers instead of doing anything.
        self.authorization: list[str | None] = []
        self._callback = callback
        self.app = Starlette(
            routes=[
                Route("/live/{path}/whip", self._whip, methods=["POST"]),
                Route("/live/{path}/whep", self._whep, methods=["POST"]),
                Route("/live/{path}/whip/{secret}", self._session, methods=["PATCH", "DELETE"]),
                Route("/live/{path}/whep/{secret}", self._session, methods=["PATCH", "DELETE"]),
            ]
        )

    async def _is_allowed(self, request: Request, action: str) -> bool:
        header = request.headers.get("authorization")
        self.authorization.append(header)
        body = {
            "user": "",
            "password": "",
            "token": (header or "").removeprefix("Bearer "),
            "ip": "127.0.0.1",
            "action": action,
            "path": f"live/{request.path_params['path']}",
            "protocol": "webrtc",
            "id": secrets.token_hex(8),
            "query": request.url.query,
        }
        self.asked.append(body)
        answer = await self._callback.post("/internal/media/auth", json=body)
        return answer.is_success

    async def _whip(self, request: Request) -> Response:
        if self.status is not None:
            return Response(status_code=self.status)
        if not await self._is_allowed(request, "publish"):
            return Response(status_code=401)
        path = request.path_params["path"]
        if path in self.publishers:
            return Response(status_code=409)
        secret = self.publishers[path] = secrets.token_hex(16)
        return self._created(f"/live/{path}/whip/{secret}")

    async def _whep(self, request: Request) -> Response:
        if self.status is not None:
            return Response(status_code=self.status)
        if not await self._is_allowed(request, "read"):
            return Response(status_code=401)
        path = request.path_params["path"]
        if path not in self.publishers:
            return Response(status_code=404)
        secret = secrets.token_hex(16)
        self.readers.setdefault(path, []).append(secret)
        return self._created(f"/live/{path}/whep/{secret}")

    async def _session(self, request: Request) -> Response:
        path, secret = request.path_params["path"], request.path_params["secret"]
        readers = self.readers.get(path, [])
        if secret != self.publishers.get(path) and secret not in readers:
            return Response(status_code=404)
        if request.method == "PATCH":
            self.patched.append((secret, request.headers.get("if-match")))
            return Response(status_code=204)
        if secret in readers:
            readers.remove(secret)
        else:
            del self.publishers[path]
        return Response(status_code=200)

    def _created(self, location: str) -> Response:
        response = Response(ANSWER, 201, media_type="application/sdp")
        response.headers["Location"] = self.location or location
        response.headers["ETag"] = '"mtx"'
        response.headers.append("Link", '<stun:engine:3478>; rel="ice-server"')
        response.headers.append("Link", '<https://engine/x>; rel="other"')
        return response
