"""Answer the pages of tests over real HTTP, each page as its own test has written.

A page has a hundred modules. Routed through Playwright, each goes from Chromium over its driver to
the test and, as base64, all the way back, with Chromium's cache switched off; that was a third of
what a page cost. Here requests come by a socket, and a header that a page's context sends with each
says whose they are. Playwright's routes may still be laid before it.

Invariant: a request is answered by its own page's test; what that raises fails a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import traceback
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from tests.support.browser import MUST_COME_S

if TYPE_CHECKING:
    from playwright.async_api import Page

# A secure origin and one that is not; no resolver knows them, Chromium is told where they are.
HOSTS = ("hubbub.localhost", "hubbub.invalid")
HEADER = "x-page-of-a-test"
HEAD_BYTES_MAX = 64 * 1024


class Request:
    """A request of a page, its parts under Playwright's names."""

    def __init__(self, head: list[str]) -> None:
        self.method, path, _ = head[0].split(" ")
        fields = (line.partition(":") for line in head[1:])
        self.headers = {name.lower(): value.strip() for name, _, value in fields}
        self.url = f"http://{self.headers['host']}{path}"
        self.post_data: str | None = None
        self.page: Page

    @property
    def post_data_json(self) -> Any:
        """The body, read as JSON; None when there is none."""
        return json.loads(self.post_data) if self.post_data else None


class Route:
    """A request, and the one answer it gets; a part of Playwright's class of this name."""

    def __init__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._writer = writer
        self.is_answered = False

    async def fulfill(
        self,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        body: str | bytes = b"",
        json: Any = None,
        content_type: str | None = None,
    ) -> None:
        """Answer; `json` is what the body says, if given."""
        fields = {name.lower(): value for name, value in (headers or {}).items()}
        if json is not None:
            body, content_type = _encode(json), content_type or "application/json"
        if content_type:
            fields["content-type"] = content_type
        raw = body.encode() if isinstance(body, str) else body
        if status != HTTPStatus.NO_CONTENT:
            fields["content-length"] = str(len(raw))
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self.is_answered = True
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + raw)
        await self._writer.drain()

    async def abort(self) -> None:
        """Cut the connection instead of an answer."""
        self.is_answered = True
        self._writer.transport.abort()


Answer = Callable[[Any], Awaitable[None]]


def _allow(asked: str) -> dict[str, str]:
    """Let a page of any origin call with these headers."""
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "POST, PATCH, DELETE",
        "Access-Control-Allow-Headers": asked,
    }


def _encode(value: Any) -> str:
    return json.dumps(value)


class PageServer:
    """One server for all page tests of a process, in the loop that those share."""

    def __init__(self) -> None:
        self._pages: dict[str, tuple[Page, Answer]] = {}
        self._talks: set[asyncio.Task[None]] = set()
        self._failures: list[str] = []
        self._server: asyncio.Server
        self.flag = ""
        """What Chromium has to be told to find its pages here."""

    async def start(self) -> None:
        """Listen on the loopback."""
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", limit=HEAD_BYTES_MAX)
        port = self._server.sockets[0].getsockname()[1]
        rules = ",".join(f"MAP {host} 127.0.0.1:{port}" for host in HOSTS)
        self.flag = f"--host-resolver-rules={rules}"

    async def stop(self) -> None:
        """Close every connection."""
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def add(self, page: Page, answer: Answer) -> str:
        """Have requests with a new name answered for a page; return the name."""
        name = uuid4().hex
        self._pages[name] = (page, answer)
        return name

    def forget(self) -> list[str]:
        """Forget all pages; return what went wrong with them."""
        self._pages.clear()
        failures, self._failures = self._failures, []
        return failures

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        # Cancelled at the end of all: an asyncio server takes that for a bug of ours.
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                request = Request([line for line in head if line])
                size = int(request.headers.get("content-length", "0"))
                request.post_data = (await reader.readexactly(size)).decode() or None
                route = Route(request, writer)
                await self._answer(route)
                if not route.is_answered:  # It is kept waiting, until the page goes.
                    await reader.read()
                    break
        writer.transport.abort()
        self._talks.discard(talk)

    async def _answer(self, route: Route) -> None:
        name = route.request.headers.get(HEADER, "")
        asked = route.request.headers.get("access-control-request-headers")
        if asked is not None:  # A preflight, which carries no name; whoever is asked next says it.
            await route.fulfill(status=HTTPStatus.NO_CONTENT, headers=_allow(asked))
            return
        if name not in self._pages:  # The last words of a page whose test is over.
            await route.fulfill(status=HTTPStatus.GONE)
            return
        route.request.page, answer = self._pages[name]
        try:
            await answer(route)
        except Exception:
            if name in self._pages and not route.request.page.is_closed():
                self._failures.append(f"{route.request.url}: {traceback.format_exc()}")
            if not route.is_answered:
                await route.fulfill(status=HTTPStatus.INTERNAL_SERVER_ERROR)


_SERVERS: WeakKeyDictionary[Any, PageServer] = WeakKeyDictionary()
"""The server that a browser was started with."""


def lend(browser: Any, server: PageServer) -> None:
    """Note which server a browser's pages come from."""
    _SERVERS[browser] = server


async def answer_page(page: Page, answer: Answer) -> None:
    """Have all requests of a page's context answered by `answer`, as `page.route` would.

    Whatever the context is asked to wait for, it waits as long as `wait_until` does.
    """
    page.context.set_default_timeout(MUST_COME_S * 1000)
    name = _SERVERS[page.context.browser].add(page, answer)
    await page.context.set_extra_http_headers({HEADER: name})
