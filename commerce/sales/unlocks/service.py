"""Let a price fall, or note that it did not: once, under the pool's lock, told to the room."""

from __future__ import annotations

from collections.abc import Sequence

from commerce.goods.inventory.store import lock_pools
from commerce.kernel.ports import Database, Transaction
from commerce.records.clock.store import select_now_ms
from commerce.sales.unlocks import store
from commerce.sales.unlocks.model import Unlock
from commerce.sales.unlocks.rules import is_over


async def lock(transaction: Transaction, sale_id: str) -> tuple[Unlock, int]:
    """Lock the pool of a sale, then its threshold; return it and the clock after that."""
    await lock_pools(transaction, [await store.select_pool(transaction, sale_id)])
    return await store.lock_unlock(transaction, sale_id), await select_now_ms(transaction)


async def let_fall(
    transaction: Transaction, unlock: Unlock, promised: int, holds: Sequence[str]
) -> None:
    """Let the price of a locked threshold fall for everybody; `holds` of the sale are locked."""
    await store.decide(transaction, unlock.sale_id, "unlocked", promised)
    await store.reprice(transaction, unlock, holds)
    payload = {
        "sale": unlock.sale_id,
        "price_minor": unlock.price_minor,
        "promised": promised,
        "units": unlock.units,
    }
    transaction.announce(unlock.room_id, "flash.unlocked", payload)
    transaction.touch(unlock.room_id, unlock.sale_id)


async def note_missed(database: Database) -> int:
    """Job: decide thresholds whose time is over; return how many were missed.

    Safe to run twice at once: whoever comes second finds it decided.
    """
    async with database.reading() as connection:
        sales = await store.select_to_decide(connection)
    count = 0
    for sale_id in sales:
        async with database.transaction() as transaction:
            unlock, now_ms = await lock(transaction, sale_id)
            if unlock.state != "open" or not is_over(unlock, now_ms):
                continue
            await store.decide(transaction, sale_id, "missed", unlock.promised)
            payload = {
                "sale": sale_id,
                "promised": unlock.promised,
                "units": unlock.units,
                "otherwise": unlock.otherwise,
            }
            transaction.announce(unlock.room_id, "flash.not_unlocked", payload)
            transaction.touch(unlock.room_id, sale_id)
            count += 1
    return count
