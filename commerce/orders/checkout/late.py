"""Take the units of an order again whose money came after its hold had ended.

Invariant: locks are stock (ascending), then reservations (ascending), so the caller holds no
reservation yet. The waiting list has what an ended hold frees before this asks what is left.
"""

from __future__ import annotations

from collections import defaultdict

from commerce.goods.inventory.store import lock_pools
from commerce.goods.inventory.sweeper import expire_pool
from commerce.kernel.ports import Transaction
from commerce.orders.checkout import late_store, store
from commerce.orders.checkout.model import LateLine, OrderRow
from commerce.orders.checkout.rules import decide_late
from commerce.records.clock.store import select_now_ms


async def reserve_again(transaction: Transaction, order: OrderRow) -> bool:
    """Make every reservation of a locked order sold, or none; say whether that was possible.

    Those that had ended are `refused_late` when it was not. `let_holds_go` afterwards undoes what
    was made of the order's own reservations; the pools stay locked.
    """
    rows = await store.select_pools_of_order(transaction, order.id)
    pools = sorted({pool for _, pool, _ in rows})
    await lock_pools(transaction, pools)
    for pool_id in pools:
        await expire_pool(transaction, pool_id)
    # Whoever's hold has ended is told so with this transaction's COMMIT: it stays ended, whatever
    # the caller undoes of what follows.
    await late_store.save_holds(transaction)
    lines = await late_store.lock_late_lines(transaction, order.id)
    free = await late_store.select_free(transaction, pools)
    now_ms = await select_now_ms(transaction)
    if not decide_late(lines, free, now_ms):
        await late_store.refuse_late(transaction, [line.id for line in lines])
        return False
    ended: dict[str, list[LateLine]] = defaultdict(list)
    for line in lines:
        if line.state == "expired":
            ended[line.pool_id].append(line)
    for pool_id in sorted(ended):
        await late_store.reserve_late(transaction, pool_id, [line.id for line in ended[pool_id]])
    await store.move_to_sold(transaction, [line.id for line in lines])
    return True
