"""Find a short private place for Unix sockets and tell who listens on one.

Invariant: a socket's folder is 0700 and ours (or the servers' account's), wherever it is.
"""

from __future__ import annotations

import hashlib
import socket
import struct
from pathlib import Path

from server.ops.accounts import Account, Say, make_folder, open_way_to

SOCKET_PATH_BYTES_MAX = 100  # sockaddr_un holds 104 bytes on macOS and 108 on Linux, with the NUL.
LONGEST_SOCKET_NAME = ".s.PGSQL.5432.lock"
CONNECT_TIMEOUT_S = 2.0
SHORT_ROOT = Path("/tmp")  # noqa: S108 - the folder below it is 0700 and its owner is checked.


def socket_folder(data: Path, account: Account | None, say: Say) -> Path:
    """Return the folder for sockets: `DATA/run`, or a short one when that path is too long."""
    folder = data / "run"
    if len(bytes(folder / LONGEST_SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX:
        name = hashlib.sha256(bytes(data)).hexdigest()[:16]
        folder = SHORT_ROOT / f"hubbub-{name}"
        say(f"the path of {data} is too long for a socket; sockets are in {folder}")
    make_folder(folder, account)
    open_way_to(folder, account, say)
    return folder


def listener_pid(path: Path) -> int | None:
    """Return the pid of the process that listens on a Unix socket; None when nobody answers.

    The kernel remembers who called listen(2), so the answer cannot be a recycled pid. It is 0 when
    the listener cannot be seen from here.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_TIMEOUT_S)
        try:
            probe.connect(str(path))
            return _peer_pid(probe)
        except OSError:
            return None


def ask(path: Path, request: bytes, answer_size_bytes: int) -> bytes:
    """Send a request over a Unix socket and return the first bytes of the answer, or none."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_TIMEOUT_S)
        try:
            probe.connect(str(path))
            probe.sendall(request)
            return probe.recv(answer_size_bytes)
        except OSError:
            return b""


def _peer_pid(connected: socket.socket) -> int:
    if hasattr(socket, "SO_PEERCRED"):
        credentials = connected.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
        )
        return int(struct.unpack("3i", credentials)[0])
    local_peer_pid = (0, 2)  # SOL_LOCAL and LOCAL_PEERPID of macOS; Python does not name them.
    return int(struct.unpack("i", connected.getsockopt(*local_peer_pid, struct.calcsize("i")))[0])
