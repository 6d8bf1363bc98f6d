"""Place orders from reservations, cancel them, and read them.

Invariant: an order, its lines, its reservations in `paying` and its first payment appear in
one transaction or not at all; the provider is called after COMMIT.
"""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.errors import CommerceError, invalid, not_found
from commerce.kernel.ids import order_id as derive_order_id
from commerce.kernel.ports import Database, Transaction
from commerce.orders.checkout import store, unlock_store, view_store
from commerce.orders.checkout.ending import end_order
from commerce.orders.checkout.model import ORDER, Draft, Hold, OrderView, PlaceOrder
from commerce.orders.checkout.quoting import find_reduction
from commerce.orders.checkout.rules import (
    RESERVATIONS_MAX,
    UNPAID_WINDOW_MS,
    check_still_held,
    check_unpaid,
    hash_request,
    is_price_the_same,
    next_release_at_ms,
    quote_order,
)
from commerce.orders.checkout.seats import check_may_leave
from commerce.orders.checkout.unlocks import check_may_withdraw
from commerce.orders.payments import store as payment_store
from commerce.orders.payments.service import PaymentService
from commerce.records.clock.store import select_now_ms
from commerce.sales.coupons import ledger
from commerce.sales.pricing.ports import Tariffs
from commerce.sales.pricing.tariffs import PLAIN
from commerce.shows.schedule.rules import check_see_money, may_see_money
from commerce.shows.schedule.store import select_room

# A page of orders; older ones are asked for with `before`.
ORDERS_SHOWN_MAX = 200


class PriceFellError(Exception):
    """A price fell between the look at a hold and its lock; nothing has changed."""


