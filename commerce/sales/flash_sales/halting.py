"""The kill switch: stop any sale at once, and let it go on.

Invariants: what was reserved before the halt committed stands, nothing is given out after it, and
a paid order is never touched; the sale's window runs on.
"""

from __future__ import annotations

import msgspec

from commerce.goods.inventory.store import lock_pools
from commerce.goods.inventory.taking_back import take_back_holds
from commerce.goods.waiting_list.store import serve
from commerce.kernel.ports import Transaction
from commerce.records.clock.store import select_now_ms
from commerce.sales.flash_sales import store
from commerce.sales.flash_sales.comparing import compare_at_opening
from commerce.sales.flash_sales.model import FlashSale, Halted
from commerce.sales.flash_sales.rules import SALE, clean_halt_reason, decide_unhalted

# One transaction frees no more, so that other sales of the pool wait a moment, not minutes; whoever
# asked repeats the call until nothing was released: fewer may mean that others had rows in hand.
RELEASED_MAX = 5_000


async def halt(
    transaction: Transaction, sale_id: str, reason: str, *, release_holds: bool = False
) -> Halted:
    """Stop a sale of any kind and tell the room why; halting it again changes the reason alone.

    Of a group buy that has ended the teams are stopped, as long as one forms.

    With `release_holds` the holds that nobody is paying for end now, at most `RELEASED_MAX` of
    them, and their buyers are told. Raises `invalid_request`, `not_found` or `wrong_state`.
    """
    reason = clean_halt_reason(reason)
    sale = await _lock(transaction, sale_id)
    if sale.state != "halted" and not await _has_teams_that_go_on(transaction, sale):
        SALE.next(sale.state, "halt")
    if sale.state != "halted" or sale.reason != reason:
        await store.update_halted(transaction, sale.id, reason)
        transaction.announce(sale.room_id, "flash.halted", {"sale": sale.id, "reason": reason})
    released = 0
    if release_holds:
        released = await take_back_holds(
            transaction,
            room_id=sale.room_id,
            pool_id=sale.pool_id,
            sale_id=sale.id,
            reason=reason,
            limit=RELEASED_MAX,
        )
    return Halted(msgspec.structs.replace(sale, state="halted", reason=reason), released)


async def unhalt(transaction: Transaction, sale_id: str) -> FlashSale:
    """Let a halted sale go on and tell the room; one that runs stays as it is.

    Raises `not_found`, or `wrong_state` for a sale that is over.
    """
    sale = await _lock(transaction, sale_id)
    if SALE.allows(sale.state, "halt") or await _has_teams_that_go_on(transaction, sale):
        return sale
    if sale.state != "halted":
        SALE.next(sale.state, "unhalt")
    total, sold = await store.select_counts(transaction, sale.pool_id)
    state = decide_unhalted(
        sale.halted_from,
        opens_at_ms=sale.opens_at_ms,
        now_ms=await select_now_ms(transaction),
        is_all_sold=total == sold,
    )
    await store.update_unhalted(transaction, sale.id, state)
    if sale.halted_from == "armed" and state == "open" and sale.opens_at_ms is not None:
        await compare_at_opening(transaction, sale.id, sale.sku, sale.opens_at_ms)
    # What came free meanwhile was given to nobody of this sale; its line comes before the public.
    if await serve(transaction, sale.pool_id):
        transaction.touch(sale.room_id, sale.id)
    transaction.announce(sale.room_id, "flash.unhalted", {"sale": sale.id, "state": state})
    return msgspec.structs.replace(sale, state=state, reason=None)


async def _lock(transaction: Transaction, sale_id: str) -> FlashSale:
    """Return a sale as it is once no batch of its pool can be under way."""
    sale = await store.select_sale(transaction, sale_id)
    await lock_pools(transaction, [sale.pool_id])
    return await store.select_sale(transaction, sale_id)


async def _has_teams_that_go_on(transaction: Transaction, sale: FlashSale) -> bool:
    """Say whether people can still join teams of a group buy that has ended."""
    has_ended = sale.state == "ended" and sale.halted_from is None
    return has_ended and await store.has_open_teams(transaction, sale.id)
