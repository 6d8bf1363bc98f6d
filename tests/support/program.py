"""Start and stop the real program, as a person at a terminal would.

Invariant: `stop` leaves no process of the program behind, or fails.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
READY_TIMEOUT_S = 120.0  # A first start makes a database cluster, on a shared machine.
STOP_TIMEOUT_S = 90.0  # A child that does not stop ends by itself, or is killed, well before.
STUCK = re.compile(r"still not stopped|does not stop; killed")
READY_LINE = re.compile(r"http://[^/\s]+?:(\d+)/r/")


class Program:
    """`python -m server …` with its output kept, line by line."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        python: Sequence[str] = (sys.executable,),
    ) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
        self._child = subprocess.Popen(
            [*python, "-m", "server", *arguments],
            cwd=ROOT,
            env={**inherited, "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = 0

    @property
    def pid(self) -> int:
        """The supervising parent's pid."""
        return self._child.pid

    @property
    def url(self) -> str:
        """Where it serves, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def has_ended(self) -> bool:
        """Whether it ended by itself, or was stopped."""
        return self._child.poll() is not None

    @property
    def output(self) -> str:
        """Everything it printed so far, on stdout and stderr."""
        return "\n".join(self.lines)

    def wait_until_ready(self, timeout_s: float = READY_TIMEOUT_S) -> Program:
        """Wait for the line that names the room; remember the port."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            found = READY_LINE.search(self.output)
            if found:
                self.port = int(found[1])
                return self
            if self._child.poll() is not None:
                raise AssertionError(f"it ended with {self._child.returncode}:\n{self.output}")
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"it was not ready in {timeout_s} s:\n{self.output}")

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for its end and return the exit code; fail when a process of it had to be ended."""
        try:
            code = self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end in {timeout_s} s:\n{self.output}") from None
        self._reader.join(timeout_s)
        if self._child.stdout:
            self._child.stdout.close()
        assert not STUCK.search(self.output), self.output
        return code

    def family(self) -> list[psutil.Process]:
        """Return the parent and all processes below it."""
        try:
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def children_with_role(self, role: str) -> list[psutil.Process]:
        """Return its `gateway` or `worker` processes."""
        return [p for p in self.family()[1:] if _has_role(p, role)]

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """End it politely; fail when a process of it outlives it."""
        family = self.family()
        if self._child.poll() is None:
            self._child.send_signal(signal_number)
        code = self.wait()
        left = running(family)
        for process in left:
            process.kill()
        if left:
            raise AssertionError(f"left behind: {left}\n{self.output}")
        return code

    def kill(self) -> None:
        """SIGKILL the parent alone, as an out-of-memory killer would."""
        if self._child.poll() is None:
            self._child.kill()
        self.wait()

    def _read(self) -> None:
        if self._child.stdout is not None:
            for line in self._child.stdout:
                self.lines.append(line.rstrip("\n"))


def running(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run; zombies that nobody reaps do not count."""
    return [p for p in processes if p.is_running() and _status(p) != psutil.STATUS_ZOMBIE]


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)


def _has_role(process: psutil.Process, role: str) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return "--role" in words and words[words.index("--role") + 1] == role
