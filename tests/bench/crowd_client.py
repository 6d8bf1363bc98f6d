"""Direct the compiled crowd client (`crowd/crowd.c`), and share its progress with publishers."""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.children import Child
from tests.bench.compiled import build_crowd

PROGRESS_BYTES = 8
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 # The file in it gets a name of its own.
READY_TIMEOUT_S = 120.0


class ProgressFile:
    """A number in shared memory: stamped frames that the crowd has received."""

    def __init__(self) -> None:
        # In shared memory where there is some: the file is written a thousand times a second.
        folder = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        self._file = tempfile.NamedTemporaryFile(prefix="hubbub-bench-", dir=folder)  # noqa: SIM115 # Closed by `close`.
        self._file.write(bytes(PROGRESS_BYTES))
        self._file.flush()
        self.path = Path(self._file.name)

    def close(self) -> None:
        """Remove it."""
        self._file.close()


class Progress:
    """A publisher's view of the progress file."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            self._page = mmap.mmap(file.fileno(), PROGRESS_BYTES, prot=mmap.PROT_READ)

    def frames(self) -> int:
        """Return how many stamped frames the crowd has received so far."""
        return int.from_bytes(self._page[:PROGRESS_BYTES], "little")


class CrowdClient(Child):
    """A crowd of `clients` at one port; options are those of `crowd.c`."""

    def __init__(
        self,
        port: int,
        *options: str,
        clients: int,
        path: str = "/ws/demo?v=1",
        core: int | None = None,
    ) -> None:
        command = [
            build_crowd(),
            "--port",
            str(port),
            "--clients",
            str(clients),
            "--path",
            path,
            *options,
        ]
        super().__init__(command, core=core)

    def wait_until_ready(self) -> None:
        """Wait until everybody is connected, and in the room where there is one."""
        self.hear("ready", READY_TIMEOUT_S)

    def window(self) -> dict[str, Any]:
        """Return what was received since the last call."""
        return self.ask("window", "window")

    def verdict(self, offset: int, *, within_s: float) -> dict[str, Any]:
        """Wait until everybody has the log up to `offset`, and judge what they saw of it."""
        return self.ask(f"settle {offset} {int(within_s * 1000)}", "verdict", within_s + 30)
