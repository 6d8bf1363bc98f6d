"""Give a running flash sale more units, or take free ones back.

Invariant: units move between the SKU's pool and the sale's in one transaction, and are in exactly
one of them; those who wait where they arrive have them first. A threshold can be reached until its
time is over: as many units as it asks for stay.
"""

from __future__ import annotations

from commerce.goods.adjustments.model import Adjusted, Adjustment
from commerce.goods.adjustments.rules import check_adjustment
from commerce.goods.adjustments.service import change_pool, find_same
from commerce.goods.inventory.store import lock_pools, select_sku_pool, update_total
from commerce.goods.inventory.sweeper import free_units
from commerce.kernel.errors import CommerceError, invalid, not_found
from commerce.kernel.ports import Transaction
from commerce.sales.flash_sales import store
from commerce.sales.flash_sales.model import FlashSale
from commerce.sales.flash_sales.rules import LIMITS
from commerce.sales.unlocks.store import select_open_units


async def change_quantity(
    transaction: Transaction, sale: FlashSale, wish: Adjustment
) -> tuple[list[str], Adjusted]:
    """Carve `wish.delta` units more into a flash sale, or give free ones back when negative.

    Returns the pools that changed, and what was done. Raises `invalid_request`, `not_found`,
    `ended`, `not_enough_stock`, `below_claimed` or `idempotency_conflict`.
    """
    check_adjustment(wish, needs_reason=False)
    if sale.kind != "flash":
        raise not_found("flash sale")
    source = await select_sku_pool(transaction, sale.sku)
    await lock_pools(transaction, [source, sale.pool_id])
    pools = [source, sale.pool_id]
    known = await find_same(transaction, wish)
    if known is not None:
        return pools, known
    sale = await store.select_sale(transaction, sale.id)
    units = await select_open_units(transaction, sale.id)
    free = await free_units(transaction, source)
    _check(sale, wish.delta, free, lowest=max(units, LIMITS["quantity"][0]))
    if wish.delta > 0:
        await update_total(transaction, pool_id=source, delta=-wish.delta, reason="carved_out")
        done = await change_pool(transaction, sale.pool_id, wish, journal_reason="carved_in")
    else:
        done = await change_pool(transaction, sale.pool_id, wish, journal_reason="gave_back")
        await update_total(transaction, pool_id=source, delta=-wish.delta, reason="got_back")
    await store.update_quantity(transaction, sale.id, wish.delta)
    transaction.touch(sale.room_id, sale.id)
    regular = await store.select_regular_of_sku(transaction, sale.show_id, sale.sku)
    if regular is not None:
        transaction.touch(sale.room_id, regular)
    return pools, done


def _check(sale: FlashSale, delta: int, source_free: int, *, lowest: int) -> None:
    if sale.state in ("ended", "cancelled"):
        raise CommerceError("ended", "The sale has ended.")
    _, highest = LIMITS["quantity"]
    if not lowest <= (sale.quantity or 0) + delta <= highest:
        raise invalid(f"A flash sale has {lowest} to {highest} units.", field="quantity")
    if delta > source_free:
        raise CommerceError(
            "not_enough_stock",
            f"Only {source_free} units are free.",
            detail={"available": source_free},
        )
