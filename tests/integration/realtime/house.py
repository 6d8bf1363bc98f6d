"""A shop without a database: rooms, log, tokens and stores in memory, shared by real gateways."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import uuid4

import msgspec
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from realtime.brokers.redis import RedisBroker, RedisLink
from realtime.gateway.connection import connection_class
from realtime.gateway.gateway import Gateway, GatewayPorts
from realtime.gateway.limits import GatewayLimits
from realtime.protocol.errors import CommandError
from realtime.protocol.messages import ChatLine, LogEntry
from realtime.rooms.ports import (
    Caller,
    DeliveryReport,
    HouseRules,
    Identity,
    Modes,
    Process,
    Reply,
    RoomRef,
    Snapshot,
)

# What must come is waited for as long as a busy machine may need; only a failure takes it.
MUST_COME_S = 60.0


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class House:
    """One room, `demo`, and everything the server would keep about it. A RoomSource and more."""

    def __init__(self) -> None:
        self.epoch = "epoch-1"
        self.log: list[LogEntry] = []
        self.first_offset = 1
        self.state: dict[str, Any] = {"room": "demo", "show": None, "viewers": 0, "likes": 0}
        self.muted: dict[str, int] = {}
        self.modes = Modes()
        self.saved: list[ChatLine] = []
        self.likes = 0
        self.deliveries: list[DeliveryReport] = []
        self.snapshots = 0
        self.is_down = False
        self.token_lives_ms = 3_600_000
        self.padding = ""
        self.departed: list[str] = []
        self.excused: list[str] = []

    # RoomSource

    @property
    def offset(self) -> int:
        return self.first_offset + len(self.log) - 1

    async def find(self, slug: str) -> RoomRef | None:
        self._answer()
        if slug != "demo":
            return None
        return RoomRef("r1", "demo", self.epoch, "host-1", self.offset)

    async def snapshot(self, room_id: str) -> Snapshot:
        self._answer()
        self.snapshots += 1
        state = self.state | {"events": self.offset, "padding": self.padding}
        return Snapshot(self.epoch, self.offset, msgspec.json.encode(state))

    async def read_log(self, room_id: str, after: int, limit: int) -> list[LogEntry]:
        self._answer()
        return [entry for entry in self.log if entry.offset > after][:limit]

    async def house_rules(self, room_id: str) -> HouseRules:
        self._answer()
        return HouseRules(dict(self.muted), self.modes)

    def _answer(self) -> None:
        if self.is_down:
            raise ConnectionError("the database is down")

    # Authenticator

    def identify(self, token: str) -> Identity | None:
        role, _, name = token.partition("/")
        if role not in {"guest", "host", "moderator"}:
            return None
        user_id = "host-1" if role == "host" else f"{role}-{name}"
        return Identity(user_id, name, role, now_ms() + self.token_lives_ms)

    # CommandHandler

    async def __call__(self, caller: Caller, command: str, args: bytes, key: str | None) -> bytes:
        if command == "echo":
            return b'{"user":"%s","args":%s}' % (caller.identity.user_id.encode(), args)
        if command == "slow":
            await asyncio.sleep(0.3)
            return b"{}"
        if command == "sold_out":
            raise CommandError("sold_out", "No more.", detail={"version": 7})
        if command == "crash":
            raise RuntimeError("a bug")
        raise CommandError("unknown_command", "No command has this name.")

    def take(
        self, caller: Caller, command: str, args: bytes, key: str | None, reply: Reply
    ) -> bool:
        if command == "gone":
            reply(CommandError("sold_out", "No more.", detail={"version": 7}))
        return command == "gone"

    def left(self, conn: str) -> None:
        self.departed.append(conn)

    def sent_away(self, conn: str) -> None:
        self.excused.append(conn)

    # ChatStore, LikeStore and DeliveryStore

    async def save(self, room_id: str, lines: Sequence[ChatLine]) -> None:
        self._answer()
        self.saved.extend(lines)

    async def add(self, room_id: str, count: int) -> int:
        self._answer()
        self.likes += count
        return self.likes

    async def keep_deliveries(self, reports: Sequence[DeliveryReport]) -> None:
        self._answer()
        self.deliveries.extend(reports)

    def commit(self, kind: str, payload: dict[str, Any] | None = None) -> LogEntry:
        """Append an event to the log, as a transaction would; nothing is announced."""
        body = msgspec.json.encode(payload if payload is not None else {"n": self.offset + 1})
        entry = LogEntry(self.offset + 1, kind, body, now_ms())
        self.log.append(entry)
        return entry


_OPENED: dict[int, list[Client]] = defaultdict(list)
"""The clients that were connected to a port."""


class Served(msgspec.Struct):
    """A running gateway and where it listens."""

    gateway: Gateway
    port: int

    async def open(
        self, token: str | None = "guest/ann", *, extra: str = "", **options: Any
    ) -> Client:
        """Connect a client; `extra` is added to the query."""
        return await open_client(self.port, token, extra=extra, **options)


class Client:
    """A WebSocket client that keeps every frame it has read."""

    def __init__(self, socket_: ClientConnection) -> None:
        self.socket = socket_
        self.frames: list[list[Any]] = []

    async def read(self, timeout_s: float = MUST_COME_S) -> list[Any]:
        """Read the next frame."""
        async with asyncio.timeout(timeout_s):
            frame: list[Any] = msgspec.json.decode(await self.socket.recv())
        self.frames.append(frame)
        return frame

    async def until(self, kind: str, *, timeout_s: float = MUST_COME_S) -> list[Any]:
        """Read up to the next frame of this type."""
        async with asyncio.timeout(timeout_s):
            while (frame := await self.read(timeout_s))[0] != kind:
                pass
        return frame

    async def until_state(self, key: str, value: Any, *, timeout_s: float = MUST_COME_S) -> None:
        """Read until the state key has the value."""
        async with asyncio.timeout(timeout_s):
            while True:
                frame = await self.until("K", timeout_s=timeout_s)
                if key in frame[2] and frame[2][key][1] == value:
                    return

    async def until_offset(self, offset: int, *, timeout_s: float = MUST_COME_S) -> None:
        """Read until the sale event at `offset` has come."""
        async with asyncio.timeout(timeout_s):
            while offset not in self.offsets:
                await self.read(timeout_s)

    @property
    def offsets(self) -> list[int]:
        """The offsets of all sale events read, in the order they came."""
        return [
            frame[1] + index
            for frame in self.frames
            if frame[0] == "S"
            for index in range(len(frame[2]))
        ]

    async def send(self, *message: Any) -> None:
        """Send one frame."""
        await self.socket.send(msgspec.json.encode(message).decode())

    async def close_code(self, timeout_s: float = MUST_COME_S) -> int | None:
        """Read until the server closes; return the code."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.read(timeout_s)
        return self.socket.close_code


