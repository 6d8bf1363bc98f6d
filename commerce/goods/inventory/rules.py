"""The decision of the reservation core as a pure function.

`reserve_batch` in the database decides the same way; a Hypothesis test holds one against the
other. Invariant: 0 <= claimed <= total, whatever is asked, in whatever order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from commerce.goods.inventory.model import Outcome, Request


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


def decide_window(sale: SaleTerms | None, now_ms: int) -> Outcome:
    """Say whether the sale sells at this moment; RESERVED stands for yes."""
    if sale is None:
        return Outcome.NO_SUCH_SALE
    if sale.state in ("ended", "cancelled"):
        return Outcome.ENDED
    if sale.opens_at_ms is None or now_ms < sale.opens_at_ms:
        return Outcome.NOT_OPEN
    if sale.ends_at_ms is not None and now_ms >= sale.ends_at_ms:
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
    is_all_sold = pool.sold == pool.total
    outcomes: list[Outcome] = []
    for request in requests:
        outcome = _decide_one(pool, sales.get(request.sale_id), request, now_ms)
        if outcome is Outcome.RESERVED:
            if request.qty <= free:
                free -= request.qty
            elif free > 0:
                outcome = Outcome.NOT_ENOUGH_LEFT
            else:
                outcome = Outcome.SOLD_OUT if is_all_sold else Outcome.HELD_OUT
        outcomes.append(outcome)
    return outcomes


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
