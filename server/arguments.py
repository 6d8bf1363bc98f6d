"""What people name in a call, read in one way over HTTP and over the socket: ids, quantities, keys.

Invariant: an id that passes here is canonical UUID text, so that the database never refuses it.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from commerce.goods.inventory.model import QTY_MAX
from commerce.kernel.errors import CommerceError, invalid, not_found
from commerce.kernel.ids import KEY_CHARS_MAX


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
    """Return a socket command's idempotency key; raises `idempotency_key_required`."""
    if not key or len(key) > KEY_CHARS_MAX:
        raise CommerceError("idempotency_key_required", "A write needs an idempotency key.")
    return key
