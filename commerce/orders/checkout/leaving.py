"""Leave a team before it has formed, whether the seat is only held or paid already."""

from __future__ import annotations

from commerce.goods.inventory.service import InventoryService
from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ports import Database
from commerce.orders.checkout import seat_store
from commerce.orders.checkout.service import CheckoutService
from commerce.sales.group_buys.model import MySeat
from commerce.sales.group_buys.team_views import select_my_seats


class Leaving:
    """How members leave their teams, in one process."""

    def __init__(
        self, database: Database, inventory: InventoryService, checkout: CheckoutService
    ) -> None:
        self._database = database
        self._inventory = inventory
        self._checkout = checkout

    async def leave(self, *, user_id: str, group_id: str) -> MySeat:
        """Give a seat back, its money is let go once; repeating it changes nothing.

        Raises `not_found`, or `wrong_state` for a seat in a team that has formed.
        """
        async with self._database.reading() as connection:
            mine = await seat_store.select_my_order(connection, group_id, user_id)
        if mine is None:
            raise not_found("seat")
        reservation_id, state, order_id = mine
        if state == "sold":
            raise CommerceError("wrong_state", "The team is complete; the order is bought.")
        if state == "held":
            await self._inventory.release(user_id=user_id, reservation_id=reservation_id)
        elif state == "paying" and order_id is not None:
            await self._checkout.cancel(user_id=user_id, order_id=order_id)
        async with self._database.reading() as connection:
            [seat, *_] = await select_my_seats(connection, user_id, 1, group_id)
        return seat
