"""How an order ends: paid, cancelled, or expired; each decided once, under the order's lock.

Invariant: locks are taken in one order: payment, order, stock (ascending), reservations
(ascending), coupon, claim; paying touches no stock row at all, unless the money comes after the
hold has ended.
"""

from __future__ import annotations

import logging
from typing import Literal

from commerce.kernel.errors import not_found
from commerce.kernel.ports import Database, Ids, Transaction
from commerce.orders.checkout import late_store, seat_store, store, unlock_store
from commerce.orders.checkout.cards import find_card_refusal
from commerce.orders.checkout.charging import TOTAL_MISMATCH, is_charge_still_right
from commerce.orders.checkout.ending import end_order
from commerce.orders.checkout.late import reserve_again
from commerce.orders.checkout.model import ORDER, OrderRow
from commerce.orders.checkout.paid import mark_paid
from commerce.orders.checkout.rules import decide_settlement, is_late
from commerce.orders.checkout.seats import lose_money, pay_formed, settle_seat
from commerce.orders.checkout.unlocks import lose_promise, pay_decided, settle_promise
from commerce.orders.payments import store as payments
from commerce.orders.payments.model import Settled, Settlement, TooLate
from commerce.orders.payments.ports import PayingOrder
from commerce.records.clock.store import select_now_ms
from commerce.records.rounds.service import Rounds
from commerce.sales.coupons import ledger

log = logging.getLogger(__name__)

# Orders that stand on money: other money that comes for them is let go, and ends nothing.
HAS_MONEY = ("awaiting_group", "paid")
# One round of the job is bounded, so that the worker's other jobs get their turn.
EXPIRED_A_ROUND_MAX = 100


class OrderSettlement:
    """The orders as payments see them, and the job that ends those without goods."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids
        self._forming = Rounds("pay formed teams")
        self._deciding = Rounds("pay decided thresholds")
        self._expiring = Rounds("expire orders")

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
        lost it takes the units again when they are free, also for an order that has expired. Money
        for a seat in a team is kept until the team has formed, money for units of a threshold until
        that is decided.
        """
        order = await store.lock_order(transaction, order_id)
        if order is None:
            raise not_found("order")
        refusal = await find_card_refusal(transaction, order_id, card)
        if refusal is None and not await is_charge_still_right(transaction, order):
            refusal = TOTAL_MISMATCH
        if refusal is not None and order.state not in HAS_MONEY:
            if ORDER.allows(order.state, "cancel"):
                await end_order(transaction, order, event="cancel", hold_state="released")
            return TooLate(refusal)
        seat = await seat_store.select_seat(transaction, order_id)
        if seat is not None:
            return await settle_seat(transaction, self._ids, order, seat)
        terms = await unlock_store.select_terms(transaction, order_id)
        if terms is not None:
            return await settle_promise(transaction, self._ids, order, terms)
        await late_store.save_holds(transaction)
        holds = await store.lock_holds_of_order(transaction, order_id)
        now_ms = await select_now_ms(transaction)
        settlement = decide_settlement(order.state, holds, now_ms)
        if isinstance(settlement, Settled):
            await store.move_to_sold(transaction, [hold.id for hold in holds])
        elif is_late(settlement):
            settlement = await _settle_late(transaction, order, settlement)
        if isinstance(settlement, Settled):
            held = [hold.id for hold in holds]
            await mark_paid(transaction, self._ids, order, held, now_ms)
        return settlement

    async def lose_money(
        self, transaction: Transaction, order_id: str
    ) -> Literal["reopened", "ended"] | None:
        """Say what becomes of a locked order whose granted money waits, and is gone."""
        what = await lose_money(transaction, order_id)
        return what or await lose_promise(transaction, order_id)

    async def give_up(self, transaction: Transaction, order_id: str) -> bool:
        """End a locked order that is paid, for its money cannot be taken; False for any other."""
        order = await store.lock_order(transaction, order_id)
        if order is None or not ORDER.allows(order.state, "lose_seat"):
            return False
        await end_order(transaction, order, event="lose_seat", hold_state="expired")
        return True

    async def pay_formed(self) -> int:
        """Job: take the money of formed teams' members; return how many were paid."""
        return await pay_formed(self._database, self._ids, self._forming)

    async def pay_decided(self) -> int:
        """Job: take or let go the money of decided thresholds; return how many orders ended."""
        return await pay_decided(self._database, self._ids, self._deciding)

    async def expire_orders(self) -> int:
        """Job: end waiting orders that have lost a reservation; return how many ended."""
        return await self._expiring.run(
            self._database, store.select_dead, self.expire_if_dead, limit=EXPIRED_A_ROUND_MAX
        )

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


async def _settle_late(
    transaction: Transaction, order: OrderRow, too_late: Settlement
) -> Settlement:
    """Take a locked order's units again, and its coupon; return `too_late` if they are gone."""
    await late_store.let_holds_go(transaction)
    if not await reserve_again(transaction, order):
        return too_late
    if await ledger.use_late(transaction, order.id):
        return Settled()
    # Used elsewhere since, or stopped by its host: at this total nothing can be sold.
    await late_store.let_holds_go(transaction)
    return TooLate("coupon_gone")
