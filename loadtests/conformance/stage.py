"""What all checks share: the people, the connections, the live show, the flash sales.

Invariant: what a check opens is closed, held units are given back, and what cannot be taken back
is counted, to be told at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

import msgspec

from loadtests.conformance.ear import Ear
from loadtests.conformance.http import Person, expect_shape
from loadtests.conformance.model import NotApplicableError
from loadtests.conformance.shapes import SALE, STATE, USER
from loadtests.conformance.websocket import Opening

SUBPROTOCOL = "hubbub.v1.json"
VERSION = "1"
FOREIGN_ORIGIN = "https://elsewhere.example"
SESSION_COOKIE = "hubbub_session"
# Units that must be free before a sale is carved out of a piece: the shop goes on selling.
FREE_UNITS_MIN = 3
# Longer than any process remembers that nothing was free, by the contract's `retry_ms`: sooner, a
# press may be refused once more by what was so a moment ago.
MEMORY_S = 1.0
# A process with too much to do sends visitors away for a while, by the contract.
ADMITTED_TIMEOUT_S = 60.0
NO_HOST = "no host login was given (--host-login, --host-password)"


class Target(msgspec.Struct, frozen=True):
    """Where to check: the address, the room, and whose login commands it."""

    base_url: str
    room: str = "demo"
    host_login: str | None = None
    host_password: str | None = None

    @property
    def origin(self) -> str:
        """The Origin that the shop's own pages have."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    def socket_url(self, query: dict[str, str], room: str | None = None) -> str:
        """Return the address of a WebSocket."""
        parts = urlsplit(self.base_url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        path = f"/ws/{quote(room or self.room, safe='')}"
        return f"{scheme}://{parts.netloc}{path}?{urlencode(query)}"


class Visit(msgspec.Struct, frozen=True):
    """How to come into the room; the defaults are those of a visitor who has nothing yet."""

    person: Person | None = None
    position: tuple[str, int] | None = None
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    subprotocols: tuple[str, ...] = (SUBPROTOCOL,)
    room: str | None = None


class Stage:
    """One run's people and things."""

    def __init__(self, target: Target, host: Person | None) -> None:
        self.target = target
        self.visitor = Person(target.base_url)
        self.ears: list[Ear] = []
        self.left: Counter[str] = Counter()
        """What stays behind: what it is, and how many."""
        self.asked: dict[str, tuple[dict[str, Any], str]] = {}
        """Sale → the terms and the key that it was armed with."""
        self.problems: list[str] = []
        """What could not be given back."""
        self._host = host
        self._opening_show = asyncio.Lock()
        self._pieces: asyncio.Queue[dict[str, Any]] | None = None
        self._pieces_count = 0

    @property
    def room_path(self) -> str:
        """The path of the room's calls."""
        return f"/api/rooms/{quote(self.target.room, safe='')}"

    async def guest(self) -> Person:
        """Come in as somebody new."""
        name = f"kit {uuid4().hex[:8]}"
        answer = await self.visitor.do("POST /api/guests", {"name": name}, status=201)
        expect_shape(answer, {"token": str, "user": USER}, "the answer to POST /api/guests")
        self.left["guests"] += 1
        return Person(self.target.base_url, token=answer["token"], user=answer["user"])

    @property
    def host(self) -> Person:
        """The room's host; raises NotApplicableError when no login was given."""
        if self._host is None:
            raise NotApplicableError(NO_HOST)
        return self._host

    def require_host(self) -> None:
        """Raise NotApplicableError when no login was given."""
        if self._host is None:
            raise NotApplicableError(NO_HOST)

    @asynccontextmanager
    async def visit(self, visit: Visit | None = None) -> AsyncIterator[Ear]:
        """Connect to the room, again when it has no room now, and leave it at the end."""
        visit = visit or Visit()
        query = {"v": VERSION, **visit.query}
        headers = dict(visit.headers)
        if visit.person is not None and visit.person.token is not None:
            headers["Authorization"] = f"Bearer {visit.person.token}"
        if visit.position is not None:
            query |= {"e": visit.position[0], "o": str(visit.position[1])}
        url = self.target.socket_url(query, visit.room)
        until_s = time.monotonic() + ADMITTED_TIMEOUT_S
        while True:
            ear = Ear(Opening(url, headers, visit.subprotocols), visit.position)
            self.ears.append(ear)
            async with ear:
                retry_ms = await ear.shut_out_ms()
                if retry_ms is None or time.monotonic() > until_s:
                    yield ear
                    return
            await asyncio.sleep(retry_ms / 1000)

    @asynccontextmanager
    async def settled(self, person: Person | None = None) -> AsyncIterator[Ear]:
        """Connect to the room and wait until the client is at the present."""
        async with self.visit(Visit(person)) as ear:
            await ear.settle()
            yield ear

    async def state(self) -> dict[str, Any]:
        """Read the room's state over HTTP."""
        state: dict[str, Any] = await self.visitor.get(self.room_path)
        return expect_shape(state, STATE, f"GET {self.room_path}")  # type: ignore[no-any-return]  # As given.

    async def live_state(self) -> dict[str, Any]:
        """Return the state of a live room; the host starts the show when nobody has."""
        async with self._opening_show:
            state = await self.state()
            if state["show"] is not None and state["show"]["status"] == "live":
                return state
            if self._host is None:
                raise NotApplicableError(f"the room has no live show, and {NO_HOST}")
            await self._host.do(f"POST {self.room_path}/start")
            self.left["live shows, started by the kit because none was"] += 1
            return await self.state()

    async def event(self) -> tuple[str, int]:
        """Return the room's position, which is behind at least one event of its log.

        Without any the host announces something.
        """
        async with self.settled() as ear:
            if ear.watch.position[1] == 0:
                await self.announce("Checking the line.")
                await ear.hear_event("announcement", lambda payload: True)
            return ear.watch.position

    async def announce(self, text: str) -> None:
        """Let the host say a sentence; the one before is put back at the end."""
        await self.host.do(f"POST {self.room_path}/announce", {"text": text})
        self.left["events in the room's log"] += 1

    @asynccontextmanager
    async def regular_sale(self) -> AsyncIterator[dict[str, Any]]:
        """Lend a regular sale of the bag that has free units."""
        state = await self.live_state()
        for sale in state["sales"]:
            is_free = sale["kind"] == "regular" and sale["state"] == "open"
            if is_free and sale["stock"][0] >= FREE_UNITS_MIN:
                yield sale
                return
        raise NotApplicableError("no regular sale of the bag has units to spare")

    @asynccontextmanager
    async def flash_sale(self, **terms: Any) -> AsyncIterator[dict[str, Any]]:
        """Arm a flash sale of a piece that nobody else uses, and close it at the end."""
        host = self.host
        pieces = await self._free_pieces()
        piece = await pieces.get()
        try:
            sale = await self._arm(piece, terms)
            try:
                yield sale
            finally:
                await self._close(host, sale["id"])
        finally:
            pieces.put_nowait(piece)

    @asynccontextmanager
    async def held(self, sale: str, reservation: str, buyer: Person) -> AsyncIterator[None]:
        """Give a hold back at the end, whatever happens to it meanwhile."""
        try:
            yield
        finally:
            reply = await buyer.call(f"DELETE /api/reservations/{reservation}", key=str(uuid4()))
            if reply.status != 200:
                self.problems.append(f"the hold {reservation} of sale {sale}: {reply}")

    def terms(self, piece: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Return what a flash sale of a piece asks for."""
        return {
            "sku": piece["sku"],
            "price_minor": max(1, piece["price_minor"] // 2),
            "quantity": 1,
            "per_buyer": 1,
            "countdown_s": 0,
            "duration_s": 120,
            "hold_s": 60,
            **changes,
        }

    async def _arm(self, piece: dict[str, Any], terms: dict[str, Any]) -> dict[str, Any]:
        wanted, key = self.terms(piece, **terms), str(uuid4())
        path = f"POST {self.room_path}/flash-sales"
        answer = await self.host.do(path, wanted, key=key, status=201)
        self.left["closed flash sales, listed until the show ends"] += 1
        sale: dict[str, Any] = expect_shape(answer, {"sale": SALE}, "an armed sale")["sale"]
        self.asked[sale["id"]] = (wanted, key)
        return sale

    async def _close(self, host: Person, sale: str) -> None:
        reply = await host.call(f"POST /api/sales/{sale}/close", {}, key=str(uuid4()))
        if reply.status not in {200, 409}:
            self.problems.append(f"the flash sale {sale}: {reply}")

    async def _free_pieces(self) -> asyncio.Queue[dict[str, Any]]:
        state = await self.live_state()
        if self._pieces is None:
            busy = {
                sale["sku"]
                for sale in state["sales"]
                if sale["kind"] != "regular"
                and sale["state"] in {"armed", "open", "sold_out", "halted"}
            }
            stock = {sale["id"]: sale["stock"] for sale in state["sales"]}
            self._pieces = asyncio.Queue()
            for piece in state["bag"]:
                is_free = stock.get(piece["sale"], [0])[0] >= FREE_UNITS_MIN
                if is_free and piece["sku"] not in busy:
                    self._pieces.put_nowait(piece)
                    self._pieces_count += 1
        if not self._pieces_count:
            raise NotApplicableError("no piece of the bag has units to spare for a flash sale")
        return self._pieces
