"""The decision of the reservation core as a pure function.

`reserve_batch` in the database decides the same way; a Hypothesis test holds one against the
other. Invariant: 0 <= claimed <= total, whatever is asked, in whatever order.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from commerce.goods.inventory.model import (
    QTY_MAX,
    Grant,
    Outcome,
    PooledSale,
    Request,
    Reservation,
    Reserved,
)
from commerce.kernel.errors import invalid

# As many as an order has lines; a cart is on its way to one.
CART_ITEMS_MAX = 20


class SaleTerms(msgspec.Struct, frozen=True):
    """What a sale allows and when; times in Unix ms, `None` for not set."""

    id: str
    state: str
    opens_at_ms: int | None
    ends_at_ms: int | None
    per_buyer: int | None


class PoolState(msgspec.Struct, frozen=True):
    """A pool as one batch finds it, after due holds were freed."""

    total: int
    claimed: int
    sold: int
    granted: Mapping[str, int]
    """Quantity by reservation id, for every id ever granted."""
    bought: Mapping[tuple[str, str], int]
    """Live quantity by (sale, user)."""


def describe_grant(request: Request, sale: PooledSale, grant: Grant) -> Reserved:
    """Return a granted request as its buyer's hold."""
    assert grant.price_minor is not None
    assert grant.shown_until_ms is not None
    assert grant.version is not None
    return Reserved(
        Reservation(
            id=request.id,
            sale_id=sale.id,
            user_id=request.user_id,
            sku=sale.sku,
            qty=request.qty,
            unit_price_minor=grant.price_minor,
            currency=sale.currency,
            state=grant.state or "held",
            version=grant.version,
            decided_at_ms=grant.now_ms,
            shown_until_ms=grant.shown_until_ms,
            expires_in_ms=max(0, grant.shown_until_ms - grant.now_ms),
        )
    )


def decide_window(sale: SaleTerms | None, now_ms: int) -> Outcome:
    """Say whether the sale sells at this moment; RESERVED stands for yes."""
    if sale is None:
        return Outcome.NO_SUCH_SALE
    if sale.state in ("ended", "cancelled"):
        return Outcome.ENDED
    is_past_end = sale.ends_at_ms is not None and now_ms >= sale.ends_at_ms
    if sale.state == "halted" and not is_past_end:
        return Outcome.HALTED
    if sale.opens_at_ms is None or now_ms < sale.opens_at_ms:
        return Outcome.NOT_OPEN
    if is_past_end:
        return Outcome.ENDED
    return Outcome.RESERVED


def decide_batch(
    pool: PoolState,
    sales: Mapping[str, SaleTerms],
    requests: Sequence[Request],
    now_ms: int,
) -> list[Outcome]:
    """Decide requests in arrival order against a running remainder.

    No two requests may share an id, or a buyer in one sale: the batcher holds such a second
    request back until the first is decided.
    """
    free = pool.total - pool.claimed
    outcomes: list[Outcome] = []
    for request in requests:
        outcome = _decide_one(pool, sales.get(request.sale_id), request, now_ms)
        if outcome is Outcome.RESERVED:
            outcome = _decide_remainder(pool, free, request.qty)
        if outcome is Outcome.RESERVED:
            free -= request.qty
        outcomes.append(outcome)
    return outcomes


def decide_cart(
    pools: Mapping[str, PoolState],
    pool_of: Mapping[str, str],
    sales: Mapping[str, SaleTerms],
    requests: Sequence[Request],
    now_ms: int,
) -> list[Outcome]:
    """Decide a cart's items in their order; it is granted when all of them are RESERVED.

    `pool_of` names each sale's pool: items of one pool are decided one after the other against
    what is left of it, however many sales they come from. Each sale is named once.
    """
    free = {id: pool.total - pool.claimed for id, pool in pools.items()}
    outcomes: list[Outcome] = []
    for request in requests:
        pool_id = pool_of.get(request.sale_id)
        if pool_id is None:
            outcomes.append(Outcome.NO_SUCH_SALE)
            continue
        pool = pools[pool_id]
        outcome = _decide_one(pool, sales.get(request.sale_id), request, now_ms)
        if outcome is Outcome.RESERVED:
            outcome = _decide_remainder(pool, free[pool_id], request.qty)
        if outcome is Outcome.RESERVED:
            free[pool_id] -= request.qty
        outcomes.append(outcome)
    return outcomes


def sum_items(items: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return a cart's (sale, quantity) with each sale once; raises `invalid_request`.

    Two lines of one sale are one wish: checked one by one, each might fit where both do not.
    """
    if not 1 <= len(items) <= CART_ITEMS_MAX:
        raise invalid(f"A cart has 1 to {CART_ITEMS_MAX} items.", field="items")
    wanted: Counter[str] = Counter()
    for sale_id, qty in items:
        wanted[sale_id] += qty
    if any(not 1 <= qty <= QTY_MAX for _, qty in items) or max(wanted.values()) > QTY_MAX:
        raise invalid(f"qty must be 1 to {QTY_MAX}.", field="items")
    return list(wanted.items())


def hash_cart(items: Sequence[tuple[str, int]]) -> str:
    """Return what tells one cart from another under the same key."""
    text = ",".join(f"{sale_id}:{qty}" for sale_id, qty in sorted(items))
    return hashlib.sha256(text.encode()).hexdigest()


def _decide_remainder(pool: PoolState, free: int, qty: int) -> Outcome:
    """Say whether what is left is enough, and if not, whether any of it may come back."""
    if qty <= free:
        return Outcome.RESERVED
    if free > 0:
        return Outcome.NOT_ENOUGH_LEFT
    return Outcome.SOLD_OUT if pool.sold == pool.total else Outcome.HELD_OUT


def _decide_one(pool: PoolState, sale: SaleTerms | None, request: Request, now_ms: int) -> Outcome:
    """Decide everything but the remainder; RESERVED means that only stock is left to ask."""
    if request.id in pool.granted:
        is_same = pool.granted[request.id] == request.qty
        return Outcome.REPLAYED if is_same else Outcome.CONFLICT
    window = decide_window(sale, now_ms)
    if window is not Outcome.RESERVED:
        return window
    assert sale is not None
    bought = pool.bought.get((request.sale_id, request.user_id), 0)
    if sale.per_buyer is not None and bought + request.qty > sale.per_buyer:
        return Outcome.LIMIT_REACHED
    return Outcome.RESERVED
