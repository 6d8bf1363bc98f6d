"""How an order ends: paid, cancelled, or expired; each decided once, under the order's lock.

Invariant: locks are taken in one order: payment, order, stock (ascending), reservations
(ascending), coupon, claim; paying touches no stock row at all, unless the money comes after the
hold has ended.
"""

from __future__ import annotations

import logging
from typing import Any

from commerce.goods.inventory import store as inventory
from commerce.goods.waiting_list import store as waiting_list
from commerce.kernel.errors import not_found
from commerce.kernel.ports import Database, Ids, SystemLine, Transaction
from commerce.orders.checkout import charge_store, late_store, store
from commerce.orders.checkout.cards import find_card_refusal
from commerce.orders.checkout.late import reserve_again
from commerce.orders.checkout.model import ORDER, OrderRow
from commerce.orders.checkout.rules import (
    decide_settlement,
    is_charge_right,
    is_late,
    mask_name,
)
from commerce.orders.payments import store as payments
from commerce.orders.payments.model import Settled, Settlement, TooLate
from commerce.orders.payments.ports import PayingOrder
from commerce.records.clock.store import select_now_ms
from commerce.sales.coupons import ledger

log = logging.getLogger(__name__)

# Why money is let go that an order would not cost any more: somebody changed its rows.
TOTAL_MISMATCH = "total_mismatch"
# One round of the job is bounded, so that the worker's other jobs get their turn.
EXPIRED_A_ROUND_MAX = 100
# A cart of many lines must not fill the chat.
CHAT_LINES_MAX = 3


class OrderSettlement:
    """The orders as payments see them, and the job that ends those without goods."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids

    async def lock(self, transaction: Transaction, order_id: str) -> PayingOrder:
        """Lock the order's row."""
        order = await store.lock_order(transaction, order_id)
        if order is None:
            raise not_found("order")
        return PayingOrder(order.id, order.user_id, order.room_id, order.state)

    async def settle(
        self, transaction: Transaction, order_id: str, card: str | None = None
    ) -> Settlement:
        """Make the locked order paid when all its reservations are still paying and in time.

        A card that may not pay for so many ends the order, and its units are free at once; so does
        a total that is not the order's quote.

        The reservations' rows decide the race with expiry: whoever has them first. Money that
        lost it takes the units again when they are free, also for an order that has expired.
        """
        order = await store.lock_order(transaction, order_id)
        if order is None:
            raise not_found("order")
        refusal = await find_card_refusal(transaction, order_id, card)
        if refusal is None and not await self._is_charge_right(transaction, order):
            refusal = TOTAL_MISMATCH
        if refusal is not None and order.state != "paid":
            if ORDER.allows(order.state, "cancel"):
                await end_order(transaction, order, event="cancel", hold_state="released")
            return TooLate(refusal)
        await late_store.save_holds(transaction)
        holds = await store.lock_holds_of_order(transaction, order_id)
        now_ms = await select_now_ms(transaction)
        settlement = decide_settlement(order.state, holds, now_ms)
        if isinstance(settlement, Settled):
            await store.move_to_sold(transaction, [hold.id for hold in holds])
            await ledger.use_claim(transaction, order.id)
        elif is_late(settlement):
            await late_store.let_holds_go(transaction)
            if await reserve_again(transaction, order):
                settlement = Settled()
                if not await ledger.use_late(transaction, order.id):
                    # The buyer has used it elsewhere since: at this total nothing can be sold.
                    await late_store.let_holds_go(transaction)
                    settlement = TooLate("coupon_gone")
        if isinstance(settlement, Settled):
            await waiting_list.mark_bought(transaction, [hold.id for hold in holds])
            await store.update_state(transaction, order.id, ORDER.next(order.state, "pay"))
            transaction.tell(order.room_id, order.user_id, "order.paid", news(order, "paid"))
            await self._say_paid(transaction, order, now_ms)
        return settlement

    async def _is_charge_right(self, transaction: Transaction, order: OrderRow) -> bool:
        """Quote an unpaid order once more: what is about to be taken is what was shown."""
        if not ORDER.allows(order.state, "pay"):
            return True
        charge = await charge_store.select_charge(transaction, order.id)
        if is_charge_right(charge, order.total_minor):
            return True
        log.error("order %s is not charged as it was quoted; its money is let go", order.id)
        return False

    async def expire_orders(self) -> int:
        """Job: end waiting orders that have lost a reservation; return how many ended."""
        async with self._database.reading() as connection:
            dead = await store.select_dead(connection, EXPIRED_A_ROUND_MAX)
        return sum([await self.expire_if_dead(order_id) for order_id in dead])

    async def expire_if_dead(self, order_id: str) -> bool:
        """End an order that has lost a reservation: free its other lines, void its payment."""
        async with self._database.transaction() as transaction:
            await payments.lock_payments_of_order(transaction, order_id)
            order = await store.lock_order(transaction, order_id)
            if order is None or not ORDER.allows(order.state, "expire"):
                return False
            if not await store.select_is_dead(transaction, order_id):
                return False
            await end_order(transaction, order, event="expire", hold_state="expired")
        return True

    async def _say_paid(self, transaction: Transaction, order: OrderRow, now_ms: int) -> None:
        """Show real paid lines in the room's chat, the buyer's name masked."""
        lines = await store.select_paid_lines(transaction, order.id)
        name = mask_name(await store.select_buyer_name(transaction, order.id))
        for line in lines[:CHAT_LINES_MAX]:
            transaction.say(
                order.room_id,
                SystemLine(self._ids.new(), name, f"{line.no} {line.title}", "order", now_ms),
            )
        for sale_id in {line.sale_id for line in lines}:
            transaction.touch(order.room_id, sale_id)


async def end_order(
    transaction: Transaction, order: OrderRow, *, event: str, hold_state: str
) -> None:
    """End a locked order without money: its units are free at once, its payments are voided.

    Its coupon goes back to the buyer.
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
            from_states=["paying"],
            to_state=hold_state,
        )
    await ledger.return_claim(transaction, order.id)
    state = ORDER.next(order.state, event)
    await store.update_state(transaction, order.id, state)
    await payments.insert_voids_of_order(transaction, order.id)
    for sale_id in {sale for _, _, sale in lines}:
        transaction.touch(order.room_id, sale_id)
    transaction.tell(order.room_id, order.user_id, f"order.{state}", news(order, state))


def news(order: OrderRow, state: str) -> dict[str, Any]:
    """Return what a buyer is told of an order."""
    return {
        "order": {
            "id": order.id,
            "state": state,
            "total_minor": order.total_minor,
            "currency": order.currency,
        }
    }
