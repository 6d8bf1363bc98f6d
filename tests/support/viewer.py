"""A viewer that speaks the wire contract and keeps what it saw, also across reconnects."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

RECONNECT_S = 0.1
ANSWER_S = 60
# Errors after which the contract has the same key sent again.
AGAIN = ("unknown_outcome", "database_unavailable", "overloaded")


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault.
    """An `e` frame."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["code"])
        self.error = error


class Viewer:
    """One WebSocket client; `run` it as a task. `_take_x` handles frames of type x."""

    def __init__(self, url: str, *, token: str = "", room: str = "demo") -> None:
        self._url = url.replace("http", "ws", 1) + f"/ws/{room}?v=1"
        self._token = token
        self._socket: ClientConnection | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 0
        self.epoch = ""
        self.offset = -1
        self.processes: list[str] = []
        self.recoveries: list[str] = []
        self.sale_events: list[tuple[int, str, Any]] = []
        self.snapshots: list[tuple[int, dict[str, Any]]] = []
        self.state: dict[str, Any] = {}
        self.stock: dict[str, list[int]] = {}
        self.keys: dict[str, Any] = {}
        self.lines: list[list[Any]] = []
        self.direct: list[tuple[str, Any]] = []
        self.is_in = asyncio.Event()
        self._is_asked = False
        self._greeted_at = 0
        self._drawn: tuple[int, int] | None = None
        self.tried_at_s: list[float] = []
        self.closes: list[int | None] = []
        self.failures: list[Exception] = []
        self._retry_s: float | None = None

    async def run(self) -> None:
        """Stay connected, for ever; come back when told to, else after a moment."""
        while True:
            self.tried_at_s.append(time.monotonic())
            try:
                async with connect(self._address(), max_size=2**24, compression=None) as socket:
                    self._socket = socket
                    async for message in socket:
                        self._take(orjson.loads(message))
                        await self._acknowledge()
                self.closes.append(socket.close_code)
            except ConnectionClosed as closed:
                self.closes.append(closed.rcvd.code if closed.rcvd else None)
            except (OSError, InvalidHandshake, InvalidMessage) as failure:
                self.failures.append(failure)
            self._socket = None
            self.is_in.clear()
            for future in self._answers.values():
                if not future.done():
                    future.set_exception(ConnectionResetError())
            self._answers.clear()
            pause_s, self._retry_s = self._retry_s, None
            await asyncio.sleep(RECONNECT_S if pause_s is None else pause_s)

    def _address(self) -> str:
        address = self._url
        if self._token:
            address += f"&t={self._token}"
        if self.offset >= 0:
            address += f"&e={self.epoch}&o={self.offset}"
        return address

    def _take(self, frame: list[Any]) -> None:
        take = getattr(self, f"_take_{frame[0]}", None)
        if take is not None:
            take(*frame[1:])

    def _take_h(self, hello: dict[str, Any]) -> None:
        self.processes.append(hello["conn"].split("-")[0])
        self.recoveries.append(hello["rec"])
        self.epoch = hello["epoch"]
        self._is_asked, self._greeted_at = hello["ack"], hello["offset"]
        if hello["rec"] == "replayed":
            self.is_in.set()

    def _take_Z(self, epoch: str, offset: int, state: dict[str, Any]) -> None:  # noqa: N802
        self.epoch, self.offset, self.state = epoch, offset, state
        self.snapshots.append((offset, state))
        self.stock |= {sale["id"]: sale["stock"] for sale in state["sales"]}
        self.is_in.set()

    def _take_S(self, first: int, events: list[Any]) -> None:  # noqa: N802
        for offset, (type, payload, _) in enumerate(events, first):
            self.sale_events.append((offset, type, payload))
            self.offset = offset
        if self._is_asked and self.offset > self._greeted_at:
            self._drawn = (self.offset, events[-1][2])

    def _take_a(self, is_asked: bool) -> None:
        self._is_asked = is_asked

    async def _acknowledge(self) -> None:
        """Say that the newest live event was seen, when asked; the machine has one clock."""
        drawn, self._drawn = self._drawn, None
        if drawn is not None:
            offset, at_ms = drawn
            await self._send(["a", offset, max(0, time.time_ns() // 1_000_000 - at_ms)])

    def _take_K(self, _offset: int, changes: dict[str, Any]) -> None:  # noqa: N802
        for key, (_, value) in changes.items():
            self.keys[key] = value
            if key.startswith("stock:"):
                self.stock[key.removeprefix("stock:")] = value

    def _take_L(self, _offset: int, lines: list[Any], _dropped: int) -> None:  # noqa: N802
        self.lines += lines

    def _take_D(self, type: str, payload: Any) -> None:  # noqa: N802
        self.direct.append((type, payload))

    def _take_b(self, _code: int, retry_ms: int) -> None:
        self._retry_s = retry_ms / 1000

    def _take_r(self, id: int, result: Any) -> None:
        self._answer(id).set_result(result)

    def _take_e(self, id: int, error: dict[str, Any]) -> None:
        if id in self._answers:
            self._answer(id).set_exception(Refusal(error))

    def _answer(self, id: int) -> asyncio.Future[Any]:
        return self._answers.pop(id)

    async def ask(self, command: str, args: dict[str, Any], *, key: str = "") -> Any:
        """Send a command and return its result; raises Refusal. A lost line: the same key again."""
        key = key or str(uuid.uuid4())
        async with asyncio.timeout(ANSWER_S):
            while True:
                await self.is_in.wait()
                self._next_id += 1
                future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                self._answers[self._next_id] = future
                try:
                    await self._send(["q", self._next_id, command, args, key])
                    return await future
                except (ConnectionResetError, ConnectionClosed):
                    await asyncio.sleep(RECONNECT_S)
                except Refusal as refusal:
                    if refusal.error["code"] not in AGAIN:
                        raise
                    await asyncio.sleep(RECONNECT_S)

    async def say(self, text: str) -> None:
        """Write a chat line and wait until it is taken."""
        self._next_id += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self._next_id] = future
        await self._send(["c", self._next_id, text])
        async with asyncio.timeout(ANSWER_S):
            await future

    async def _send(self, frame: list[Any]) -> None:
        if self._socket is None:
            raise ConnectionResetError
        await self._socket.send(orjson.dumps(frame).decode())

    def has_seen(self, type: str) -> bool:
        """Say whether a sale event of this type arrived."""
        return any(kind == type for _, kind, _ in self.sale_events)

    def missed(self, log: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Return events of the log, behind the first snapshot, that this viewer never saw.

        An event that a later snapshot covers was not missed: its result was in the snapshot.
        """
        seen = {offset for offset, _, _ in self.sale_events}
        start = self.snapshots[0][0]
        covered = max((offset for offset, _ in self.snapshots[1:]), default=start)
        return [(o, type) for o, type in log if o > start and o not in seen and o > covered]


async def newest_offset(port: int) -> int:
    """Return the end of the demo room's log as the database has it: a newcomer's snapshot says."""
    async with asyncio.timeout(ANSWER_S):
        while True:
            # A process with too much to do sends visitors away.
            with contextlib.suppress(ConnectionClosed):
                async with connect(
                    f"ws://127.0.0.1:{port}/ws/demo?v=1", compression=None
                ) as socket:
                    async for message in socket:
                        frame = orjson.loads(message)
                        if frame[0] == "Z":
                            return int(frame[2])
            await asyncio.sleep(RECONNECT_S)
