"""Take holds back from their buyers, for a reason that they are told."""

from __future__ import annotations

from commerce.goods.inventory.store import free_reservations, lock_held
from commerce.goods.inventory.views import view_ended
from commerce.kernel.ports import Transaction


async def take_back_holds(  # noqa: PLR0913 - where they lie, and what is told.
    transaction: Transaction, *, room_id: str, pool_id: str, sale_id: str, reason: str, limit: int
) -> int:
    """End at most `limit` holds of a sale that nobody is paying for; return how many.

    The sale's pool is locked.
    """
    held = await lock_held(transaction, pool_id=pool_id, sale_id=sale_id, limit=limit)
    freed = await free_reservations(
        transaction,
        pool_id=pool_id,
        reservation_ids=held,
        from_states=["held"],
        to_state="released",
    )
    for hold in freed:
        transaction.tell(room_id, hold.user_id, "reservation.expired", view_ended(hold, reason))
    if freed:
        transaction.touch(room_id, sale_id)
    return len(freed)
