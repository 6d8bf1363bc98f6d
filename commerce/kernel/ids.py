"""Identifiers: time-ordered for new things, derived for whatever an idempotency key names.

A derived id is how a retry meets its own row: the same user, place and key always
give the same UUID, so no table of remembered answers is needed.
"""

from __future__ import annotations

import hashlib
import uuid

# Our own namespaces, drawn once; changing one would orphan every earlier retry.
RESERVATION_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c01")
ORDER_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c02")
SALE_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c03")
ADJUSTMENT_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c13")
CART_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c14")
ENTRY_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c12")
DRAW_ENTRY_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c17")
COUPON_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c24")
DROP_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c25")
CLAIM_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c26")
CAMPAIGN_PRICE_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c37")
REFUND_NAMESPACE = uuid.UUID("6f1c2f52-8d5a-4a53-9a0e-6d6b3f0d7c04")

KEY_CHARS_MAX = 200  # An idempotency key is a UUID or a short token, never a document.


def uuid7(now_ms: int, random_bytes: bytes) -> uuid.UUID:
    """Return a UUIDv7 (RFC 9562 section 5.7) from a Unix time in ms and 10 random bytes."""
    if len(random_bytes) != 10:
        raise ValueError("uuid7 needs exactly 10 random bytes")
    value = (now_ms & ((1 << 48) - 1)) << 80 | int.from_bytes(random_bytes, "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)


def reservation_id(user_id: str, sale_id: str, key: str) -> str:
    """Return the id of the reservation that this user's key names in this sale."""
    return _uuid5(RESERVATION_NAMESPACE, f"{user_id}/{sale_id}/{key}")


def order_id(user_id: str, key: str) -> str:
    """Return the id of the order that this user's key names."""
    return _uuid5(ORDER_NAMESPACE, f"{user_id}/{key}")


def sale_id(user_id: str, room_id: str, key: str) -> str:
    """Return the id of the sale that this host's key names in this room."""
    return _uuid5(SALE_NAMESPACE, f"{user_id}/{room_id}/{key}")


def entry_id(user_id: str, sale_id: str, key: str) -> str:
    """Return the id of the waiting-list entry that this user's key names in this sale."""
    return _uuid5(ENTRY_NAMESPACE, f"{user_id}/{sale_id}/{key}")


def draw_entry_id(user_id: str, sale_id: str, key: str) -> str:
    """Return the id of the entry into a draw that this user's key names in this sale."""
    return _uuid5(DRAW_ENTRY_NAMESPACE, f"{user_id}/{sale_id}/{key}")


def adjustment_id(user_id: str, place: str, key: str) -> str:
    """Return the id of the change of stock that this user's key names; a place is a SKU or sale."""
    return _uuid5(ADJUSTMENT_NAMESPACE, f"{user_id}/{place}/{key}")


def cart_id(user_id: str, key: str) -> str:
    """Return the id of the cart that this user's key names."""
    return _uuid5(CART_NAMESPACE, f"{user_id}/{key}")


def cart_reservation_id(cart: str, sale_id: str) -> str:
    """Return the id of a cart's reservation in a sale; no single press has the same."""
    return _uuid5(CART_NAMESPACE, f"{cart}/{sale_id}")


def coupon_id(user_id: str, room_id: str, key: str) -> str:
    """Return the id of the coupon that this host's key names in this room."""
    return _uuid5(COUPON_NAMESPACE, f"{user_id}/{room_id}/{key}")


def drop_id(user_id: str, room_id: str, key: str) -> str:
    """Return the id of the drop that this host's key names in this room."""
    return _uuid5(DROP_NAMESPACE, f"{user_id}/{room_id}/{key}")


def claim_id(user_id: str, drop: str, key: str) -> str:
    """Return the id of the claim that this user's key names in this drop."""
    return _uuid5(CLAIM_NAMESPACE, f"{user_id}/{drop}/{key}")


def campaign_price_id(user_id: str, sku: str, key: str) -> str:
    """Return the id of the campaign price that this host's key names for this SKU."""
    return _uuid5(CAMPAIGN_PRICE_NAMESPACE, f"{user_id}/{sku}/{key}")


def refund_id(user_id: str, order_id: str, key: str) -> str:
    """Return the id of the refund that this person's key names for this order."""
    return _uuid5(REFUND_NAMESPACE, f"{user_id}/{order_id}/{key}")


def _uuid5(namespace: uuid.UUID, name: str) -> str:
    """Return `str(uuid.uuid5(namespace, name))`, three times faster: every press makes one."""
    digest = hashlib.sha1(namespace.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
