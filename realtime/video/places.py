"""Decide who gets a viewer's place while strangers may ask for any number of them. Pure.

An offer costs its sender nothing, and its answer holds a place until the connect timeout. So those
who have not connected share few places by crowd: the people behind one address, or one stream key.
Who has connected never loses a place here.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# A dormitory that joins at once connects within a second or two and is told to wait so long.
UNCONNECTED_OF_CROWD_MAX = 32
# Browsers connect within one second, by a relay within three: older ones hardly come any more.
CONNECTING_S = 3.0
# Whose crowd holds more than twice what the newcomer's does makes way at once.
FAIR_TIMES = 2
# One customer's line has a network of this size in IPv6, and any number of addresses in it.
IPV6_PREFIX = 64


class Unconnected(NamedTuple):
    """A session that was answered and has not connected: whose it is, and since when."""

    session_id: str
    crowd: str | None  # None: of nobody who is counted.
    began_s: float


def crowd_of(address: str) -> str:
    """Name the crowd behind an address: itself, or its /64 network; other text is its own."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))


def is_crowd_full(
    crowd: str | None, unconnected: Sequence[Unconnected], joining: Mapping[str, int]
) -> bool:
    """Say whether a crowd has as many answers that have not connected as it may have.

    `joining` counts, by crowd, the answers that are being made.
    """
    if crowd is None:
        return False
    held = sum(one.crowd == crowd for one in unconnected)
    return held + joining.get(crowd, 0) >= UNCONNECTED_OF_CROWD_MAX


def oldest_of_crowd(crowd: str, unconnected: Sequence[Unconnected], now_s: float) -> str | None:
    """Return which session of a full crowd makes way for another of it; None: none yet."""
    mine = [one for one in unconnected if one.crowd == crowd]
    oldest = min(mine, key=lambda one: one.began_s, default=None)
    if oldest is None or now_s - oldest.began_s < CONNECTING_S:
        return None
    return oldest.session_id


def makes_way(crowd: str | None, unconnected: Sequence[Unconnected], now_s: float) -> str | None:
    """Return which session loses its place to a newcomer where all places are taken; None: none.

    The oldest of the crowd that holds most of them: at once where it holds far more than the
    newcomer's does, else when it hardly connects any more.
    """
    if not unconnected:
        return None
    held = Counter(one.crowd for one in unconnected)

    def rank(one: Unconnected) -> tuple[int, float]:
        return (-held[one.crowd] if one.crowd is not None else -1, one.began_s)

    first = min(unconnected, key=rank)
    theirs = -rank(first)[0]
    own = held[crowd] if crowd is not None else 0
    if theirs > FAIR_TIMES * (own + 1):
        return first.session_id
    oldest = min(unconnected, key=lambda one: one.began_s)
    return oldest.session_id if now_s - oldest.began_s >= CONNECTING_S else None
