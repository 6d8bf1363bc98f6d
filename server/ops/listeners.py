"""Open the listening sockets that gateways share a port with, by SO_REUSEPORT.

Invariant: a port that another program listens on is noticed before anything is started.
"""

from __future__ import annotations

import errno
import socket

from server.ops.errors import OperationalError

BACKLOG_CONNECTIONS = 4096  # A show's start brings thousands of viewers within a second.
UNSENT_BYTES_MAX = 16 * 1024  # Otherwise the kernel hides megabytes of a slow viewer from us.


def reserve_port(host: str, port: int) -> tuple[socket.socket, int]:
    """Bind a port without listening, so that it stays ours; 0 takes a free one.

    Raises OperationalError with one line when it is taken or may not be used.
    """
    family, address = _resolve(host, port)
    try:
        if port:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)  # Without this a listener with SO_REUSEADDR would pass unseen.
        reserved = _bind(family, address)
    except OSError as error:
        raise OperationalError(_explain(error, host, port)) from error
    return reserved, int(reserved.getsockname()[1])


def open_listener(host: str, port: int) -> socket.socket:
    """Bind the listener of one gateway and its successors; listening starts with the server."""
    family, address = _resolve(host, port)
    try:
        listener = _bind(family, address)
    except OSError as error:
        raise OperationalError(_explain(error, host, port)) from error
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)
    return listener


def inherit_listener(descriptor: int) -> socket.socket:
    """Take over the listener that the parent has bound for this process, and pass it to nobody."""
    listener = socket.socket(fileno=descriptor)
    listener.set_inheritable(False)
    return listener


def _bind(family: socket.AddressFamily, address: tuple[str, int]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise OperationalError(f"HOST is {host!r}, which is no address of this machine.") from error
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken by another program; choose another with PORT=…."
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than this user has; choose one above 1023."
    return f"cannot listen on {host} port {port}: {error.strerror}."
