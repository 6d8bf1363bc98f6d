"""Orders for seats in teams: money is granted as one joins, and taken when the team has formed.

Invariant: whoever looks at a team here holds its pool's lock, after those of payment and order and
before those of the team and the reservation; a team that has formed stays so, whatever becomes of
a member's money.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from commerce.goods.inventory.store import lock_pools
from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Database, Ids, Transaction
from commerce.orders.checkout import seat_store, store
from commerce.orders.checkout.charging import TOTAL_MISMATCH, is_charge_still_right
from commerce.orders.checkout.ending import end_order
from commerce.orders.checkout.model import ORDER, HoldState, OrderRow, Seat
from commerce.orders.checkout.paid import mark_paid, news
from commerce.orders.checkout.rules import PAYING_MS, decide_seat
from commerce.orders.payments import store as payments
from commerce.orders.payments.model import Payment, Seated, Settled, Settlement
from commerce.orders.payments.rules import standing
from commerce.records.clock.store import select_now_ms
from commerce.records.rounds.service import Rounds
from commerce.sales.coupons import ledger
from commerce.sales.group_buys import store as groups
from commerce.sales.group_buys.campaigns import tell_formed
from commerce.sales.group_buys.model import Team

# One round of the job is bounded, so that the worker's other jobs get their turn.
PAID_A_ROUND_MAX = 200
# Behind the countdown of the one chance to pay another way.
RETRY_GRACE_MS = 60_000


async def settle_seat(
    transaction: Transaction, ids: Ids, order: OrderRow, seat: Seat
) -> Settlement:
    """Keep a seat whose money is granted; the one who fills the team is paid at once.

    The others' orders follow by `pay_formed`: their locks come before the pool's.
    """
    team, [hold], now_ms = await _lock(transaction, order.id, seat)
    refused = decide_seat(order.state, hold, team, now_ms)
    if refused is not None:
        return refused
    await groups.seat_member(transaction, group_id=team.id, reservation_id=hold.id)
    now = await groups.select_team(transaction, team.id)
    state = ORDER.next(order.state, "seat")
    await store.update_state(transaction, order.id, state)
    if team.state == "forming" and now.state == "formed":
        await tell_formed(transaction, ids, now, now_ms)
    transaction.touch(order.room_id, seat.sale_id)
    if now.state != "formed":
        transaction.tell(order.room_id, order.user_id, f"order.{state}", news(order, state))
        return Seated()
    seated = await store.lock_order(transaction, order.id)
    assert seated is not None, "it was locked by the caller"
    await store.move_to_sold(transaction, [hold.id])
    await mark_paid(transaction, ids, seated, [hold.id], now_ms)
    return Settled()


async def check_may_leave(transaction: Transaction, order: OrderRow) -> None:
    """Raise `wrong_state` for a locked order whose team has formed: it is bought."""
    seat = await seat_store.select_seat(transaction, order.id)
    if seat is None or order.state != "awaiting_group":
        return
    team, _, _ = await _lock(transaction, order.id, seat)
    if team.state == "formed":
        raise CommerceError(
            "wrong_state", "The team is complete; the order is bought.", detail={"state": "paid"}
        )


async def lose_money(
    transaction: Transaction, order_id: str
) -> Literal["reopened", "ended"] | None:
    """Say what becomes of a locked order of a team's seat whose granted money is gone.

    While the team forms, the seat is free again. In a formed team it is kept once more for as long
    as checkout takes, for money of another card; then it is given up.
    """
    seat = await seat_store.select_seat(transaction, order_id)
    order = await store.lock_order(transaction, order_id)
    if seat is None or order is None or order.state not in ("awaiting_group", "paid"):
        return None
    team, holds, _ = await _lock(transaction, order_id, seat)
    if team.state == "formed" and not await seat_store.has_lost_money(transaction, order_id):
        await ledger.unuse_claim(transaction, order_id)
        state = ORDER.next(order.state, "lose_money")
        await store.update_state(transaction, order_id, state)
        await seat_store.hold_again(
            transaction,
            order_id,
            [hold.id for hold in holds],
            shown_ms=PAYING_MS,
            kept_ms=PAYING_MS + RETRY_GRACE_MS,
        )
        told = {**news(order, state), "expires_in_ms": PAYING_MS}
        transaction.tell(order.room_id, order.user_id, "order.capture_failed", told)
        transaction.touch(order.room_id, seat.sale_id)
        return "reopened"
    event = "lose_seat" if order.state == "paid" else "expire"
    await end_order(transaction, order, event=event, hold_state="expired")
    return "ended"


async def pay_formed(database: Database, ids: Ids, rounds: Rounds) -> int:
    """Job: take the money of formed teams' members, each once; return how many were paid.

    Each order is quoted once more before: the days in which a team forms are time for a mistake.
    Safe to run twice at once, and to be killed: whoever comes second finds the order paid.
    """

    async def pay(order_id: str) -> int:
        return await _pay(database, ids, order_id)

    return await rounds.run(database, seat_store.select_formed, pay, limit=PAID_A_ROUND_MAX)


async def _pay(database: Database, ids: Ids, order_id: str) -> bool:
    async with database.transaction() as transaction:
        granted = standing(await payments.lock_payments_of_order(transaction, order_id))
        order = await store.lock_order(transaction, order_id)
        if order is None or order.state != "awaiting_group":
            return False
        if not await is_charge_still_right(transaction, order):
            await give_up(transaction, order, granted, TOTAL_MISMATCH)
            return False
        holds = [hold.id for hold in await store.lock_holds_of_order(transaction, order_id)]
        now_ms = await select_now_ms(transaction)
        await store.move_to_sold(transaction, holds)
        await mark_paid(transaction, ids, order, holds, now_ms)
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


async def give_up(
    transaction: Transaction,
    order: OrderRow,
    granted: Sequence[Payment],
    reason: str,
    *,
    is_over: bool = False,
) -> None:
    """End a locked order that stands on money, and let that go, saying why; its team stays whole.

    `granted` are its locked payments that were not let go before. `is_over`: it expires, and is
    not called off.
    """
    event, hold_state = ("expire", "expired") if is_over else ("cancel", "released")
    await end_order(transaction, order, event=event, hold_state=hold_state, reason=reason)
    for payment in granted:
        if payment.state == "authorised":
            await payments.update_let_go(transaction, payment.id, reason)
            told = {"order": order.id, "reason": reason}
            transaction.tell(order.room_id, order.user_id, "payment.voided", told)


async def _lock(
    transaction: Transaction, order_id: str, seat: Seat
) -> tuple[Team, list[HoldState], int]:
    """Lock pool, team and seat of a locked order; return the last two and the clock after that."""
    await lock_pools(transaction, [seat.pool_id])
    team = await groups.lock_team(transaction, seat.group_id)
    holds = await store.lock_holds_of_order(transaction, order_id)
    return team, holds, await select_now_ms(transaction)
