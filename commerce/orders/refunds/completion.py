"""What a refund means for its order: the sum, the goods, the buyer's news.

Invariant: goods come back only with their money: a reservation is refunded in the transaction
that notes its last unit's money as back. Locks: payment (the caller's), order, stock (ascending),
reservations (ascending), buyer, coupon, claim.
"""

from __future__ import annotations

from typing import Any

import msgspec

from commerce.goods.inventory import store as inventory
from commerce.kernel.ports import Transaction
from commerce.orders.checkout import store as orders
from commerce.orders.checkout.model import ORDER, OrderRow
from commerce.orders.payments.model import Refund
from commerce.orders.payments.rules import view_excess
from commerce.orders.refunds import store
from commerce.sales.coupons import ledger


class RefundCompletion:
    """Satisfies `RefundedOrders`."""

    async def take_back(self, transaction: Transaction, refund: Refund) -> None:
        """Add the money to the order's refunded sum and take back the lines that are whole.

        Money that came too late, or was taken beyond its price, was never the order's. The coupon
        comes back with the last of the money; a part gives back its share of what was paid.
        """
        order = await orders.lock_order(transaction, refund.order_id)
        assert order is not None, "a refund refers to its order"
        if refund.origin != "person":
            await store.touch_order(transaction, order.id)
            if refund.origin == "excess":
                told = view_excess(msgspec.structs.replace(refund, state="done"))
                transaction.tell(order.room_id, order.user_id, "payment.excess", told)
            return
        refunded_minor = await store.add_refunded(transaction, order.id, refund.amount_minor)
        state = order.state
        if refunded_minor == order.total_minor and ORDER.allows(state, "refund"):
            state = ORDER.next(state, "refund")
            await orders.update_state(transaction, order.id, state)
        order = msgspec.structs.replace(order, state=state, refunded_minor=refunded_minor)
        lines = await store.select_whole_lines(transaction, order.id)
        if lines:
            await inventory.lock_pools(transaction, sorted({line.pool_id for line in lines}))
            await orders.lock_holds(transaction, [line.reservation for line in lines])
            await store.take_back(transaction, lines)
        if refunded_minor == order.total_minor:
            await ledger.return_claim(transaction, order.id)
        for sale_id in {line.sale_id for line in lines}:
            transaction.touch(order.room_id, sale_id)
        news = _news(order, refund, state="done")
        transaction.tell(order.room_id, order.user_id, "order.refunded", news)

    async def tell_failed(self, transaction: Transaction, refund: Refund) -> None:
        """Tell the buyer that the provider has refused; staff see why and can ask again."""
        order = await orders.lock_order(transaction, refund.order_id)
        assert order is not None, "a refund refers to its order"
        await store.touch_order(transaction, order.id)
        news = _news(order, refund, state="failed")
        transaction.tell(order.room_id, order.user_id, "order.refund_failed", news)


def _news(order: OrderRow, refund: Refund, *, state: str) -> dict[str, Any]:
    """Return what a buyer is told of a refund; amounts in minor units."""
    return {
        "order": {
            "id": order.id,
            "state": order.state,
            "total_minor": order.total_minor,
            "currency": order.currency,
            "refunded_minor": order.refunded_minor,
        },
        "refund": {
            "id": refund.id,
            "state": state,
            "amount_minor": refund.amount_minor,
            "reason": refund.reason,
        },
    }
