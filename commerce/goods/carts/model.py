"""A cart, and what became of each of its items."""

from __future__ import annotations

import msgspec

from commerce.goods.inventory.model import Hold, Refused, Request, Reserved


class Cart(msgspec.Struct, frozen=True):
    """A wish for several sales at once; `id` is derived from user and key, each sale is once."""

    id: str
    user_id: str
    request_hash: str
    requests: list[Request]


class CartResult(msgspec.Struct, frozen=True):
    """What one commit decided: parallel arrays in the order of the items.

    `available` is what an item found free, after the items before it.
    """

    outcomes: list[int]
    states: list[str | None] | None
    versions: list[int | None] | None
    prices: list[int | None]
    shown_until: list[int | None]
    opens_at: list[int | None] | None
    available: list[int | None] | None
    now_ms: int
    expired: list[Hold]


class Granted(msgspec.Struct, frozen=True):
    """Every item is reserved."""

    reservations: list[Reserved]


class RefusedItems(msgspec.Struct, frozen=True):
    """Nothing is reserved: (sale, why) of every item that failed."""

    items: list[tuple[str, Refused]]
