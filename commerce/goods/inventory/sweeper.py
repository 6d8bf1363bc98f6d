"""End the holds whose time is over; safe to run twice at once, and never needed for truth.

A hold is dead at read time even when no sweeper ran: every batch frees due holds first.
"""

from __future__ import annotations

from commerce.goods.inventory import store
from commerce.goods.inventory.views import view_ended
from commerce.kernel.ports import Database, Transaction
from commerce.records.rounds.service import Rounds

# Pools freed in one round; the rest comes with the next round a moment later.
POOLS_A_ROUND_MAX = 100


async def sweep(database: Database, rounds: Rounds | None = None) -> int:
    """Job: free every due hold, tell its buyer, and return how many there were."""

    async def free(pool_id: str) -> int:
        async with database.transaction() as transaction:
            return await expire_pool(transaction, pool_id)

    rounds = rounds or Rounds()
    return await rounds.run(database, store.select_due_pools, free, limit=POOLS_A_ROUND_MAX)


async def expire_pool(transaction: Transaction, pool_id: str) -> int:
    """Free the due holds of a pool, tell their buyers, and return how many there were."""
    ended = await store.expire_due(transaction, pool_id)
    for hold, room_id in ended:
        transaction.touch(room_id, hold.sale_id)
        transaction.tell(room_id, hold.user_id, "reservation.expired", view_ended(hold))
    return len(ended)


async def free_units(transaction: Transaction, pool_id: str) -> int:
    """Lock a pool and return what of it nobody holds: a hold whose time is over keeps nothing."""
    await store.lock_pools(transaction, [pool_id])
    await expire_pool(transaction, pool_id)
    return (await store.lock_pools(transaction, [pool_id]))[pool_id]
