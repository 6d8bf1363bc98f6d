"""Quote an order once more before its money is taken: what is taken is what was shown."""

from __future__ import annotations

import logging

from commerce.kernel.ports import Transaction
from commerce.orders.checkout import charge_store
from commerce.orders.checkout.model import ORDER, OrderRow
from commerce.orders.checkout.rules import is_charge_right

log = logging.getLogger(__name__)

# Why money is let go that an order would not cost any more: somebody changed its rows.
TOTAL_MISMATCH = "total_mismatch"


async def is_charge_still_right(transaction: Transaction, order: OrderRow) -> bool:
    """Say whether a locked order costs what it was quoted; True for one that takes no money."""
    if not ORDER.allows(order.state, "pay"):
        return True
    charge = await charge_store.select_charge(transaction, order.id)
    if is_charge_right(charge, order.total_minor):
        return True
    log.error("order %s is not charged as it was quoted; its money is let go", order.id)
    return False
