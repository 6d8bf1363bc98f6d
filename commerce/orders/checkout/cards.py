"""Say whether a card may pay for an order, as the order is confirmed.

Invariant: whoever confirms an order with a card at a sale that limits cards waits for the one
before; the lock is taken after the order's and before stock and reservations, sales ascending,
then the coupon's.
"""

from __future__ import annotations

from commerce.kernel.ports import Transaction
from commerce.orders.checkout.card_store import (
    lock_card,
    select_card_coupon,
    select_card_lines,
    select_coupon_paid,
    select_paid,
)
from commerce.orders.checkout.rules import decide_card


async def find_card_refusal(
    transaction: Transaction, order_id: str, card: str | None
) -> str | None:
    """Return why a card cannot pay for a locked order (`card_limit`, `card_unknown`), or None.

    Its sales may limit cards, and the coupon that it was placed with.
    """
    lines = await select_card_lines(transaction, order_id)
    coupon = await select_card_coupon(transaction, order_id)
    if not lines and coupon is None:
        return None
    if card is None:
        return "card_unknown"
    for line in lines:
        await lock_card(transaction, line.sale_id, card)
    # A statement of its own: it sees what whoever had the lock before has committed.
    sale_ids = [line.sale_id for line in lines]
    paid = await select_paid(transaction, card, sale_ids, but_for=order_id)
    if not decide_card(lines, paid):
        return "card_limit"
    if coupon is None:
        return None
    await lock_card(transaction, coupon.sale_id, card)
    used = await select_coupon_paid(transaction, card, coupon.sale_id)
    return None if decide_card([coupon], {coupon.sale_id: used}) else "card_limit"
