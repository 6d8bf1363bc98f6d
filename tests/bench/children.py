"""Run the processes of a benchmark, each on its own core, and talk to them line by line.

A child gets commands on stdin and answers on stdout, one JSON object a line; it ends when its stdin
does, so none outlives the benchmark.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import psutil

ROOT = Path(__file__).resolve().parents[2]
ANSWER_TIMEOUT_S = 30.0
END_TIMEOUT_S = 10.0


class Child:
    """One process, pinned to `core`; all of its threads and children inherit that."""

    def __init__(self, command: Sequence[str | Path], *, core: int | None = None) -> None:
        self.command = [str(word) for word in command]
        cores = os.sched_getaffinity(0)
        try:
            if core is not None:
                # Inherited by the child; ours is given back at once.
                os.sched_setaffinity(0, {core})
            self._process = subprocess.Popen(
                self.command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        finally:
            os.sched_setaffinity(0, cores)
        self.usage = psutil.Process(self._process.pid)
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def tell(self, line: str) -> None:
        """Send one command."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def hear(self, event: str, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """Return the next answer, which must be this event."""
        try:
            line = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            raise SystemExit(f"{self.command[0]} did not say {event!r} in {timeout_s} s") from None
        if line is None:
            raise SystemExit(f"{' '.join(self.command)} ended with {self._process.wait()}")
        answer: dict[str, Any] = msgspec.json.decode(line)
        if answer.get("event") != event:
            raise SystemExit(f"{self.command[0]} said {line!r} instead of {event!r}")
        return answer

    def ask(self, line: str, event: str, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """Send a command and return its answer."""
        self.tell(line)
        return self.hear(event, timeout_s)

    def cpu_s(self) -> float:
        """Return the processor time used so far, in seconds."""
        times = self.usage.cpu_times()
        return float(times.user + times.system)

    def resident_bytes(self) -> int:
        """Return the memory that is resident."""
        return int(self.usage.memory_info().rss)

    def stop(self) -> None:
        """End it: politely by the end of its stdin, else by force."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(END_TIMEOUT_S)
        self._listener.join(END_TIMEOUT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)
