"""The decision of a draw as a pure function of its seed and its entries.

`hold_draw` in the database decides the same way, and so does the script that visitors run
(`static/verify/draw.py`); tests hold all three against each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

import msgspec

# (lowest, highest) seconds in which people may enter.
ENTRY_S_LIMITS = (5, 600)


class Result(msgspec.Struct, frozen=True):
    """Entry ids: all in the order of the draw, those that won, and those that lost, in order."""

    ranking: list[str]
    winners: list[str]
    losers: list[str]


def commit_of(seed: bytes) -> str:
    """Return what is published of a seed before the draw: its SHA-256 in hex."""
    return hashlib.sha256(seed).hexdigest()


def digest_entries(entries: Sequence[tuple[str, int]]) -> bytes:
    """Return the SHA-256 of every (id, quantity), ascending by id: 16 and 4 bytes, big-endian."""
    whole = hashlib.sha256()
    for id, qty in sorted(entries):
        whole.update(UUID(id).bytes + qty.to_bytes(4, "big"))
    return whole.digest()


def key_of(seed: bytes, digest: bytes, entry_id: str) -> bytes:
    """Return what an entry is sorted by."""
    return hashlib.sha256(seed + digest + UUID(entry_id).bytes).digest()


def decide_draw(seed: bytes, entries: Sequence[tuple[str, int]], units: int) -> Result:
    """Rank (id, quantity) entries and give `units` to them in that order.

    An entry gets all that it asks for or is passed over: one that wants 2 when 1 is left holds
    nobody up, as in the waiting list.
    """
    digest = digest_entries(entries)
    ranked = sorted(entries, key=lambda entry: key_of(seed, digest, entry[0]))
    winners: list[str] = []
    losers: list[str] = []
    free = units
    for id, qty in ranked:
        if qty <= free:
            free -= qty
            winners.append(id)
        else:
            losers.append(id)
    return Result([id for id, _ in ranked], winners, losers)
