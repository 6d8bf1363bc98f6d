"""The address of a socket is read as the address of a call is, and cannot be made up."""

from __future__ import annotations

from typing import Any

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server.ops.addresses import address_reader

PROXIES = ("10.0.0.0/8", "127.0.0.1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        # Whoever is no proxy of ours may write what they like.
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
        # What stands before our proxy's own word came from the client.
        ("10.1.2.3", "1.1.1.1, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("127.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
    ],
)
async def test_a_socket_has_the_address_that_a_call_has(
    peer: str, forwarded: str | None, address: str
) -> None:
    assert address_reader(PROXIES)(peer, forwarded) == address
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    scope: Any = {"type": "http", "client": (peer, 1), "headers": headers}
    nothing: Any = None
    await ProxyHeadersMiddleware(app, list(PROXIES))(scope, nothing, nothing)
    assert seen == [address]


def test_without_proxies_the_header_is_nobodys_word() -> None:
    assert address_reader(())("203.0.113.9", "1.1.1.1") == "203.0.113.9"
