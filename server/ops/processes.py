"""Start, watch, adopt and stop single processes by identity, not by number alone.

Invariant: a process is its pid *and* its start time, so a recycled pid is never taken for ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from server.ops.accounts import Account

POLL_S = 0.02  # Short enough that a stop feels immediate, long enough to cost nothing.
LOG_SIZE_BYTES_MAX = 10 * 1024 * 1024  # One old log is kept, so a log folder stays under 20 MiB.


class Process:
    """A process we started (and reap) or one that outlived its parent (and init reaps)."""

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self._child = child
        self._started = start_time(pid)

    def is_running(self) -> bool:
        """Tell whether this very process still runs; a zombie does not."""
        if self._child is not None:
            return self._child.poll() is None
        return is_alive(self.pid) and start_time(self.pid) == self._started

    def send(self, signal_number: int) -> None:
        """Send a signal if it still runs."""
        if self.is_running():
            try:
                os.kill(self.pid, signal_number)
            except ProcessLookupError:
                return

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; return False when it still runs after `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(POLL_S)
        return True

    def stop(self, signals: Sequence[tuple[int, float]]) -> None:
        """Send each signal in turn and wait its seconds, until the process is gone."""
        for signal_number, patience_s in signals:
            self.send(signal_number)
            if self.wait(patience_s):
                return
        self.send(signal.SIGKILL)
        self.wait(5)


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    account: Account | None,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start `command` in a session of its own, so that Ctrl-C reaches only its parent.

    Output is appended to `log`. With an `account` the process runs as that user, without the
    groups of the caller.
    """
    if log.exists() and log.stat().st_size > LOG_SIZE_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        child = subprocess.Popen(  # The owner is the returned Process.
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=None if environment is None else dict(environment),
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
    return Process(child.pid, child)


def is_alive(pid: int) -> bool:
    """Tell whether any process has this pid; a zombie counts as gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    fields = _stat_fields(pid)
    return not (fields and fields[0] == "Z")


def command_line(pid: int) -> str:
    """Return the command line of a process, or an empty string when it cannot be read."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline")
            .read_bytes()
            .replace(b"\0", b" ")
            .decode("utf-8", "replace")
        )
    except OSError:
        if Path("/proc/self").exists():
            return ""
    listing = subprocess.run(
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False, timeout=5
    )
    return listing.stdout.decode("utf-8", "replace").strip()


def _stat_fields(pid: int) -> list[str]:
    """Return /proc/PID/stat from the state on; the name before it may hold spaces."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def start_time(pid: int) -> str | None:
    """Return when the process started, in clock ticks since boot; None where /proc is missing."""
    fields = _stat_fields(pid)
    return fields[19] if len(fields) > 19 else None
