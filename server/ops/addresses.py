"""Whose address a connection has, behind our own proxies or without any.

Invariant: `X-Forwarded-For` counts only when the peer is a trusted proxy, by uvicorn's own reading
of it, so that a socket and a call from one client have one address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


def address_reader(trusted_proxies: Sequence[str]) -> Callable[[str, str | None], str]:
    """Return a function of (peer's address, X-Forwarded-For or None) to the client's address."""
    if not trusted_proxies:
        return lambda peer, _forwarded: peer
    trusted = ProxyHeadersMiddleware(_no_app, list(trusted_proxies)).trusted_hosts

    def read(peer: str, forwarded: str | None) -> str:
        if forwarded is None or peer not in trusted:
            return peer
        host, _ = trusted.get_trusted_client_address(forwarded)
        return host or peer

    return read


async def _no_app(_scope: Any, _receive: Any, _send: Any) -> None:
    """Stand for the application that uvicorn's reader is usually wrapped around."""
