"""What a flash sale's price is compared with: the lowest of 30 days in the shop's own log.

Invariant: a sale that shows no reference price gets none later.
"""

from __future__ import annotations

from commerce.kernel.ports import Transaction
from commerce.sales.flash_sales import store
from commerce.sales.pricing.store import select_lowest_of_30_days


async def compare(transaction: Transaction, sale_id: str, sku: str, opens_at_ms: int) -> None:
    """Keep the lowest price before a sale opens, or none when nothing is known."""
    lowest = await select_lowest_of_30_days(transaction, sku, opens_at_ms)
    await store.update_reference(transaction, sale_id, lowest)


async def compare_at_opening(
    transaction: Transaction, sale_id: str, sku: str, opens_at_ms: int
) -> None:
    """Compare for good a sale that shows it: others may have been cheaper since it was armed."""
    if await store.is_compared(transaction, sale_id):
        await compare(transaction, sale_id, sku, opens_at_ms)


async def compare_again(transaction: Transaction, sku: str) -> None:
    """Compare a SKU's sales to come that show it: the log has changed; their pools are locked."""
    for sale_id, _, opens_at_ms in await store.select_compared(transaction, sku):
        await compare(transaction, sale_id, sku, opens_at_ms)
