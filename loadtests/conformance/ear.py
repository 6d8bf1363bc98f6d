"""Somebody connected to the room: keeps every frame, waits for some, and says what is to be said.

Invariant: a wait is bounded, and ends in a MismatchError that names what was awaited.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode

from loadtests.conformance.lane import LaneWatch
from loadtests.conformance.model import MismatchError
from loadtests.conformance.websocket import Opening, WebSocket, open_websocket

# What a healthy server on a busy machine needs for anything that it answers, or tells of its own
# accord. Only what never comes takes so long.
ANSWER_TIMEOUT_S = 20.0
# A close frame is answered at once; the server itself lingers for three seconds.
CLOSE_TIMEOUT_S = 20.0

Where = Callable[[list[Any]], bool]


def _any(parts: list[Any]) -> bool:
    return True


class Ear:
    """One connection; use it with `async with`."""

    def __init__(self, opening: Opening, position: tuple[str, int] | None = None) -> None:
        self._opening = opening
        self.watch = LaneWatch(position)
        self.frames: list[list[Any]] = []
        self.pings = 0
        self.pongs: list[bytes] = []
        self.is_over = False
        self.subprotocol: str | None = None
        self._socket: WebSocket | None = None
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._fragments: list[bytes] = []
        self._is_text = True
        self._next_id = 0

    async def __aenter__(self) -> Ear:
        """Connect and begin to listen."""
        self._socket = await open_websocket(self._opening)
        self.subprotocol = self._socket.protocol.subprotocol
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *details: object) -> None:
        """Say goodbye, wait shortly for the answer, and leave."""
        try:
            self.socket.close()
            await self._wait(lambda: self.is_over, 1.0)
        except (InvalidState, OSError):
            pass
        finally:
            self.socket.cut()
            if self._reading is not None:
                self._reading.cancel()
                await asyncio.wait([self._reading])

    @property
    def socket(self) -> WebSocket:
        """The connection itself."""
        assert self._socket is not None, "the ear is not connected"
        return self._socket

    @property
    def mark(self) -> int:
        """How many frames came so far; what is awaited may be asked to come after it."""
        return len(self.frames)

    def of(self, kind: str, after: int = 0) -> list[list[Any]]:
        """Return the frames of a type."""
        return [parts for parts in self.frames[after:] if parts[0] == kind]

    async def hear(
        self,
        kind: str,
        where: Where = _any,
        *,
        after: int = 0,
        timeout_s: float | None = None,
        expected: str = "",
    ) -> list[Any]:
        """Wait for a frame of a type and return it."""
        timeout_s = ANSWER_TIMEOUT_S if timeout_s is None else timeout_s

        def found() -> list[Any] | None:
            return next((parts for parts in self.of(kind, after) if where(parts)), None)

        if not await self._wait(lambda: found() is not None or self.is_over, timeout_s):
            came = [parts[0] for parts in self.frames[after:]]
            raise MismatchError(
                expected or f"a {kind!r} frame within {timeout_s:g} s", f"the frames {came}"
            )
        frame = found()
        if frame is None:
            raise MismatchError(
                expected or f"a {kind!r} frame", f"the connection closed with {self.close_code}"
            )
        return frame

    async def hear_event(self, type: str, where: Callable[[Any], bool]) -> int:
        """Wait for an event of the sale lane, replayed or live, and return its offset."""

        def found() -> int | None:
            return next(
                (
                    offset
                    for offset, event in self.watch.events.items()
                    if event[0] == type and where(event[1])
                ),
                None,
            )

        await self._wait(lambda: found() is not None or self.is_over, ANSWER_TIMEOUT_S)
        offset = found()
        if offset is None:
            told = [event[0] for event in self.watch.events.values()]
            raise MismatchError(f"the event {type!r} on the sale lane", f"the events {told}")
        return offset

    async def hear_value(self, key: str, where: Callable[[Any], bool], expected: str) -> Any:
        """Wait until a key of the state lane has a value, and return it."""

        def value() -> Any:
            return self.watch.values.get(key, (0, None))[1]

        if not await self._wait(lambda: where(value()), ANSWER_TIMEOUT_S):
            raise MismatchError(f"{key} {expected}", value())
        return value()

    async def shut_out_ms(self) -> int | None:
        """Wait for the first frame; return when to come back if it says that there is no room."""
        await self._wait(lambda: bool(self.frames) or self.is_over, ANSWER_TIMEOUT_S)
        match self.frames[:1]:
            case [["b", 4113, int(retry_ms)]]:
                return retry_ms
        return None

    async def hello(self) -> dict[str, Any]:
        """Wait for the hello and return its fields."""
        fields: dict[str, Any] = (await self.hear("h"))[1]
        return fields

    async def settle(self) -> dict[str, Any]:
        """Wait until the client is at the present; return the hello."""
        hello = await self.hello()
        if hello.get("rec") == "replayed":
            await self.hear("K", expected="every key of the state lane after a replayed hello")
        else:
            await self.hear("Z", expected=f"a Z frame after the {hello.get('rec')} hello")
        return hello

    async def ended(self) -> int | None:
        """Wait until the server closes the connection; return the close code."""
        if not await self._wait(lambda: self.is_over, CLOSE_TIMEOUT_S):
            came = [parts[0] for parts in self.frames]
            raise MismatchError("a closed connection", f"an open one, and the frames {came}")
        return self.close_code

    @property
    def close_code(self) -> int | None:
        """The code of the close frame that came; None without one."""
        return self.socket.close_code

    def send(self, frame: object) -> None:
        """Send one frame."""
        self.send_text(msgspec.json.encode(frame))

    def send_text(self, text: bytes) -> None:
        """Send bytes as one text frame; a connection that is over takes them in silence."""
        try:
            self.socket.send_text(text)
        except (InvalidState, OSError):
            return

    def sync(self, epoch: str, offset: int) -> None:
        """Ask for what came after a position."""
        self.watch.rewind(offset)
        self.send(["sync", epoch, offset])

    async def answer(self, id: str | int | None, *, after: int = 0) -> list[Any]:
        """Wait for the `r` or `e` frame with an id and return it."""

        def found() -> list[Any] | None:
            answers = [*self.of("r", after), *self.of("e", after)]
            return next((parts for parts in answers if parts[1] == id), None)

        await self._wait(lambda: found() is not None or self.is_over, ANSWER_TIMEOUT_S)
        frame = found()
        if frame is None:
            came = [parts[:2] for parts in self.frames[after:]]
            raise MismatchError(f"an answer with the id {id!r}", f"{came}")
        return frame

    async def ask(self, command: str, args: object, key: str | None = None) -> list[Any]:
        """Send a command and return its `r` or `e` frame."""
        id = self.new_id()
        self.send(["q", id, command, args] if key is None else ["q", id, command, args, key])
        return await self.answer(id)

    async def say(self, text: str) -> list[Any]:
        """Send a chat line and return its `r` or `e` frame."""
        id = self.new_id()
        self.send(["c", id, text])
        return await self.answer(id)

    def new_id(self) -> int:
        """Return an id that no frame of this connection had."""
        self._next_id += 1
        return self._next_id

    async def wait_until(self, is_so: Callable[[], bool]) -> bool:
        """Wait until something that arrived made `is_so` true; False when time ran out."""
        return await self._wait(is_so, ANSWER_TIMEOUT_S)

    async def _wait(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while not is_so():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self._changed.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                return is_so()
        return True

    async def _read(self) -> None:
        try:
            while True:
                for frame in await self.socket.receive():
                    self._take(frame)
                self._changed.set()
        except (EOFError, OSError):
            self.is_over = True
            self._changed.set()

    def _take(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.PING:
                self.pings += 1
            case Opcode.PONG:
                self.pongs.append(bytes(frame.data))
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                if frame.opcode is not Opcode.CONT:
                    self._is_text = frame.opcode is Opcode.TEXT
                self._fragments.append(bytes(frame.data))
                if frame.fin:
                    data, self._fragments = b"".join(self._fragments), []
                    self._take_message(data)
            case _:
                pass

    def _take_message(self, data: bytes) -> None:
        problems = self.watch.shape_problems
        if not self._is_text:
            problems.append("a binary frame came")
            return
        try:
            parts = msgspec.json.decode(data)
        except ValueError:
            problems.append(f"not JSON in UTF-8: {data[:80]!r}")
            return
        if not isinstance(parts, list) or not parts or not isinstance(parts[0], str):
            problems.append(f"not an array that begins with its type: {data[:80]!r}")
            return
        self.frames.append(parts)
        self.watch.take(parts)
