"""Arm, open, close and cancel flash sales.

Invariants: the units of a sale are carved out of the SKU's pool in the transaction that arms
it, and every unit nobody claimed goes back when it is over; the window is the database's.
"""

from __future__ import annotations

import msgspec

from commerce.goods.inventory.store import insert_pool, lock_pools, select_sku_pool, update_total
from commerce.goods.inventory.sweeper import free_units
from commerce.goods.press_rules.rules import number_rules
from commerce.goods.press_rules.store import update_rules
from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ids import sale_id as derive_sale_id
from commerce.kernel.ports import Ids, Transaction
from commerce.sales.draws.store import arm_draw
from commerce.sales.flash_sales import store
from commerce.sales.flash_sales.comparing import compare, compare_at_opening
from commerce.sales.flash_sales.model import FlashSale, FlashSaleTerms
from commerce.sales.flash_sales.rules import (
    SALE,
    check_reason,
    check_same,
    check_terms,
    hash_terms,
)
from commerce.sales.pricing.rules import check_price
from commerce.sales.unlocks.service import call_off
from commerce.sales.unlocks.store import insert_unlock
from commerce.shows.bag.service import live_show
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.store import lock_room


async def arm(
    transaction: Transaction, ids: Ids, room: Room, terms: FlashSaleTerms, *, key: str
) -> tuple[str, bool]:
    """Carve stock out of the SKU's pool, arm the sale; return its id and whether it is new.

    The caller announces `flash.armed`. The same key with the same terms returns the same sale.
    Raises `invalid_request`, `show_not_live`, `not_in_bag`, `already_on_flash`,
    `price_needs_confirmation`, `not_enough_stock` or `idempotency_conflict`.
    """
    check_terms(terms)
    await lock_room(transaction, room.id)
    sale_id = derive_sale_id(room.host_id, room.id, key)
    known = await store.find_sale(transaction, sale_id)
    if known is not None:
        check_same(known.request_hash, terms)
        return sale_id, False
    show = await live_show(transaction, room)
    item_id = await _check_offer(transaction, show.id, terms)
    source = await select_sku_pool(transaction, terms.sku)
    available = await free_units(transaction, source)
    if available < terms.quantity:
        raise CommerceError(
            "not_enough_stock",
            f"Only {available} units are free.",
            detail={"available": available},
        )
    pool_id = ids.new()
    await update_total(transaction, pool_id=source, delta=-terms.quantity, reason="carved_out")
    await insert_pool(
        transaction, pool_id=pool_id, sku=terms.sku, sale_id=sale_id, total=terms.quantity
    )
    sale = FlashSale(
        id=sale_id,
        room_id=room.id,
        room=room.slug,
        show_id=show.id,
        item_id=item_id,
        pool_id=pool_id,
        kind="flash",
        sku=terms.sku,
        state="armed",
        opens_at_ms=None,
        ends_at_ms=None,
        quantity=terms.quantity,
        request_hash=hash_terms(terms),
    )
    opens_at_ms = await store.insert_sale(transaction, sale=sale, terms=terms)
    if (rules := number_rules(terms.rules)) is not None:
        await update_rules(transaction, sale_id, rules)
    if terms.fairness == "draw":
        await arm_draw(transaction, sale_id, terms.entry_s)
    if terms.show_reference:
        await compare(transaction, sale_id, terms.sku, opens_at_ms)
    await _keep_terms(transaction, sale_id, terms)
    await _touch_both(transaction, sale)
    return sale_id, True


async def _keep_terms(transaction: Transaction, sale_id: str, terms: FlashSaleTerms) -> None:
    """Store the terms that have columns or a table of their own."""
    if terms.unlock is not None:
        await insert_unlock(transaction, sale_id, terms.unlock, plain_minor=terms.price_minor)
    if terms.guard is not None:
        is_confirmed = terms.confirm_price_minor == terms.lowest_minor
        await store.update_guard(transaction, sale_id, terms.guard, is_confirmed=is_confirmed)


async def _check_offer(transaction: Transaction, show_id: str, terms: FlashSaleTerms) -> str:
    """Return the item of the bag that may go on flash at this price, or raise why not."""
    item_id = await store.select_item_of_sku(transaction, show_id, terms.sku)
    if item_id is None:
        raise CommerceError("not_in_bag", "Put this SKU into the bag first.")
    if await store.is_sku_on_flash(transaction, show_id, terms.sku):
        raise CommerceError("already_on_flash", "A flash sale of this SKU is running.")
    check_price(
        terms.guard,
        price_minor=terms.lowest_minor,
        list_price_minor=await store.select_list_price(transaction, item_id),
        confirmed_minor=terms.confirm_price_minor,
    )
    return item_id


