"""What a refund means for its order: the sum, the goods, the buyer's news.

Invariant: goods come back with their money: a unit is taken back in the transaction that notes its
money as back, once, however many refunds name it and in whichever order they are done. Locks:
payment (the caller's), order, stock (ascending), reservations (ascending), buyer, coupon, claim.
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
from commerce.orders.refunds.rules import decide_taken_back
from commerce.sales.coupons import ledger


class RefundCompletion:
    """Satisfies `RefundedOrders`."""

    async def take_back(self, transaction: Transaction, refund: Refund) -> None:
        """Add the money to the order's refunded sum and take back the units that it was for.

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
        sales = await _take_back_units(transaction, order.id)
        if refunded_minor == order.total_minor:
            await ledger.return_claim(transaction, order.id)
        for sale_id in sales:
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


async def _take_back_units(transaction: Transaction, order_id: str) -> set[str]:
    """Take back what the refunds of a locked order have brought back; return the sales it is of.

    The order's lock is what makes it once: refunds of one line that are done at the same moment
    would each count without the other.
    """
    returned = {
        line.reservation: (line, taken)
        for line in await store.select_returned_lines(transaction, order_id)
        if (taken := decide_taken_back(line)) is not None
    }
    if returned:
        pools = sorted({line.pool_id for line, _ in returned.values()})
        await inventory.lock_pools(transaction, pools)
        await orders.lock_holds(transaction, list(returned))
        await store.take_back(transaction, [taken for _, taken in returned.values()])
    return {line.sale_id for line, _ in returned.values()}


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
