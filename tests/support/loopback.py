"""Close the network for tests but for loopback and Unix sockets.

Invariant: once `close_the_network` ran, no Python code of this process connects anywhere else.
"""

from __future__ import annotations

import sys
from ipaddress import ip_address
from typing import Any


class NetworkIsClosedError(RuntimeError):
    """A test tried to reach another machine."""


def is_loopback(address: Any) -> bool:
    """Tell whether a socket address stays on this machine."""
    if not isinstance(address, tuple):
        return True  # A Unix socket or netlink.
    host = str(address[0])
    if host in {"", "localhost"}:
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and not is_loopback(arguments[1]):
        raise NetworkIsClosedError(f"tests may not connect to {arguments[1]!r}")


def close_the_network() -> None:
    """Refuse connections to other machines from now on; it cannot be undone in this process."""
    sys.addaudithook(_watch)