async def open_client(
    port: int, token: str | None, *, extra: str = "", room: str = "demo", **options: Any
) -> Client:
    """Connect to a gateway on this machine."""
    query = "v=1" + ("" if token is None else f"&t={token}") + extra
    options.setdefault("compression", None)
    client = Client(await connect(f"ws://127.0.0.1:{port}/ws/{room}?{query}", **options))
    _OPENED[port].append(client)
    return client


async def _abort_clients(port: int) -> None:
    """Cut whoever has not left: a transport that outlives its test is found in another one."""
    for client in _OPENED.pop(port, []):
        if client.socket.transport is not None:
            client.socket.transport.abort()
    await asyncio.sleep(0)  # That closes the sockets.


async def _no_http(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def serve(
    house: House,
    redis_url: str,
    prefix: str,
    *,
    limits: GatewayLimits | None = None,
    clock: Callable[[], int] = now_ms,
) -> AsyncIterator[Served]:
    """Run a gateway in a real uvicorn server, as the product does; `clock` is its wall clock."""
    name = f"g{uuid4().hex[:6]}"
    source = random.Random(7)
    process = Process(name, clock, source.random, lambda: uuid4().hex, time.process_time)
    broker = RedisBroker(redis_url, prefix=prefix)
    gateway = Gateway(
        process,
        ports=GatewayPorts(house, house, house, house, house, house),
        broker=broker,
        link=RedisLink(
            redis_url, prefix=prefix, name=name, random=source.random, canary_every_s=0.3
        ),
        limits=limits,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    with contextlib.suppress(AttributeError):
        listener.setsockopt(socket.IPPROTO_TCP, 25, 16 * 1024)  # TCP_NOTSENT_LOWAT on Linux
    config = uvicorn.Config(
        _no_http, ws=connection_class(gateway), lifespan="off", log_level="warning"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    running = asyncio.create_task(gateway.run())
    await eventually(lambda: gateway.link_ok)
    await _start(server, listener)
    port = listener.getsockname()[1]
    try:
        yield Served(gateway, port)
    finally:
        await gateway.drain()
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: not server.server_state.connections, timeout_s=0.5)
        await server.shutdown(sockets=[listener])
        running.cancel()
        stopped, _ = await asyncio.wait([running], timeout=MUST_COME_S)
        assert stopped, "the gateway did not stop when it was cancelled"
        await _abort_clients(port)
        await broker.close()
        listener.close()


async def _start(server: uvicorn.Server, listener: socket.socket) -> None:
    # `serve` would take over the signals of the test run.
    if not server.config.loaded:
        server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listener])


async def eventually(claim: Callable[[], Any], *, timeout_s: float = MUST_COME_S) -> None:
    """Wait until `claim()` is true."""
    async with asyncio.timeout(timeout_s):
        while not claim():
            await asyncio.sleep(0.01)
