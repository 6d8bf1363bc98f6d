"""Keep the gateway and worker processes of one `serve` running.

Invariant: every child is restarted with back-off until five deaths in a minute; when the keeper
stops, gateways are gone before the worker, and none is left.
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
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from server.ops.errors import OperationalError
from server.ops.parent_link import READY

DEATHS_MAX = 5  # More than this in a minute is no accident; somebody must look.
DEATHS_WINDOW_S = 60.0
BACKOFF_S_FIRST = 0.2
BACKOFF_S_MAX = 5.0
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 45.0  # Longer than a gateway's own drain and grace together.
ROOT = Path(__file__).resolve().parents[2]

log = logging.getLogger(__name__)


class Role(msgspec.Struct, frozen=True):
    """One child to keep: `kind` is gateway or worker, `name` is unique among all machines."""

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


class Children:
    """The running children of a supervisor."""

    def __init__(self, environment: Mapping[str, str], deaths: DeathCount) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._environment = {**os.environ, **environment, "PYTHONPATH": path}
        self._deaths = deaths
        self._running: dict[str, tuple[Role, asyncio.subprocess.Process]] = {}
        self._stopping = asyncio.Event()

    async def keep(self, role: Role, ready: asyncio.Event) -> None:
        """Run one child for ever; `ready` is set when it first does its work."""
        while not self._stopping.is_set():
            ours, theirs = socket.socketpair()
            with ours, theirs:
                child = await self._spawn(role, theirs)
                theirs.close()
                self._running[role.name] = (role, child)
                await _wait_for_ready(ours, ready)
                code = await child.wait()
                del self._running[role.name]
            if self._stopping.is_set():
                return
            log.error("process died", extra={"child": role.name, "pid": child.pid, "code": code})
            await asyncio.sleep(self._deaths.add(f"{role.name} ({_why(code)})", time.monotonic()))

    async def stop(self) -> None:
        """Stop gateways, then the rest; what does not obey is killed."""
        self._stopping.set()
        for is_gateway in (True, False):
            group = [
                child
                for role, child in self._running.values()
                if (role.kind == "gateway") is is_gateway
            ]
            await _stop_all(group)

    def kill(self) -> None:
        """End all at once, when somebody is out of patience."""
        self._stopping.set()
        for _, child in self._running.values():
            _send(child, signal.SIGKILL)

    async def _spawn(self, role: Role, link: socket.socket) -> asyncio.subprocess.Process:
        descriptor = link.fileno()
        words = ["serve", "--role", role.kind, "--name", role.name, "--parent", str(descriptor)]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "server", *words),
            stdin=asyncio.subprocess.DEVNULL,
            env=self._environment,
            pass_fds=[descriptor],
            start_new_session=True,  # Ctrl-C reaches the parent alone, which keeps the order.
        )


async def _wait_for_ready(ours: socket.socket, ready: asyncio.Event) -> None:
    """Read the child's word; on end of file it died, which its exit code tells."""
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            if await loop.sock_recv(ours, len(READY)) == READY:
                ready.set()
    except (TimeoutError, ConnectionError):
        return


async def _stop_all(children: Sequence[asyncio.subprocess.Process]) -> None:
    for child in children:
        _send(child, signal.SIGTERM)
    waits = [asyncio.ensure_future(child.wait()) for child in children]
    if not waits:
        return
    _, late = await asyncio.wait(waits, timeout=STOP_TIMEOUT_S)
    if late:
        for child in children:
            _send(child, signal.SIGKILL)
        await asyncio.wait(late)


def _send(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if child.returncode is None:
        try:
            child.send_signal(number)
        except ProcessLookupError:
            return


def _why(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