async def finish(
    transaction: Transaction, sale_id: str, event: str, reason: str | None = None
) -> FlashSale:
    """End (`event` "end") or cancel ("cancel") a sale; unclaimed units go back at once.

    Holds and paid orders stand; whoever promised under a threshold of a cancelled sale is
    released. A sale that is over already stays as it is. Raises
    `invalid_request` for a reason that is too long.
    """
    check_reason(reason)
    sale = await store.select_sale(transaction, sale_id)
    if sale.kind != "flash":
        raise not_found("flash sale")
    source = await select_sku_pool(transaction, sale.sku)
    free = await lock_pools(transaction, [source, sale.pool_id])
    sale = await store.select_sale(transaction, sale_id)
    if sale.state in ("ended", "cancelled"):
        return sale
    state = SALE.next(sale.state, event)
    if state == "cancelled":
        await call_off(transaction, sale.id)
    ends_at_ms, _, _ = await store.update_state(transaction, sale.id, state, reason)
    await _give_back(transaction, sale, source, free[sale.pool_id])
    payload = {"sale": sale.id, "state": state, "ends_at_ms": ends_at_ms}
    if reason:
        payload["reason"] = reason
    transaction.announce(sale.room_id, "flash.closed", payload)
    await _touch_both(transaction, sale)
    return msgspec.structs.replace(sale, state=state, ends_at_ms=ends_at_ms)


async def close_flash_sales(transaction: Transaction, show_id: str) -> None:
    """End every running flash sale of a show that ends.

    The caller has locked every pool of the show: locking each sale's two in turn would not be
    in ascending order.
    """
    for sale in await store.select_running(transaction, show_id):
        await finish(transaction, sale.id, "end")


async def _give_back(transaction: Transaction, sale: FlashSale, source: str, free: int) -> None:
    if free > 0:
        await update_total(transaction, pool_id=sale.pool_id, delta=-free, reason="gave_back")
        await update_total(transaction, pool_id=source, delta=free, reason="got_back")


async def _touch_both(transaction: Transaction, sale: FlashSale) -> None:
    transaction.touch(sale.room_id, sale.id)
    regular = await store.select_regular_of_sku(transaction, sale.show_id, sale.sku)
    if regular is not None:
        transaction.touch(sale.room_id, regular)


async def open_one(transaction: Transaction, sale_id: str) -> bool:
    """Open an armed sale and tell the room; the window itself was open at its moment."""
    sale = await store.select_sale(transaction, sale_id)
    await lock_pools(transaction, [sale.pool_id])
    sale = await store.select_sale(transaction, sale_id)
    if not SALE.allows(sale.state, "open"):
        return False
    _, opens_at_ms, _ = await store.update_state(
        transaction, sale.id, SALE.next(sale.state, "open")
    )
    await compare_at_opening(transaction, sale.id, sale.sku, opens_at_ms)
    transaction.announce(sale.room_id, "flash.opened", {"sale": sale.id})
    transaction.touch(sale.room_id, sale.id)
    return True


async def note_sold_out(transaction: Transaction, sale_id: str) -> None:
    """Tell the room that all units are paid, or that some came back after that was told."""
    sale = await store.select_sale(transaction, sale_id)
    await lock_pools(transaction, [sale.pool_id])
    sale = await store.select_sale(transaction, sale_id)
    total, sold = await store.select_counts(transaction, sale.pool_id)
    event = "sell_out" if total == sold else "resume"
    if not SALE.allows(sale.state, event):
        return
    _, opens_at_ms, now_ms = await store.update_state(
        transaction, sale.id, SALE.next(sale.state, event)
    )
    if event == "sell_out":
        transaction.announce(
            sale.room_id,
            "flash.sold_out",
            {"sale": sale.id, "took_ms": max(0, now_ms - opens_at_ms)},
        )
    else:
        transaction.announce(sale.room_id, "flash.resumed", {"sale": sale.id})
    transaction.touch(sale.room_id, sale.id)


async def return_leftovers(transaction: Transaction, sale_id: str) -> None:
    """Give back units that were held when their sale ended, and were not paid."""
    sale = await store.select_sale(transaction, sale_id)
    source = await select_sku_pool(transaction, sale.sku)
    free = await lock_pools(transaction, [source, sale.pool_id])
    await _give_back(transaction, sale, source, free[sale.pool_id])
    await _touch_both(transaction, sale)