class CheckoutService:
    """Orders, as their buyers and their hosts use them."""

    def __init__(
        self, database: Database, payments: PaymentService, tariffs: Tariffs = PLAIN
    ) -> None:
        self._database = database
        self._payments = payments
        self._tariffs = tariffs

    async def place_order(self, wish: PlaceOrder) -> OrderView:
        """Make an order of held reservations and open its payment.

        A repeated key returns the same order as it is now. Raises `invalid_request`,
        `not_found`, `reservation_gone`, `too_many_unpaid`, `total_not_payable`,
        `coupon_not_usable`, `coupon_halted` or `idempotency_conflict`.
        """
        try:
            return await self._place(wish)
        except PriceFellError:
            # It falls once: what is read now is what will be locked.
            return await self._place(wish)

    async def _place(self, wish: PlaceOrder) -> OrderView:
        ids = list(wish.reservation_ids)
        if not 1 <= len(ids) <= RESERVATIONS_MAX or len(set(ids)) != len(ids):
            raise invalid(
                f"An order takes 1 to {RESERVATIONS_MAX} different reservations.",
                field="reservations",
            )
        order_id = derive_order_id(wish.user_id, wish.key)
        async with self._database.transaction() as transaction:
            payment_id = None
            known = await store.select_order(transaction, order_id)
            if known is None:
                check_unpaid(
                    *await store.select_unpaid(
                        transaction, wish.user_id, within_ms=UNPAID_WINDOW_MS
                    )
                )
                holds = await store.select_holds(transaction, ids)
                reduction = await find_reduction(transaction, wish, holds)
                draft = quote_order(wish, holds, tariffs=self._tariffs, reduction=reduction)
                payment_id = await self._save(transaction, draft, holds)
                if payment_id is None:
                    known = await store.select_order(transaction, order_id)
                    if known is None:  # A token outlives its person when a backup was restored.
                        raise CommerceError("unauthenticated", "Nobody is known by this token.")
            if known is not None and known.request_hash != hash_request(wish):
                raise CommerceError("idempotency_conflict", "This key ordered something else.")
        return await self._with_payment(wish.user_id, order_id, payment_id)

    async def cancel(self, *, user_id: str, order_id: str) -> OrderView:
        """Cancel an order that is not bought; its units are free at once, once.

        Money that waits for a team is let go, and its seat with it.

        Raises `not_found` or `wrong_state`.
        """
        async with self._database.transaction() as transaction:
            await payment_store.lock_payments_of_order(transaction, order_id)
            order = await store.lock_order(transaction, order_id)
            if order is None or order.user_id != user_id:
                raise not_found("order")
            if order.state != "cancelled":
                ORDER.next(order.state, "cancel")
                await check_may_leave(transaction, order)
                await check_may_withdraw(transaction, order)
                await end_order(
                    transaction,
                    order,
                    event="cancel",
                    hold_state="released",
                    reason="order_cancelled",
                )
        return await self.get_order(user_id=user_id, order_id=order_id)

    async def get_order(self, *, user_id: str, order_id: str) -> OrderView:
        """Return the buyer's own order with its proof; raises `not_found`."""
        async with self._database.reading() as connection:
            found = await view_store.select_view(connection, order_id)
        if found is None or found[0] != user_id:
            raise not_found("order")
        return found[1]

    async def show_order(self, *, user_id: str, role: str, order_id: str) -> OrderView:
        """Return an order to its buyer, or as staff see it to its room's host or an operator.

        Raises `not_found` for everybody else, so that it says nothing of other people's.
        """
        async with self._database.reading() as connection:
            found = await view_store.select_view(connection, order_id)
            if found is None:
                raise not_found("order")
            owner, order = found
            if owner == user_id:
                return order
            room = await select_room(connection, order.room)
            if not may_see_money(room, user_id=user_id, role=role):
                raise not_found("order")
            return await view_store.select_view_for_staff(connection, order_id)

    async def list_orders(
        self, *, user_id: str, since_ms: int, before: str | None = None
    ) -> list[OrderView]:
        """Return the buyer's orders that changed at or after `since_ms`, newest first.

        With `before`, the id of the last one that was read, those that are older.
        """
        async with self._database.reading() as connection:
            return await view_store.select_views_of_user(
                connection, user_id, since_ms=since_ms, before=before, limit=ORDERS_SHOWN_MAX
            )

    async def list_room_orders(
        self, *, user_id: str, role: str, slug: str, since_ms: int, before: str | None = None
    ) -> list[OrderView]:
        """Return a room's orders for its host or an operator, as `list_orders` does.

        Raises `not_found` or `forbidden`.
        """
        async with self._database.reading() as connection:
            room = await select_room(connection, slug)
            check_see_money(room, user_id=user_id, role=role)
            return await view_store.select_views_of_room(
                connection, room.id, since_ms=since_ms, before=before, limit=ORDERS_SHOWN_MAX
            )

    async def _save(
        self, transaction: Transaction, draft: Draft, holds: Sequence[Hold]
    ) -> str | None:
        """Store the order if its reservations can still be had; None when it exists already."""
        if not await store.insert_order(transaction, draft):
            return None
        ids = [hold.id for hold in holds]
        states = await store.lock_holds(transaction, ids)
        now_ms = await select_now_ms(transaction)
        check_still_held(states, now_ms)
        if not is_price_the_same(holds, states):
            raise PriceFellError
        await store.move_to_paying(
            transaction, [(hold.id, next_release_at_ms(hold, now_ms)) for hold in states]
        )
        await store.insert_lines(transaction, draft, holds)
        if draft.unlocked is not None:
            self._payments.check_total(draft.unlocked.total_minor, draft.currency)
            await unlock_store.insert_terms(transaction, draft.id, draft.unlocked)
        await store.keep_proof(transaction, draft.id, ids)
        if draft.coupon is not None:
            await ledger.lock_claim(
                transaction,
                draft.coupon,
                user_id=draft.user_id,
                order_id=draft.id,
                off_minor=draft.quote.discount_minor,
            )
        return await self._payments.open(
            transaction,
            order_id=draft.id,
            amount_minor=draft.total_minor,
            currency=draft.currency,
        )

    async def _with_payment(self, user_id: str, order_id: str, payment_id: str | None) -> OrderView:
        """Return the order with the page to pay at, which a repeated call asks for again."""
        if payment_id is None:
            view = await self.get_order(user_id=user_id, order_id=order_id)
            page = view.payment
            if page is None or page.url is not None or view.state != "awaiting_payment":
                return view
            payment_id = page.id
        await self._payments.ensure_created(payment_id)
        return await self.get_order(user_id=user_id, order_id=order_id)
