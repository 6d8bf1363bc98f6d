"""A threshold as its host asks for it, as viewers see it, and as it decides; in minor units."""

from __future__ import annotations

from typing import Literal

import msgspec

Otherwise = Literal["charge", "release"]
Outcome = Literal["open", "unlocked", "missed"]


class UnlockTerms(msgspec.Struct, frozen=True):
    """Once `units` are promised everybody of the sale pays `price_minor`.

    When the sale ends below that, those who promised pay the plain price ("charge") or nothing
    ("release").
    """

    units: int
    price_minor: int
    otherwise: Otherwise = "charge"


class UnlockView(msgspec.Struct, frozen=True):
    """A threshold as viewers see it; `promised` are units whose money is granted.

    `state` is open, unlocked or missed; `plain_minor` is the price without it.
    """

    units: int
    price_minor: int
    plain_minor: int
    otherwise: Otherwise
    state: Outcome
    promised: int


class Unlock(msgspec.Struct, frozen=True):
    """A locked threshold with its sale; times in Unix ms of the database."""

    sale_id: str
    pool_id: str
    room_id: str
    units: int
    price_minor: int
    otherwise: Otherwise
    state: Outcome
    sale_state: str
    ends_at_ms: int
    promised: int
    """Units promised so far, counted under the lock."""
