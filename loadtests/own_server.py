"""Start Hubbub for one load test, in a folder of its own, and stop it to the last process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # psutil ships no types.

ROOT = Path(__file__).resolve().parents[1]
# A first start makes a database cluster, on a machine that may be busy.
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.1
ROOM_LINE = re.compile(r"(http://[^/\s]+:\d+)/r/")
LOG_LINES_SHOWN = 20


class OwnServerError(Exception):
    """The server did not start; the text is for a person."""


class OwnServer:
    """`serve --demo` on a free port with its data below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "server.log"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
        with self._log.open("wb") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "server", "serve", "--demo"],
                cwd=ROOT,
                env={
                    **inherited,
                    "PORT": "0",
                    "HOST": "127.0.0.1",
                    "DATA": str(folder / "var"),
                    "HUBBUB_LOG": "warning",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = ""

    def wait_until_ready(self) -> str:
        """Return the server's address once it serves; raise OwnServerError when it does not."""
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline_s:
            found = ROOM_LINE.search(self.log())
            if found:
                self.url = found[1]
                return self.url
            if self._child.poll() is not None:
                raise OwnServerError(f"the server ended at once:\n{self.log_tail()}")
            time.sleep(POLL_S)
        raise OwnServerError(f"the server was not ready in time:\n{self.log_tail()}")

    def stop(self) -> list[str]:
        """End it politely; return what had to be killed, which should be nothing."""
        family = self._family()
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        left = [process for process in family if _runs(process)]
        names = [f"{process.pid} {process.name()}" for process in left if _runs(process)]
        for process in left:
            if _runs(process):
                process.kill()
        return names

    def log(self) -> str:
        """Return all that it printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def log_tail(self) -> str:
        """Return the last lines that it printed."""
        return "\n".join(self.log().splitlines()[-LOG_LINES_SHOWN:])

    def _family(self) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self._child.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
