"""What it means that an order is paid: its state, its buyer's news, the room's chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commerce.goods.waiting_list import store as waiting_list
from commerce.kernel.ports import Ids, SystemLine, Transaction
from commerce.orders.checkout import store
from commerce.orders.checkout.model import ORDER, OrderRow
from commerce.orders.checkout.rules import mask_name
from commerce.sales.coupons import ledger

# A cart of many lines must not fill the chat.
CHAT_LINES_MAX = 3


async def mark_paid(
    transaction: Transaction, ids: Ids, order: OrderRow, hold_ids: Sequence[str], now_ms: int
) -> None:
    """Make a locked order paid whose locked reservations are sold, and tell of it."""
    await waiting_list.mark_bought(transaction, hold_ids)
    await ledger.use_claim(transaction, order.id)
    await store.update_state(transaction, order.id, ORDER.next(order.state, "pay"))
    transaction.tell(order.room_id, order.user_id, "order.paid", news(order, "paid"))
    lines = await store.select_paid_lines(transaction, order.id)
    name = mask_name(await store.select_buyer_name(transaction, order.id))
    for line in lines[:CHAT_LINES_MAX]:
        text = f"{line.no} {line.title}"
        transaction.say(order.room_id, SystemLine(ids.new(), name, text, "order", now_ms))
    for sale_id in {line.sale_id for line in lines}:
        transaction.touch(order.room_id, sale_id)


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
