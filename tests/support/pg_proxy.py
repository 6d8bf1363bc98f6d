"""Stand between Hubbub and PostgreSQL, and strike in the moment of a commit that a test has named.

A `Point` names a commit by a statement of its transaction, so the product needs no code for tests.
Whoever commits there is killed (`KILL`) or loses its connection (`CUT`), in one of three moments:

- `BEFORE`: the request never reaches the backend, which rolls back;
- `LATE`: the client is hit at once, the backend commits a moment later, next to what follows;
- `AFTER`: the backend has committed, its answer is never forwarded.

Invariant: everything else is forwarded as it came. Clients come by a Unix socket, over which the
kernel says whose process they are; the proxy lives in a thread, so a test may block.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import msgspec
import psutil

from tests.support.pg_wire import (
    CANCEL_REQUEST,
    GSS_REQUEST,
    SSL_REQUEST,
    Conversation,
    Message,
    read_first,
    read_message,
)

SOCKET_NAME = ".s.PGSQL.5432"
BEFORE, LATE, AFTER = "before", "late", "after"
KILL, CUT = "kill", "cut"
# The client's next attempt is under way by then, and meets the commit that was late.
LATE_S = 0.15
# A trap that is not met by then has the wrong name; machines that run tests are shared.
STRIKE_TIMEOUT_S = 60.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# One side went; that is what this is about.
ENDS = (asyncio.IncompleteReadError, OSError)


class Point(msgspec.Struct, frozen=True):
    """A commit: who makes it, and a statement of its transaction.

    `role` is `gateway`, `worker`, or "" for any process; `value` has to be among the statement's
    values; of a transaction's statement at least `rows` rows came back or changed.
    """

    role: str
    statement: str
    value: bytes = b""
    rows: int = 0

    def is_met(self, conversation: Conversation) -> bool:
        """Say whether this is the commit."""
        return any(
            self.statement in one.sql
            and self.value in one.values
            and (one.rows is None or one.rows >= self.rows)
            for one in conversation.executed
        )


class Trap:
    """A strike that waits for its moment, and then for a test to ask about it."""

    def __init__(self, point: Point, moment: str, act: str, times: int) -> None:
        self.point, self.moment, self.act = point, moment, act
        self.left = times
        self.pids: list[int] = []
        self._struck = threading.Event()

    def take(self, pid: int) -> bool:
        """Claim one of the strikes for a process; False when none is left."""
        if self.left == 0:
            return False
        self.left -= 1
        self.pids.append(pid)
        return True

    def strike(self, pid: int) -> None:
        """Kill, when that is wanted; the caller closes the connection in any case."""
        if self.act == KILL:
            os.kill(pid, signal.SIGKILL)
        self._struck.set()

    @property
    def has_struck(self) -> bool:
        """Whether it has."""
        return self._struck.is_set()

    async def wait(self, timeout_s: float = STRIKE_TIMEOUT_S) -> int:
        """Wait for the first strike and return the pid that it hit."""
        struck = await asyncio.to_thread(self._struck.wait, timeout_s)
        assert struck, f"nothing came by {self.point}"
        return self.pids[0]


class PgProxy:
    """A proxy before one server; `url` leads to the same database through it."""

    def __init__(self, server_url: str) -> None:
        parts = urlsplit(server_url)
        [folder] = parse_qs(parts.query)["host"]
        self._server_path = f"{folder}/{SOCKET_NAME}"
        self._folder = Path(tempfile.mkdtemp(prefix="hubbub-px-"))
        self.url = urlunsplit(parts._replace(query=f"host={quote(str(self._folder))}"))
        self._traps: list[Trap] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_listening = threading.Event()
        self._stop = asyncio.Event()
        self.failures: list[BaseException] = []

    def start(self) -> PgProxy:
        """Listen."""
        self._thread.start()
        assert self._is_listening.wait(30)
        return self

    def stop(self) -> None:
        """Close every connection and end; fails when something that passed was not understood."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()
        with contextlib.suppress(FileNotFoundError):
            (self._folder / SOCKET_NAME).unlink()
        self._folder.rmdir()
        assert self.failures == []

    @contextmanager
    def trap(self, point: Point, moment: str, act: str, times: int = 1) -> Iterator[Trap]:
        """Lay a trap; the first `times` commits at the point are struck."""
        trap = Trap(point, moment, act, times)
        self._traps.append(trap)
        try:
            yield trap
        finally:
            self._traps.remove(trap)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        path = str(self._folder / SOCKET_NAME)
        links: set[asyncio.Task[None]] = set()

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            links.add(task)
            # Cancelled at the end of all: an asyncio server takes that for a bug of ours.
            with contextlib.suppress(asyncio.CancelledError):
                await _Link(self, reader, writer).run(self._server_path)
            links.discard(task)

        server = await asyncio.start_unix_server(meet, path)
        self._is_listening.set()
        await self._stop.wait()
        server.close()
        for task in list(links):
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def find_trap(self, conversation: Conversation, role: Callable[[], str]) -> Trap | None:
        """Return the trap that a commit falls into."""
        for trap in list(self._traps):
            is_met = trap.left and trap.point.is_met(conversation)
            if is_met and trap.point.role in ("", role()):
                return trap
        return None


