"""Clients that never finish a request: each is let go, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from server.ops import http_protocol
from server.ops.http_protocol import HEAD_BYTES_MAX, BoundedHttp

CHUNK = 16_384
SHORT_S = 0.3
# A flood that nobody stops would end here.
FLOOD_BYTES = 8 * 1024 * 1024


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the number of body bytes."""
    count, more = 0, True
    while more:
        message = await receive()
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % count})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server that speaks through the protocol under test."""
    config = uvicorn.Config(
        echo, port=0, http=BoundedHttp, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def ask(port: int, *parts: bytes) -> bytes:
    """Send the parts, each by itself, and return all that comes back until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.001)
    answer = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(30):
            while data := await reader.read(CHUNK):
                answer += data
    writer.close()
    return answer


async def test_honest_requests_pass(port: int) -> None:
    """A long cookie, a body in pieces, and two requests over one connection."""
    cookie = b"Cookie: a=" + b"c" * 16_000 + b"\r\n"
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n" + cookie
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    body = b"b" * 60_000
    answer = await ask(port, head[:30], head[30:] + b"\r\n", body[:30_000], body[30_000:], last)
    assert answer.count(b"200 OK") == 2
    assert b"60000" in answer


@pytest.mark.parametrize("line", [b"X-A: " + b"a" * 8_000 + b"\r\n", b"a" * 8_000])
async def test_a_head_without_end_is_refused(port: int, line: bytes) -> None:
    """Whether of many lines or of one: far from where it would fill the memory."""
    start = b"GET / HTTP/1.1\r\nX-Long: "
    count = FLOOD_BYTES // len(line)
    answer = await ask(port, start, *[line] * min(count, 10 * HEAD_BYTES_MAX // len(line)))
    assert b"200" not in answer
    assert answer == b"" or b"431" in answer


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost:",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
    ],
    ids=["nothing", "half a head", "half a body"],
)
async def test_an_unfinished_request_is_let_go(
    port: int, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time; the answer of a patient server would never come."""
    with monkeypatch.context() as patch:
        patch.setattr(http_protocol, "REQUEST_S_MAX", SHORT_S)
        assert await ask(port, start) == b""
    # Who comes then has the usual time, whatever the machine does meanwhile.
    assert b"200 OK" in await ask(port, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
