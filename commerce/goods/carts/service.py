"""Reserve a cart: all of its items, or none.

Invariant: a cart goes past the batchers with every pool locked in ascending order, so it waits for
batches and they for it, and neither deadlocks; an unknown outcome is asked again with the same ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from commerce.goods.carts import store
from commerce.goods.carts.model import Cart, CartResult, Granted, RefusedItems
from commerce.goods.inventory.batcher import unknown_outcome
from commerce.goods.inventory.model import (
    Grant,
    Outcome,
    PooledSale,
    Refused,
    Request,
    Reserved,
)
from commerce.goods.inventory.rules import describe_grant, hash_cart, sum_items
from commerce.goods.inventory.service import UNKNOWN_PRESS, InventoryService
from commerce.goods.inventory.store import REFUSED_BY_DATABASE
from commerce.goods.press_rules.model import Press
from commerce.kernel.errors import CommerceError, invalid
from commerce.kernel.ids import cart_id, cart_reservation_id

NO_PRESSES: Mapping[str, Press] = {}
# A cart keeps one of the core's few connections while it waits for hot rows; more of them at once
# would leave none to the batches, which serve hundreds in the same time.
CARTS_AT_ONCE = 1
# More waiting carts than this in one process would be answered too late to be of use.
WAITING_MAX = 1_000


class CartService:
    """Carts of one process, over the connections of its reservation core."""

    def __init__(self, inventory: InventoryService) -> None:
        self._inventory = inventory
        self._turn = asyncio.Semaphore(CARTS_AT_ONCE)
        self._waiting: set[str] = set()

    async def reserve(
        self,
        *,
        user_id: str,
        items: Sequence[tuple[str, int]],
        key: str,
        presses: Mapping[str, Press] = NO_PRESSES,
    ) -> Granted | RefusedItems:
        """Reserve (sale, quantity) items of one room; the answer is committed when it returns.

        The same sale twice is summed; each sale has its press in `presses`. Raises CommerceError
        `invalid_request`, `not_found`, `idempotency_conflict`, `overloaded`, `unknown_outcome`,
        `draw_only` or the refusal of a sale's own rules; a refusal of the stock is a value.
        """
        wanted = sum_items(items)
        sales = [await self._inventory.find_sale(sale_id) for sale_id, _ in wanted]
        for sale in sales:
            await self._inventory.draw_gate.check(sale)
        if len({sale.room_id for sale in sales}) > 1:
            raise invalid("A cart takes sales of one room.", field="items")
        id = cart_id(user_id, key)
        requests = [
            Request(cart_reservation_id(id, sale_id), sale_id, user_id, qty)
            for sale_id, qty in wanted
        ]
        cart = Cart(id, user_id, hash_cart(wanted), requests)
        for sale, request in zip(sales, requests, strict=True):
            if sale.rules is not None:
                press = presses.get(sale.id, UNKNOWN_PRESS)
                await self._inventory.admit(sale, press, user_id=user_id, id=request.id)
        result = await self._decide(cart)
        await self._spread(cart, sales, result)
        return _answer(cart, sales, result)

    async def _decide(self, cart: Cart) -> CartResult:
        # One buyer's carts stand in line one by one, so that nobody fills the line for the others.
        if len(self._waiting) >= WAITING_MAX or cart.user_id in self._waiting:
            raise CommerceError(
                "overloaded", "Too many carts are waiting.", retryable=True, retry_ms=500
            )
        self._waiting.add(cart.user_id)
        try:
            async with self._turn:
                return await self._inventory.ask(partial(store.reserve_cart, cart=cart))
        except REFUSED_BY_DATABASE:
            raise unknown_outcome() from None
        finally:
            self._waiting.remove(cart.user_id)

    async def _spread(self, cart: Cart, sales: list[PooledSale], result: CartResult) -> None:
        """Tell of the figures that changed, and count a press for each item."""
        is_new = all(outcome == Outcome.RESERVED for outcome in result.outcomes)
        if is_new:
            self._inventory.forget_latches([sale.pool_id for sale in sales])
        for sale, outcome in zip(sales, result.outcomes, strict=True):
            name = Outcome(outcome).name.lower()
            if outcome not in (Outcome.REPLAYED, Outcome.CONFLICT) and (
                is_new or outcome != Outcome.RESERVED
            ):
                self._inventory.news.pressed(sale.id, name)
            if is_new:
                self._inventory.news.stock_changed(sale.room_id, sale.id)
        await self._inventory.tell_expired(result.expired)


def _answer(cart: Cart, sales: list[PooledSale], result: CartResult) -> Granted | RefusedItems:
    if Outcome.CONFLICT in result.outcomes:
        raise CommerceError("idempotency_conflict", "This key was used for another cart.")
    refused = [
        (request.sale_id, _refused(index, result))
        for index, request in enumerate(cart.requests)
        if result.outcomes[index] not in (Outcome.RESERVED, Outcome.REPLAYED)
    ]
    if refused:
        return RefusedItems(refused)
    return Granted(
        [
            _reserved(request, sale, index, result)
            for index, (request, sale) in enumerate(zip(cart.requests, sales, strict=True))
        ]
    )


def _refused(index: int, result: CartResult) -> Refused:
    opens_at = result.opens_at[index] if result.opens_at else None
    return Refused(
        Outcome(result.outcomes[index]),
        0,
        opens_in_ms=max(0, opens_at - result.now_ms) if opens_at else None,
        available=result.available[index] if result.available else None,
    )


def _reserved(request: Request, sale: PooledSale, index: int, result: CartResult) -> Reserved:
    grant = Grant(
        result.prices[index],
        result.shown_until[index],
        result.versions[index] if result.versions else None,
        result.states[index] if result.states else None,
        result.now_ms,
    )
    return describe_grant(request, sale, grant)
