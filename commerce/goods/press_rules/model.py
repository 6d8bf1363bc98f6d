"""The extra rules of a sale, and what is known of somebody who presses."""

from __future__ import annotations

from typing import Literal

import msgspec

PermitState = Literal["missing", "good", "forged", "expired", "other_user", "other_sale", "left"]


class PressRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a sale asks of whoever presses; a rule that is None is off.

    `version` counts the rule sets that a sale has had, so that evidence can cite the one it was
    decided by; it is 0 in a host's wish, which has no number yet.
    """

    version: int = 0
    present_s: int | None = None
    """How long one must have been in the room, in seconds."""
    presses_per_user_s: int | None = None
    """Presses of one person in a second, and at once."""
    presses_per_address_s: int | None = None
    """Presses from one address in a second, and at once."""
    per_card: int | None = None
    """Units of the sale that one card may pay for."""
    drop_limit: int | None = None
    """Holds of one's own that ended unpaid within a day, before the next press has to wait."""


class Press(msgspec.Struct, frozen=True):
    """Who presses from where, and what shows that they are in the room.

    `room_id` and `present_ms` are those of the socket that the press came by; both are missing
    over HTTP, where a permit shows what a socket has earned before.
    """

    address: str = ""
    room_id: str | None = None
    present_ms: int = 0
    permit: PermitState = "missing"


class Dropped(msgspec.Struct, frozen=True):
    """Holds that ended unpaid since one last bought; `since_last_ms` is the age of the newest."""

    count: int
    since_last_ms: int
