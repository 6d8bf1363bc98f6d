"""Let a price fall, or note that it did not: once, under the pool's lock, told to the room."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from commerce.goods.inventory.store import lock_pools
from commerce.goods.inventory.taking_back import take_back_holds
from commerce.kernel.ports import Database, Transaction
from commerce.records.clock.store import select_now_ms
from commerce.records.rounds.service import Rounds
from commerce.sales.unlocks import store
from commerce.sales.unlocks.model import Unlock
from commerce.sales.unlocks.rules import is_over

# One round of the job is bounded, so that the worker's other jobs get their turn.
DECIDED_A_ROUND_MAX = 100
# Every hold of a sale: its pool is its own, so nobody else waits for it.
HOLDS_MAX = 2**31 - 1


async def lock(transaction: Transaction, sale_id: str) -> tuple[Unlock, int]:
    """Lock the pool of a sale, then its threshold; return it and the clock after that."""
    await lock_pools(transaction, [await store.select_pool(transaction, sale_id)])
    return await store.lock_unlock(transaction, sale_id), await select_now_ms(transaction)


async def let_fall(
    transaction: Transaction, unlock: Unlock, promised: int, holds: Sequence[str]
) -> None:
    """Let the price of a locked threshold fall for everybody; `holds` of the sale are locked."""
    await store.decide(
        transaction, unlock.sale_id, "unlocked", promised, otherwise=unlock.otherwise
    )
    await store.reprice(transaction, unlock, holds)
    payload = {
        "sale": unlock.sale_id,
        "price_minor": unlock.price_minor,
        "promised": promised,
        "units": unlock.units,
    }
    transaction.announce(unlock.room_id, "flash.unlocked", payload)
    transaction.touch(unlock.room_id, unlock.sale_id)


async def call_off(transaction: Transaction, sale_id: str) -> None:
    """Let whoever promised go without paying, when a sale is about to be called off in its time.

    Its pool is locked. A threshold that is decided, or over by the clock, stays as it is.
    """
    if not await store.select_open_units(transaction, sale_id):
        return
    unlock, now_ms = await lock(transaction, sale_id)
    if unlock.state == "open" and not is_over(unlock, now_ms):
        await _miss(transaction, msgspec.structs.replace(unlock, otherwise="release"))


async def note_missed(database: Database, rounds: Rounds | None = None) -> int:
    """Job: decide thresholds whose time is over; return how many were missed.

    Safe to run twice at once: whoever comes second finds it decided.
    """

    async def note(sale_id: str) -> int:
        async with database.transaction() as transaction:
            unlock, now_ms = await lock(transaction, sale_id)
            if unlock.state != "open" or not is_over(unlock, now_ms):
                return 0
            await _miss(transaction, unlock)
        return 1

    rounds = rounds or Rounds()
    return await rounds.run(database, store.select_to_decide, note, limit=DECIDED_A_ROUND_MAX)


async def _miss(transaction: Transaction, unlock: Unlock) -> None:
    """Note that the price of a locked threshold did not fall, and tell the room what follows.

    Where nobody is to be charged a hold has nothing left to be ordered at, and ends as well.
    """
    await store.decide(
        transaction, unlock.sale_id, "missed", unlock.promised, otherwise=unlock.otherwise
    )
    payload = {
        "sale": unlock.sale_id,
        "promised": unlock.promised,
        "units": unlock.units,
        "otherwise": unlock.otherwise,
    }
    transaction.announce(unlock.room_id, "flash.not_unlocked", payload)
    if unlock.otherwise == "release":
        await take_back_holds(
            transaction,
            room_id=unlock.room_id,
            pool_id=unlock.pool_id,
            sale_id=unlock.sale_id,
            reason="not_unlocked",
            limit=HOLDS_MAX,
        )
    transaction.touch(unlock.room_id, unlock.sale_id)
