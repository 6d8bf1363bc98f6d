"""Keep the gateway, worker and media processes of one `serve` running, and replace them one by one.

Invariant: a child that dies is started again with back-off until five deaths in a minute; one that
is replaced leaves only when its successor is ready, and is no death; when the keeper stops,
gateways are gone before the worker, and none is left.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from server.ops.errors import OperationalError
from server.ops.parent_link import READY

DEATHS_MAX = 5  # More than this in a minute is no accident; somebody must look.
DEATHS_WINDOW_S = 60.0
BACKOFF_S_FIRST = 0.2
BACKOFF_S_MAX = 5.0
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 55.0  # Longer than a gateway's own drain, grace and end together.
ROOT = Path(__file__).resolve().parents[2]

log = logging.getLogger(__name__)


class Role(msgspec.Struct, frozen=True):
    """One child to keep: `kind` is gateway, worker or media, `name` is unique among machines."""

    kind: str
    name: str


class DeathCount:
    """Count deaths and say how long to wait before the next start."""

    def __init__(self) -> None:
        self._at_s: deque[float] = deque(maxlen=DEATHS_MAX)

    def add(self, who: str, now_s: float) -> float:
        """Count one death and return the back-off in seconds.

        Raises OperationalError at the fifth within a minute.
        """
        self._at_s.append(now_s)
        recent = sum(1 for at_s in self._at_s if now_s - at_s < DEATHS_WINDOW_S)
        if recent >= DEATHS_MAX:
            raise OperationalError(
                f"{DEATHS_MAX} processes died within a minute, the last was {who}; giving up."
            )
        return float(min(BACKOFF_S_FIRST * 2 ** (recent - 1), BACKOFF_S_MAX))


class Child:
    """One process that was started. We have its listener too: a successor takes it over."""

    def __init__(self, role: Role, listener: socket.socket | None) -> None:
        self.role = role
        self.listener = listener
        self.replaced = asyncio.Event()
        self.is_told_to_stop = False
        self._process: asyncio.subprocess.Process | None = None
        self._ours, self._theirs = socket.socketpair()

    async def spawn(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process; raises OperationalError when the system will not."""
        words = ["serve", "--role", self.role.kind, "--name", self.role.name]
        descriptors = [self._theirs.fileno()]
        words += ["--parent", str(descriptors[0])]
        if self.listener is not None:
            descriptors.append(self.listener.fileno())
            words += ["--listener", str(descriptors[1])]
        try:
            with self._theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    *words,
                    stdin=asyncio.subprocess.DEVNULL,
                    env=dict(environment),
                    pass_fds=descriptors,
                    start_new_session=True,  # Ctrl-C reaches the parent alone.
                )
        except OSError as error:
            self._ours.close()
            raise OperationalError(f"{self.role.name} could not be started: {error}") from error

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None, "spawn it first"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs, as far as is known."""
        return self._process is not None and self._process.returncode is None

    async def become_ready(self, timeout_s: float) -> bool:
        """Wait for the child's word; on end of file it died, which its exit code tells."""
        self._ours.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                return await loop.sock_recv(self._ours, len(READY)) == READY
        except (TimeoutError, ConnectionError):
            return False

    async def wait(self) -> int:
        """Wait for the end; return the exit code."""
        assert self._process is not None, "spawn it first"
        code = await self._process.wait()
        self._ours.close()
        return code

    async def wait_unless_replaced(self) -> int | None:
        """Wait for the end and return the exit code, or for a successor and return None."""
        gone = asyncio.ensure_future(self.wait())
        replaced = asyncio.ensure_future(self.replaced.wait())
        try:
            await asyncio.wait({gone, replaced}, return_when=asyncio.FIRST_COMPLETED)
            return None if self.replaced.is_set() else gone.result()
        finally:
            gone.cancel()
            replaced.cancel()

    def tell_to_stop(self) -> None:
        """Ask it to end, once: a gateway takes a second time for impatience."""
        if not self.is_told_to_stop:
            self.is_told_to_stop = True
            self.send(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """Send a signal if it still runs."""
        if self._process is not None and self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                return

    def let_go_of_listener(self) -> None:
        """Close our copy, without which connections would wait for a process that is gone."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None


class _Slot:
    """A place for one child at a time. Whoever starts or replaces it holds the lock."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.child: Child | None = None
        self.lock = asyncio.Lock()


class Children:
    """The running children of a supervisor; `listeners` opens one for each kind that serves."""

    def __init__(
        self,
        environment: Mapping[str, str],
        deaths: DeathCount,
        *,
        listeners: Mapping[str, Callable[[], socket.socket]],
        command: Sequence[str] = (sys.executable, "-m", "server"),
        ready_timeout_s: float = READY_TIMEOUT_S,
    ) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._environment = {**os.environ, **environment, "PYTHONPATH": path}
        self._deaths = deaths
        self._listeners = listeners
        self._command = command
        self._ready_timeout_s = ready_timeout_s
        self._slots: list[_Slot] = []
        self._started: list[Child] = []
        self._stopping = asyncio.Event()

    async def keep(self, role: Role, ready: asyncio.Event) -> None:
        """Run one child, or its successors, for ever; `ready` is set when it first works."""
        slot = _Slot(role)
        self._slots.append(slot)
        while not self._stopping.is_set():
            async with slot.lock:
                child = slot.child
                if child is None:
                    open_one = self._listeners.get(role.kind)
                    listener = open_one() if open_one is not None else None
                    child = slot.child = await self._start(slot.role, listener)
                    if await child.become_ready(self._ready_timeout_s):
                        ready.set()
            code = await child.wait_unless_replaced()
            async with slot.lock:
                if code is None or child.replaced.is_set():
                    continue
                slot.child = None
                child.let_go_of_listener()
            if self._stopping.is_set():
                return
            log.error(
                "process died", extra={"child": slot.role.name, "pid": child.pid, "code": code}
            )
            why = f"{slot.role.name} ({_why(code)})"
            await asyncio.sleep(self._deaths.add(why, time.monotonic()))

    async def restart(self, say: Callable[[str], None]) -> None:
        """Replace every child, one after the other, gateways first; `say` hears of each.

        The media process stays: its rooms' pictures would end with it, and two at once would
        each have half of a room. Who wants its new code ends it, and it is started anew.
        Raises OperationalError when a successor does not become ready, or when all are stopped in
        the middle. The child it was for, and those after it, then serve on.
        """
        for slot in sorted(self._slots, key=lambda slot: slot.role.kind != "gateway"):
            if slot.role.kind == "media":
                say(f"{slot.role.name} stays as it is, and the pictures with it")
                continue
            await self._replace(slot, say)

    async def stop(self) -> None:
        """Stop gateways, then the rest; what does not obey is killed."""
        self._stopping.set()
        for child in self._started:
            child.let_go_of_listener()
        for is_gateway in (True, False):
            group = [
                child
                for child in self._started
                if child.is_running and (child.role.kind == "gateway") is is_gateway
            ]
            await _stop_all(group)

    def kill(self) -> None:
        """End all at once, when somebody is out of patience."""
        self._stopping.set()
        for child in self._started:
            child.send(signal.SIGKILL)

    async def _start(self, role: Role, listener: socket.socket | None) -> Child:
        child = Child(role, listener)
        await child.spawn(self._command, self._environment)
        self._started = [*(other for other in self._started if other.is_running), child]
        if self._stopping.is_set():
            child.send(signal.SIGKILL)  # Whoever stops the children did not see this one.
        return child

    async def _replace(self, slot: _Slot, say: Callable[[str], None]) -> None:
        """Start the successor, and let the old one go when it is ready.

        Both share one listener for that long, so that no connection is refused, and none that
        waits to be accepted is lost with the old process.
        """
        async with slot.lock:
            self._check_not_stopping()
            old = slot.child
            if old is None or not old.is_running:
                say(f"{slot.role.name} had died, and is being started anew")
                return
            role = successor_of(slot.role)
            started_s = time.monotonic()
            try:
                successor = await self._start(role, old.listener)
            except OperationalError as error:
                raise OperationalError(f"{error}; {slot.role.name} serves on.") from error
            if not await successor.become_ready(self._ready_timeout_s):
                successor.send(signal.SIGKILL)
                await successor.wait()
                self._check_not_stopping()
                raise OperationalError(
                    f"{role.name} did not become ready; {slot.role.name} serves on."
                )
            old.listener = None
            slot.role, slot.child = role, successor
            old.replaced.set()
        ready_s = time.monotonic()
        await _stop_all([old])
        say(
            f"{old.role.name} is replaced by {role.name}: ready after {ready_s - started_s:.1f} s, "
            f"the old one gone {time.monotonic() - ready_s:.1f} s later"
        )

    def _check_not_stopping(self) -> None:
        if self._stopping.is_set():
            raise OperationalError("everything was told to stop in the middle of the restart.")


def successor_of(role: Role) -> Role:
    """Return the role under the next name: both live at the same time, and names are unique."""
    name, _, generation = role.name.partition(".")
    return Role(role.kind, f"{name}.{int(generation or 1) + 1}")


async def _stop_all(children: Sequence[Child]) -> None:
    for child in children:
        child.tell_to_stop()
    waits = {asyncio.ensure_future(child.wait()): child for child in children}
    if not waits:
        return
    _, late = await asyncio.wait(waits, timeout=STOP_TIMEOUT_S)
    if late:
        for wait in late:
            child = waits[wait]
            log.error("does not stop; killed", extra={"child": child.role.name, "pid": child.pid})
            child.send(signal.SIGKILL)
        await asyncio.wait(late)


def _why(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
