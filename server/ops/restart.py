"""Ask a running `serve` to replace its processes, and follow how it goes.

Invariant: a signal is sent only to a parent that has said, under its host's name, its pid *and*
start time, that it understands it. The order is a signal, so that containers can give it too; the
answer is a file. A file is taken away by the parent that wrote it, or by the next one on its host:
whoever only looks cannot tell a parent that is gone from one in another container.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from server.ops.accounts import Say
from server.ops.errors import OperationalError
from server.ops.processes import POLL_S, start_time

SIGNAL = signal.SIGUSR2
TAKEN_WITHIN_S = 10.0  # A parent has nothing else to do; this is a machine that swaps.
# 65 children, each 60 s to become ready and 45 s to go, would be longer: that is no restart, and
# the parent's log tells more than this command could.
FOLLOWED_S_MAX = 3600.0

State = Literal["serving", "restarting", "restarted", "failed"]


class ServeFile(msgspec.Struct, frozen=True):
    """What a parent tells about itself in `DATA/serve-HOST-PID.json`."""

    pid: int
    started: str | None
    state: State = "serving"
    restarts: int = 0
    lines: list[str] = []
    """What the last restart has done so far, for people."""


class ServeNotice:
    """The parent's side: the file, which is there as long as it can be asked."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._path = data / f"serve-{host_name()}-{os.getpid()}.json"
        self._told = ServeFile(os.getpid(), start_time(os.getpid()))

    def publish(self) -> None:
        """Tell that orders are taken from now on, and take away what killed parents left."""
        for path in notices(self._data):
            left = _read(path)
            if left is not None and left.started is not None and not _is_running(left):
                path.unlink(missing_ok=True)
        self._write()

    def begin(self) -> None:
        """Tell that a restart has begun."""
        self._tell("restarting", restarts=self._told.restarts + 1, lines=[])

    def add(self, line: str) -> None:
        """Tell one step."""
        self._tell("restarting", lines=[*self._told.lines, line])

    def end(self, state: State, line: str) -> None:
        """Tell how it ended."""
        self._tell(state, lines=[*self._told.lines, line])

    def remove(self) -> None:
        """Take the file away: nobody listens any more."""
        self._path.unlink(missing_ok=True)

    def _tell(self, state: State, **changes: object) -> None:
        self._told = msgspec.structs.replace(self._told, state=state, **changes)
        self._write()

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
            file.write(msgspec.json.encode(self._told))
        fresh.replace(self._path)


def host_name() -> str:
    """Return this host's name as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())[:64] or "host"


def notices(data: Path) -> list[Path]:
    """Return the files that parents of this host have written into a data folder."""
    return sorted(data.expanduser().glob(f"serve-{host_name()}-*.json"))


def find_running(data: Path) -> list[Path]:
    """Return the files of the parents of this host that run on this data folder."""
    return [
        path for path in notices(data) if (told := _read(path)) is not None and _is_running(told)
    ]


def restart_running(data: Path, say: Say) -> None:
    """Restart every `serve` of this data folder, one after the other, and wait for the end.

    Raises OperationalError when there is none, or when a restart fails.
    """
    if start_time(os.getpid()) is None:
        raise OperationalError(
            "without /proc nobody can be told from another; send SIGUSR2 to the parent yourself."
        )
    paths = find_running(data)
    if not paths:
        raise OperationalError(
            f"no hubbub serves with DATA {data} on this host; start one with `hubbub serve`, "
            "or name its folder."
        )
    for path in paths:
        _restart(path, say)


def _restart(path: Path, say: Say) -> None:
    before = _read(path)
    if before is None or not _is_running(before):
        raise OperationalError("it has ended just now; there is nothing to restart.")
    if before.state == "restarting":
        raise OperationalError("a restart is under way already; wait for its end.")
    try:
        os.kill(before.pid, SIGNAL)
    except PermissionError as error:
        raise OperationalError(
            f"process {before.pid} belongs to another user; run this as the user who serves."
        ) from error
    said = 0

    def is_taken(now: ServeFile) -> bool:
        return now.restarts > before.restarts

    def is_over(now: ServeFile) -> bool:
        nonlocal said
        for line in now.lines[said:]:
            said += 1
            if now.state != "failed" or said < len(now.lines):
                say(line)
        return now.state != "restarting"

    _follow(path, is_taken, TAKEN_WITHIN_S, "it did not take the order; see its log.")
    after = _follow(path, is_over, FOLLOWED_S_MAX, "it still restarts; see its log.")
    if after.state == "failed":
        raise OperationalError(f"the restart failed: {after.lines[-1]}")


def _follow(
    path: Path, claim: Callable[[ServeFile], bool], within_s: float, otherwise: str
) -> ServeFile:
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        now = _read(path)
        if now is None or not _is_running(now):
            raise OperationalError("it ended before the restart was done.")
        if claim(now):
            return now
        time.sleep(POLL_S)
    raise OperationalError(otherwise)


def _read(path: Path) -> ServeFile | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ServeFile)
    except (OSError, msgspec.DecodeError):
        return None


def _is_running(told: ServeFile) -> bool:
    # Without a start time the number may belong to somebody else by now: never signal that.
    return told.started is not None and start_time(told.pid) == told.started
