"""End an order without money: its units are free at once, what was granted for it is let go."""

from __future__ import annotations

from commerce.goods.inventory import store as inventory
from commerce.kernel.ports import Transaction
from commerce.orders.checkout import seat_store, store
from commerce.orders.checkout.model import ORDER, OrderRow
from commerce.orders.checkout.paid import news
from commerce.orders.payments import store as payments
from commerce.sales.coupons import ledger

# Only goods whose money could not be taken are given up after they were sold.
FREED_BY_EVENT = {"lose_seat": ["paying", "sold"]}


async def end_order(
    transaction: Transaction,
    order: OrderRow,
    *,
    event: str,
    hold_state: str,
    reason: str = "group_failed",
) -> None:
    """End a locked order without money: its units are free at once, its payments are voided.

    Its coupon goes back to the buyer, with its time when a team has failed. `reason` is that of a
    refund, for what was taken at once.
    The caller holds the locks of the order's payments and of the order.
    """
    lines = await store.select_pools_of_order(transaction, order.id)
    pools = sorted({pool for _, pool, _ in lines})
    await inventory.lock_pools(transaction, pools)
    # Waiting here for whoever looks at a reservation keeps `free_reservations` from skipping it.
    await store.lock_holds_of_order(transaction, order.id)
    for pool_id in pools:
        await inventory.free_reservations(
            transaction,
            pool_id=pool_id,
            reservation_ids=[id for id, pool, _ in lines if pool == pool_id],
            from_states=FREED_BY_EVENT.get(event, ["paying"]),
            to_state=hold_state,
        )
    if order.state == "awaiting_group" and event == "expire":
        await ledger.give_time_back(transaction, order.id)
    await ledger.return_claim(transaction, order.id)
    state = ORDER.next(order.state, event)
    await store.update_state(transaction, order.id, state)
    await payments.insert_voids_of_order(transaction, order.id)
    if order.state == "awaiting_group":
        # A provider that took the money at once has to give it back.
        await seat_store.insert_late_refunds(transaction, order.id, reason)
    for sale_id in {sale for _, _, sale in lines}:
        transaction.touch(order.room_id, sale_id)
    transaction.tell(order.room_id, order.user_id, f"order.{state}", news(order, state))
