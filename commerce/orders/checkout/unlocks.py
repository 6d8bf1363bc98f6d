"""Orders whose price may fall: money is granted at the plain price, and taken once that is decided.

Invariants: whoever looks at a threshold here holds its pool's lock, after those of payment and
order and before those of its row and the reservations; nobody is charged more than the price that
holds; a price that has fallen stays so, whoever leaves.
"""

from __future__ import annotations

from typing import Literal

from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Database, Ids, Transaction
from commerce.orders.checkout import store, unlock_store
from commerce.orders.checkout.charging import TOTAL_MISMATCH, is_charge_still_right
from commerce.orders.checkout.ending import end_order
from commerce.orders.checkout.model import ORDER, OrderRow, OrderUnlock
from commerce.orders.checkout.paid import mark_paid, news
from commerce.orders.checkout.rules import decide_promise
from commerce.orders.checkout.seats import give_up
from commerce.orders.payments import store as payments
from commerce.orders.payments.model import Seated, Settled, Settlement, TooLate
from commerce.orders.payments.rules import standing
from commerce.records.clock.store import select_now_ms
from commerce.records.rounds.service import Rounds
from commerce.sales.unlocks import service as thresholds
from commerce.sales.unlocks.model import Unlock
from commerce.sales.unlocks.rules import decide_outcome, falls_with

# One round of the job is bounded, so that the worker's other jobs get their turn.
PAID_A_ROUND_MAX = 200
# Money was taken at the plain price before anything was decided: it cannot be taken in part.
CAPTURED_EARLY = "captured_early"
NOT_UNLOCKED = "not_unlocked"
CAPTURE_FAILED = "capture_failed"


async def settle_promise(
    transaction: Transaction, ids: Ids, order: OrderRow, terms: OrderUnlock
) -> Settlement:
    """Count units whose money is granted; whoever makes them enough is paid at the lower price.

    The others' orders follow by `pay_decided`: their locks come before the pool's.
    """
    unlock, now_ms = await thresholds.lock(transaction, terms.sale_id)
    falls = falls_with(unlock, terms.qty, now_ms)
    others = await unlock_store.lock_holds(transaction, terms, with_others=falls)
    [hold] = await store.lock_holds_of_order(transaction, order.id)
    outcome = decide_outcome(unlock, now_ms)
    refused = decide_promise(order.state, hold, outcome, unlock.otherwise, now_ms)
    if refused is not None:
        return refused
    if outcome != "missed" and await unlock_store.is_taken(transaction, order.id):
        # No other page waits, and none is opened: this provider would take it whole again.
        return await _refuse(transaction, order, CAPTURED_EARLY)
    transaction.touch(order.room_id, terms.sale_id)
    if outcome == "open":
        await unlock_store.promise(transaction, hold.id)
        state = ORDER.next(order.state, "seat")
        await store.update_state(transaction, order.id, state)
        if not falls:
            transaction.tell(order.room_id, order.user_id, f"order.{state}", news(order, state))
            return Seated()
        await thresholds.let_fall(transaction, unlock, unlock.promised + terms.qty, others)
        outcome = "unlocked"
    if await _sell(transaction, ids, order, terms, is_unlocked=outcome == "unlocked"):
        return Settled()
    now = await store.lock_order(transaction, order.id)
    assert now is not None, "it was locked by the caller"
    return await _refuse(transaction, now, TOTAL_MISMATCH)


async def check_may_withdraw(transaction: Transaction, order: OrderRow) -> None:
    """Raise `wrong_state` for a locked order whose price is decided: it is bought."""
    terms = await unlock_store.select_terms(transaction, order.id)
    if terms is None or order.state != "awaiting_group":
        return
    unlock, now_ms = await thresholds.lock(transaction, terms.sale_id)
    if _is_bought(unlock, now_ms):
        raise CommerceError(
            "wrong_state", "The price is decided; the order is bought.", detail={"state": "paid"}
        )


async def lose_promise(transaction: Transaction, order_id: str) -> Literal["ended"] | None:
    """End a locked order whose granted money is gone; None for an order without a threshold.

    Its units are free again and count no more; a price that has fallen with them stays.
    """
    terms = await unlock_store.select_terms(transaction, order_id)
    order = await store.lock_order(transaction, order_id)
    if terms is None or order is None or order.state not in ("awaiting_group", "paid"):
        return None
    event = "lose_seat" if order.state == "paid" else "expire"
    await end_order(transaction, order, event=event, hold_state="expired", reason=CAPTURE_FAILED)
    return "ended"


async def pay_decided(database: Database, ids: Ids, rounds: Rounds) -> int:
    """Job: take the money of decided thresholds, or let it go; return how many orders ended so.

    Safe to run twice at once, and to be killed: whoever comes second finds the order paid.
    """

    async def pay(order_id: str) -> int:
        return await _pay(database, ids, order_id)

    return await rounds.run(database, unlock_store.select_decided, pay, limit=PAID_A_ROUND_MAX)


async def _pay(database: Database, ids: Ids, order_id: str) -> bool:
    async with database.transaction() as transaction:
        granted = standing(await payments.lock_payments_of_order(transaction, order_id))
        order = await store.lock_order(transaction, order_id)
        terms = await unlock_store.select_terms(transaction, order_id)
        if order is None or terms is None or order.state != "awaiting_group":
            return False
        unlock, _ = await thresholds.lock(transaction, terms.sale_id)
        is_unlocked = unlock.state == "unlocked"
        if not is_unlocked and unlock.otherwise == "release":
            await give_up(transaction, order, granted, NOT_UNLOCKED, is_over=True)
            return True
        is_taken = any(payment.state == "captured" for payment in granted)
        if is_taken and is_unlocked:
            await give_up(transaction, order, granted, CAPTURED_EARLY)
            return True
        await unlock_store.lock_holds(transaction, terms, with_others=False)
        if not await _sell(transaction, ids, order, terms, is_unlocked=is_unlocked):
            await give_up(transaction, order, granted, TOTAL_MISMATCH)
            return True
        for payment in granted:
            if payment.state == "authorised":
                await payments.insert_call(
                    transaction,
                    call_id=ids.new(),
                    payment_id=payment.id,
                    kind="capture",
                    delay_ms=0,
                )
    return True


async def _sell(
    transaction: Transaction, ids: Ids, order: OrderRow, terms: OrderUnlock, *, is_unlocked: bool
) -> bool:
    """Make a locked order paid at the price that holds; its reservation is locked too.

    False when it does not cost what its quote says: then nothing is sold.
    """
    if is_unlocked:
        await unlock_store.reprice(transaction, order.id)
    priced = await store.lock_order(transaction, order.id)
    assert priced is not None, "it was locked by the caller"
    if not await is_charge_still_right(transaction, priced):
        return False
    now_ms = await select_now_ms(transaction)
    await store.move_to_sold(transaction, [terms.reservation_id])
    await mark_paid(transaction, ids, priced, [terms.reservation_id], now_ms)
    return True


async def _refuse(transaction: Transaction, order: OrderRow, reason: str) -> TooLate:
    """End a locked order that its money cannot buy; that goes back."""
    await end_order(transaction, order, event="cancel", hold_state="released", reason=reason)
    return TooLate(reason)


def _is_bought(unlock: Unlock, now_ms: int) -> bool:
    """Say whether those who promised have bought, whatever they want by now."""
    outcome = decide_outcome(unlock, now_ms)
    return outcome == "unlocked" or (outcome == "missed" and unlock.otherwise == "charge")
