"""A change of what a pool has: who made it, why, and what became of the units."""

from __future__ import annotations

import msgspec


class Adjustment(msgspec.Struct, frozen=True):
    """A wish to change a pool by `delta` units; `id` is derived from user, place and key."""

    id: str
    user_id: str
    sku: str
    delta: int
    reason: str
    sale_id: str | None = None
    """The flash sale whose pool it is; None for the SKU's own."""


class PoolCounts(msgspec.Struct, frozen=True):
    """A locked pool."""

    pool_id: str
    total: int
    claimed: int
    version: int


class Adjusted(msgspec.Struct, frozen=True):
    """What an adjustment did; `stock` is (available, held, sold) of the pool as it is now."""

    added: int
    to_waiting_list: int
    stock: tuple[int, int, int]
