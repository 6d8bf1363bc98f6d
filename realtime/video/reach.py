"""Decide which addresses a stranger may have this machine send checks to. Pure.

An offer lists addresses, and each is sent several packets, to any port. So it names no address of
a network that the forwarder itself is not in: a stranger would look through the operator's inner
network, or have us send to it. Nobody is lost by that: who checks us first is answered there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

INNER = tuple(
    ipaddress.ip_network(block)
    for block in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
        "127.0.0.0/8", "::1/128", "fe80::/10", "fc00::/7",
    )
)  # fmt: skip
# Nobody's and everybody's addresses, and those that hide another one.
NEVER = tuple(
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "192.0.0.0/24",
        "::/128", "ff00::/8", "2001::/32", "2002::/16", "64:ff9b::/96", "64:ff9b:1::/48", "::/96",
    )
)  # fmt: skip
# Services of machines listen below; browsers and relays never do.
PORT_MIN = 1024


class Reach(msgspec.Struct, frozen=True):
    """Inner blocks that may be checked, by their place in `INNER`, and single hosts of others."""

    inner: frozenset[int] = frozenset()
    hosts: frozenset[str] = frozenset()

    def may_check(self, host: str, port: int) -> bool:
        """Say whether an address of an offer may be checked."""
        address = _read(host)
        if address is None or not PORT_MIN <= port < 65536:
            return False
        block = _block(address)
        if block is not None:
            return block in self.inner or str(address) in self.hosts
        return not any(address in never for never in NEVER if never.version == address.version)


def reach_from(own: Iterable[str], hosts: Iterable[str] = ()) -> Reach:
    """Return what may be checked by a machine with these addresses, and these single hosts."""
    blocks = (None if (address := _read(host)) is None else _block(address) for host in own)
    return Reach(frozenset(block for block in blocks if block is not None), frozenset(hosts))


def _read(host: str) -> Address | None:
    """Return an address, without the zone of a link-local one; None for any other text."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _block(address: Address) -> int | None:
    for place, inner in enumerate(INNER):
        if inner.version == address.version and address in inner:
            return place
    return None
