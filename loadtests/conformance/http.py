"""Call the shop over HTTP, soundly or not, and read its answers.

Invariant: each call has a connection of its own, so that calls spread over the gateways, and is
bounded in time.
"""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from loadtests.conformance.matching import find_mismatch
from loadtests.conformance.model import MismatchError, require
from loadtests.conformance.shapes import ERROR

TIMEOUT_S = 30.0
# A room is told 20 things a second; all checks together tell it a few hundred.
SLOW_S = 30.0


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer; the names of `headers` are in small letters."""

    call: str
    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        """The body; raises MismatchError when it is not JSON."""
        kind = self.headers.get("content-type", "")
        require(kind.startswith("application/json"), f"{self.call}: JSON", f"{self} ({kind})")
        try:
            return msgspec.json.decode(self.data)
        except ValueError:
            raise MismatchError(f"{self.call}: JSON in UTF-8", str(self)) from None

    def __str__(self) -> str:
        """Return it as a person reads it."""
        return f"{self.status} {self.data.decode(errors='replace')}"


class Person:
    """Somebody who calls: a visitor without a token, or somebody with one."""

    def __init__(self, base_url: str, *, token: str | None = None, user: Any = None) -> None:
        self.base_url = base_url
        self.token = token
        self.user: dict[str, Any] = user or {}

    async def call(
        self,
        call: str,
        body: object = None,
        *,
        key: str | None = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Make a call such as `POST /api/guests`; `body` becomes JSON, `data` is sent as it is."""
        sent = {"Accept": "application/json", "Connection": "close"}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        if key is not None:
            sent["Idempotency-Key"] = key
        if body is not None:
            data = msgspec.json.encode(body)
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        return await self._send(call, data, sent)

    async def _send(self, call: str, data: bytes | None, headers: dict[str, str]) -> Reply:
        return await asyncio.to_thread(send, self.base_url, call, data, headers)

    async def get(self, path: str, status: int = 200) -> Any:
        """Read something that must be there, and return its JSON."""
        return expect_status(await self.call(f"GET {path}"), status).json

    async def do(
        self, call: str, body: object = None, *, key: str | None = None, status: int = 200
    ) -> Any:
        """Make a call that must answer with a status, and return its JSON."""
        return expect_status(await self.call(call, body, key=key), status).json


class Host(Person):
    """Somebody of a room's staff, who are told to slow down together: others may be busy too."""

    async def _send(self, call: str, data: bytes | None, headers: dict[str, str]) -> Reply:
        until_s = time.monotonic() + SLOW_S
        while True:
            reply = await super()._send(call, data, headers)
            if reply.status != 429 or time.monotonic() > until_s:
                return reply
            await asyncio.sleep(reply.json["error"].get("retry_ms", 0) / 1000)


def send(base_url: str, call: str, data: bytes | None, headers: dict[str, str]) -> Reply:
    """Make one call over a connection of its own; raises OSError or HTTPException."""
    method, _, path = call.partition(" ")
    address = urlsplit(base_url)
    host, port = address.hostname or "", address.port
    connection: http.client.HTTPConnection
    if address.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(call, answer.status, names, answer.read())
    finally:
        connection.close()


def expect_status(reply: Reply, status: int) -> Reply:
    """Return the answer; raise MismatchError when it has another status."""
    require(reply.status == status, f"{reply.call}: status {status}", str(reply))
    return reply


def expect_error(reply: Reply, status: int, code: str) -> dict[str, Any]:
    """Return the error in the documented envelope; raise MismatchError for anything else."""
    expected = f"{reply.call}: {status} with the error {code!r} in its envelope"
    require(reply.status == status, expected, str(reply))
    body = reply.json
    problem = find_mismatch(body, {"error": ERROR})
    require(problem is None, expected, f"{problem}: {reply}")
    error: dict[str, Any] = body["error"]
    require(error["code"] == code, expected, str(reply))
    if "retry_ms" in error:
        wait_s = str(-(-error["retry_ms"] // 1000))
        came = reply.headers.get("retry-after")
        require(came == wait_s, f"{reply.call}: Retry-After {wait_s}", came)
    return error


def expect_shape(value: Any, shape: Any, what: str) -> Any:
    """Return the value; raise MismatchError where a documented field is missing or wrong."""
    problem = find_mismatch(value, shape)
    require(problem is None, f"{what} as documented", problem)
    return value
