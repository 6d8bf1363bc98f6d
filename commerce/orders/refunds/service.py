"""Give money back: decide under the payment's lock, store, let a job call the provider.

Invariant: the refunds of a payment that are pending or done never sum up to more than it: whoever
plans one holds the lock of every payment of the order, then that of the order.
"""

from __future__ import annotations

from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ids import refund_id as derive_refund_id
from commerce.kernel.ports import Database, Transaction
from commerce.orders.checkout import store as orders
from commerce.orders.checkout import view_store
from commerce.orders.checkout.model import OrderRow, OrderView
from commerce.orders.payments import store as payments
from commerce.orders.payments.model import REFUND, Refund
from commerce.orders.refunds import store
from commerce.orders.refunds.model import Actor, LineWish, RefundWish
from commerce.orders.refunds.rules import (
    check_refundable,
    check_wish,
    hash_request,
    plan_refund,
    too_large,
)
from commerce.shows.schedule.rules import check_see_money
from commerce.shows.schedule.store import select_room_by_id


class RefundService:
    """Refunds by the host of the room or an operator."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def refund(
        self, actor: Actor, *, order_id: str, key: str, wish: RefundWish
    ) -> tuple[str, OrderView]:
        """Store a refund and owe the provider its call; return its id and the order.

        A repeated key returns the same refund as it is now. Raises `not_found`, `forbidden`,
        `invalid_request`, `wrong_state`, `not_captured`, `refund_too_large` or
        `idempotency_conflict`.
        """
        check_wish(wish)
        refund_id = derive_refund_id(actor.user_id, order_id, key)
        async with self._database.transaction() as transaction:
            order = await self._lock(transaction, actor, order_id)
            known = await store.select_request_hash(transaction, refund_id)
            if known is None:
                await self._insert(
                    transaction, order, wish, refund_id=refund_id, requested_by=actor.user_id
                )
            elif known != hash_request(wish):
                raise CommerceError("idempotency_conflict", "This key gave back something else.")
        return refund_id, await self._read(order_id)

    async def retry(self, actor: Actor, *, order_id: str, refund_id: str) -> tuple[str, OrderView]:
        """Ask the provider again for a refund that failed; any other stays as it is.

        Raises `not_found`, `forbidden`, or `refund_too_large` when its money has gone back in
        another refund since.
        """
        async with self._database.transaction() as transaction:
            await self._lock(transaction, actor, order_id)
            refund = await payments.select_refund(transaction, refund_id)
            if refund is None or refund.order_id != order_id:
                raise not_found("refund")
            if REFUND.allows(refund.state, "retry"):
                await self._replan(transaction, refund)
                state = REFUND.next(refund.state, "retry")
                await payments.reopen_refund(transaction, refund, state)
                await store.touch_order(transaction, order_id)
        return refund_id, await self._read(order_id)

    async def _lock(self, transaction: Transaction, actor: Actor, order_id: str) -> OrderRow:
        """Lock the order's payments and the order for somebody who may give its money back."""
        await payments.lock_payments_of_order(transaction, order_id)
        order = await orders.lock_order(transaction, order_id)
        if order is None:
            raise not_found("order")
        room = await select_room_by_id(transaction, order.room_id)
        check_see_money(room, user_id=actor.user_id, role=actor.role)
        return order

    async def _insert(
        self,
        transaction: Transaction,
        order: OrderRow,
        wish: RefundWish,
        *,
        refund_id: str,
        requested_by: str,
    ) -> None:
        """Store the refund that the wish makes of what is left of the locked order."""
        found = await store.select_refundable(transaction, order.id)
        money = check_refundable(order.state, found)
        lines = await store.select_lines(transaction, order.id)
        plan = plan_refund(wish, lines, money.left_minor)
        refund = Refund(
            id=refund_id,
            payment_id=money.payment_id,
            order_id=order.id,
            amount_minor=plan.amount_minor,
            currency=money.currency,
            state="pending",
            origin="person",
            reason=wish.reason.strip(),
            restock=wish.restock,
            retries=0,
        )
        await payments.insert_refund(
            transaction, refund, requested_by=requested_by, request_hash=hash_request(wish)
        )
        await store.replace_lines(transaction, refund_id, plan)
        await store.touch_order(transaction, order.id)

    async def _replan(self, transaction: Transaction, refund: Refund) -> None:
        """Decide a failed refund anew: others may have taken its money or units since."""
        left_minor = await store.select_left_of_payment(
            transaction, refund.payment_id, but_for=refund.id
        )
        if refund.origin != "person":
            if refund.amount_minor > left_minor:
                raise too_large(left_minor)
            return
        named = await store.select_refund_lines(transaction, refund.id)
        wish = RefundWish(
            amount_minor=refund.amount_minor,
            lines=[LineWish(reservation, qty) for reservation, qty in named],
            reason=refund.reason,
            restock=refund.restock,
        )
        lines = await store.select_lines(transaction, refund.order_id)
        await store.replace_lines(transaction, refund.id, plan_refund(wish, lines, left_minor))

    async def _read(self, order_id: str) -> OrderView:
        async with self._database.reading() as connection:
            return await view_store.select_view_for_staff(connection, order_id)
