"""Change what a SKU's own pool has, with a reason.

Invariant: what is held or paid stays covered; added units serve the waiting list in the same
transaction, before anybody else sees them; the same key is one change.
"""

from __future__ import annotations

from commerce.goods.adjustments import store
from commerce.goods.adjustments.model import Adjusted, Adjustment
from commerce.goods.adjustments.rules import check_adjustment, check_same, check_total
from commerce.goods.inventory.store import lock_pools, select_sku_pool, update_total
from commerce.goods.inventory.sweeper import expire_pool
from commerce.kernel.ports import Transaction


async def adjust(transaction: Transaction, wish: Adjustment) -> tuple[str, Adjusted]:
    """Add units to a SKU's own pool, or take free ones away; return the pool and what was done.

    Raises `invalid_request`, `not_found`, `below_claimed` or `idempotency_conflict`.
    """
    check_adjustment(wish)
    pool_id = await select_sku_pool(transaction, wish.sku)
    await lock_pools(transaction, [pool_id])
    known = await find_same(transaction, wish)
    if known is not None:
        return pool_id, known
    reason = "restocked" if wish.delta > 0 else "written_off"
    done = await change_pool(transaction, pool_id, wish, journal_reason=reason)
    for room_id, sale_id in await store.select_sales(transaction, pool_id):
        transaction.touch(room_id, sale_id)
    return pool_id, done


async def find_same(transaction: Transaction, wish: Adjustment) -> Adjusted | None:
    """Return what this key has done already; raises `idempotency_conflict`."""
    known = await store.find_adjustment(transaction, wish.id)
    if known is None:
        return None
    check_same(known[0], wish)
    return known[1]


async def change_pool(
    transaction: Transaction, pool_id: str, wish: Adjustment, *, journal_reason: str
) -> Adjusted:
    """Change a locked pool and keep who did it; raises `below_claimed`.

    Holds whose time is over cover nothing: they are freed first.
    """
    if wish.delta < 0:
        await expire_pool(transaction, pool_id)
    before = await store.select_pool(transaction, pool_id)
    check_total(before, wish.delta)
    served = await update_total(
        transaction, pool_id=pool_id, delta=wish.delta, reason=journal_reason
    )
    await store.insert_adjustment(transaction, wish, before, served)
    return await store.select_done(transaction, pool_id, wish.delta, served)
