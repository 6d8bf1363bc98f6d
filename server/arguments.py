"""What people name in a call, read in one way over HTTP and over the socket: ids, quantities, keys.

Invariant: an id that passes here is canonical UUID text, so that the database never refuses it.
"""

from __future__ import annotations

import re
from typing import TypedDict
from uuid import UUID

import msgspec

from commerce.goods.inventory.model import QTY_MAX
from commerce.goods.press_rules.model import Press
from commerce.kernel.errors import CommerceError, invalid, not_found
from commerce.kernel.ids import KEY_CHARS_MAX
from commerce.sales.group_buys.model import Wish as SeatWish

KEY_PATTERN = re.compile(r"[\x21-\x7e]+")


class Wish(TypedDict):
    """What every way to units of one sale is asked with, by the names of its parameters."""

    user_id: str
    sale_id: str
    qty: int
    key: str
    press: Press


def parse_id(text: str) -> str | None:
    """Return an id as canonical UUID text, or None for anything else."""
    try:
        return str(msgspec.convert(text, UUID))
    except msgspec.ValidationError:
        return None


def check_id(text: str, what: str) -> str:
    """Return an id as canonical UUID text; anything else names nothing: raises `not_found`."""
    id = parse_id(text)
    if id is None:
        raise not_found(what)
    return id


def check_qty(qty: int) -> int:
    """Return a quantity between 1 and what one press can ask for; raises `invalid_request`."""
    if not 1 <= qty <= QTY_MAX:
        raise invalid(f"qty must be 1 to {QTY_MAX}.", field="qty")
    return qty


def check_key(key: str | None) -> str:
    """Return a write's idempotency key: 1–200 ASCII characters that are neither space nor control.

    Raises `idempotency_key_required` when there is none, `invalid_request` for any other text.
    """
    if not key:
        raise CommerceError("idempotency_key_required", "This call needs an idempotency key.")
    if len(key) > KEY_CHARS_MAX or not KEY_PATTERN.fullmatch(key):
        raise invalid("The key is too long or not plain ASCII.", field="Idempotency-Key")
    return key


def read_seat_wish(group: str | None, is_open: bool) -> tuple[SeatWish, str | None]:
    """Return what somebody who joins a team asks for; a named team comes before a new one.

    Raises `invalid_request` for a name that is no id.
    """
    if group is not None:
        return SeatWish.NAMED, check_id(group, "group")
    return (SeatWish.OPEN if is_open else SeatWish.ANY), None