class _Link:
    """One client's connection and ours to the backend."""

    def __init__(
        self, proxy: PgProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._conversation = Conversation()
        self._armed: Trap | None = None
        self._kept: list[bytes] = []
        self._server: Streams | None = None
        sock = writer.get_extra_info("socket")
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self._pid, _, _ = struct.unpack("3i", peer)

    async def run(self, server_path: str) -> None:
        """Carry until either side ends or a trap does."""
        reader, writer = self._client
        try:
            with contextlib.suppress(*ENDS):
                code, first = await read_first(reader)
                while code in (SSL_REQUEST, GSS_REQUEST):
                    writer.write(b"N")
                    code, first = await read_first(reader)
                self._server = await asyncio.open_unix_connection(server_path)
                self._server[1].write(first)
                if code != CANCEL_REQUEST:
                    await self._carry()
        finally:
            await _close(writer)
            if self._server is not None:
                await _close(self._server[1])

    async def _carry(self) -> None:
        ways = [asyncio.ensure_future(way) for way in (self._carry_up(), self._carry_down())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            ends = await asyncio.gather(*ways, return_exceptions=True)
            self._proxy.failures += [
                end for end in ends if isinstance(end, Exception) and not isinstance(end, ENDS)
            ]

    async def _carry_up(self) -> None:
        """Forward what the client says, until it is the commit that a trap waits for."""
        server = self._to_server()
        while True:
            message = await read_message(self._client[0])
            if self._conversation.hear(message):
                trap = self._proxy.find_trap(self._conversation, self._role)
                if trap is not None and trap.moment == AFTER:
                    self._armed = trap
                elif trap is not None and trap.take(self._pid):
                    trap.strike(self._pid)
                    if trap.moment == LATE:
                        await self._commit_late(message)
                    return
            server.write(message.raw)
            await server.drain()

    async def _commit_late(self, request: Message) -> None:
        """Let the client go at once, and its backend commit all the same."""
        self._client[1].close()
        await wait_late()
        self._to_server().write(request.raw)
        # Whether the backend could is the database's word; its end is awaited by `_carry_down`.
        await asyncio.sleep(LATE_S)

    async def _carry_down(self) -> None:
        """Forward what the backend says, but not the answer that a trap keeps."""
        assert self._server is not None
        while True:
            message = await read_message(self._server[0])
            is_ready = self._conversation.answered(message)
            if self._armed is None:
                if not self._client[1].is_closing():
                    self._client[1].write(message.raw)
                    await self._client[1].drain()
                continue
            self._kept.append(message.raw)
            if is_ready and self._judge_kept():
                return

    def _judge_kept(self) -> bool:
        """Strike when the kept answer says that all is committed; else forward it late."""
        trap, self._armed = self._armed, None
        assert trap is not None
        kept, self._kept = self._kept, []
        is_refused = any(raw[:1] == b"E" or raw.startswith(ROLLED_BACK) for raw in kept)
        if not is_refused and trap.take(self._pid):
            trap.strike(self._pid)
            return True
        for raw in kept:
            self._client[1].write(raw)
        return False

    def _to_server(self) -> asyncio.StreamWriter:
        assert self._server is not None
        return self._server[1]

    def _role(self) -> str:
        return role_of(self._pid)


async def wait_late() -> None:
    """Let the moment pass before a commit that is late."""
    await asyncio.sleep(LATE_S)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send what is left, and end the connection."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


# A COMMIT of a failed transaction is answered by this tag.
ROLLED_BACK = b"C" + struct.pack("!I", 4 + len(b"ROLLBACK\0")) + b"ROLLBACK\0"


def role_of(pid: int) -> str:
    """Return a Hubbub process's role by its command line, "" for any other."""
    with contextlib.suppress(psutil.Error):
        words = psutil.Process(pid).cmdline()
        if "--role" in words:
            return words[words.index("--role") + 1]
    return ""


def wait_for_end(pid: int, timeout_s: float = 60.0) -> None:
    """Wait until a killed process is gone."""
    deadline_s = time.monotonic() + timeout_s
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline_s, f"{pid} lives on"
            time.sleep(0.02)
