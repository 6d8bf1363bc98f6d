"""Start and end a show, fill its bag: the show and its offers change in one transaction."""

from __future__ import annotations

import msgspec

from commerce.goods.catalogue.store import select_variant
from commerce.goods.inventory.store import lock_pools
from commerce.kernel.errors import CommerceError, invalid, not_found
from commerce.kernel.ports import Ids, Transaction
from commerce.sales.coupons.service import close_drops_of_show
from commerce.sales.flash_sales.service import close_flash_sales
from commerce.sales.group_buys.campaigns import close_campaigns
from commerce.sales.show_floor import store
from commerce.sales.show_floor.model import ShowView
from commerce.shows.bag.service import live_show
from commerce.shows.bag.store import (
    close_pin,
    insert_item,
    remove_item,
    select_item,
    select_last_number,
    select_pinned,
    select_skus,
)
from commerce.shows.schedule.model import Room, Show
from commerce.shows.schedule.rules import SHOW
from commerce.shows.schedule.store import (
    end_show,
    insert_show,
    lock_room,
    select_current_show,
    select_room_by_id,
    start_show,
    update_announcement,
)

BAG_NUMBERS_MAX = 200
TITLE_CHARS_MAX = 120
ANNOUNCEMENT_CHARS_MAX = 200


class ShowFloor:
    """A host's acts on the show as a whole."""

    def __init__(self, ids: Ids, currency: str) -> None:
        self._ids = ids
        self._currency = currency

    async def schedule(
        self, transaction: Transaction, room: Room, *, title: str, starts_at_ms: int
    ) -> ShowView:
        """Plan a show with an empty bag."""
        title = title.strip()
        if not 1 <= len(title) <= TITLE_CHARS_MAX:
            raise invalid(f"A title has 1 to {TITLE_CHARS_MAX} characters.", field="title")
        if not 0 <= starts_at_ms < 1 << 52:
            raise invalid("The start is not a time.", field="starts_at_ms")
        await lock_room(transaction, room.id)
        show = await insert_show(
            transaction,
            id=self._ids.new(),
            room_id=room.id,
            title=title,
            starts_at_ms=starts_at_ms,
        )
        await self._announce_floor(transaction, room)
        return store.view_show(show)

    async def start(self, transaction: Transaction, room: Room, now_ms: int) -> ShowView:
        """Go live with the next show; a live room stays as it is.

        With no show planned, a new one takes over the last one's title and bag.
        """
        await lock_room(transaction, room.id)
        show = await select_current_show(transaction, room.id)
        if show is not None and show.status == "live":
            return store.view_show(show)
        if show is None or show.status == "ended":
            show = await self._repeat(transaction, room, show, now_ms)
        SHOW.next(show.status, "start")
        started = await start_show(transaction, show.id)
        await store.open_regular_sales(transaction, show.id)
        await update_announcement(transaction, room.id, "")
        await self._announce_floor(transaction, room)
        return store.view_show(started)

    async def end(self, transaction: Transaction, room: Room) -> ShowView:
        """End the live show and every sale in it; paid orders and holds stand."""
        await lock_room(transaction, room.id)
        show = await live_show(transaction, room)
        await lock_pools(transaction, await store.select_show_pools(transaction, show.id))
        await close_flash_sales(transaction, show.id)
        await close_campaigns(transaction, show.id)
        await store.end_regular_sales(transaction, show.id)
        await close_drops_of_show(transaction, show.id)
        await close_pin(transaction, show.id)
        SHOW.next(show.status, "end")
        ended = await end_show(transaction, show.id)
        await update_announcement(transaction, room.id, "")
        await self._announce_floor(transaction, room)
        return store.view_show(ended)

    async def add_to_bag(self, transaction: Transaction, room: Room, sku: str) -> int:
        """Give a variant the next number of the bag, with a regular sale."""
        show = await self._open_show(transaction, room)
        if await select_variant(transaction, sku) is None:
            raise not_found("SKU")
        skus = await select_skus(transaction, show.id)
        if sku in skus:
            raise CommerceError("already_in_bag", "This SKU lies in the bag already.")
        if await select_last_number(transaction, show.id) >= BAG_NUMBERS_MAX:
            raise CommerceError("bag_full", f"A bag has {BAG_NUMBERS_MAX} numbers, each once.")
        no = await self._put(transaction, show, sku)
        await announce_bag(transaction, room.id)
        return no

    async def remove_from_bag(self, transaction: Transaction, room: Room, item_id: str) -> None:
        """Take an item out of the bag and end its regular sale; holds stand."""
        show = await self._open_show(transaction, room)
        if await select_item(transaction, item_id=item_id, show_id=show.id) is None:
            raise not_found("item in the bag")
        if await select_pinned(transaction, show.id) == item_id:
            raise CommerceError("item_pinned", "Unpin the item before you take it out.")
        pools = await store.select_show_pools(transaction, show.id)
        await lock_pools(transaction, pools)
        await remove_item(transaction, item_id)
        await store.end_regular_sales(transaction, show.id, item_id)
        await announce_bag(transaction, room.id)

    async def announce(self, transaction: Transaction, room: Room, text: str) -> None:
        """Show a sentence on everybody's screen until the next one; empty takes it away."""
        text = text.strip()
        if len(text) > ANNOUNCEMENT_CHARS_MAX:
            raise invalid(f"At most {ANNOUNCEMENT_CHARS_MAX} characters.", field="text")
        await update_announcement(transaction, room.id, text)
        transaction.announce(room.id, "announcement", {"text": text or None})

    async def _open_show(self, transaction: Transaction, room: Room) -> Show:
        await lock_room(transaction, room.id)
        show = await select_current_show(transaction, room.id)
        if show is None or show.status == "ended":
            raise CommerceError("no_show", "Plan or start a show first.")
        return show

    async def _repeat(
        self, transaction: Transaction, room: Room, last: Show | None, now_ms: int
    ) -> Show:
        show = await insert_show(
            transaction,
            id=self._ids.new(),
            room_id=room.id,
            title=last.title if last else room.title,
            starts_at_ms=now_ms,
        )
        if last is not None:
            for sku in await select_skus(transaction, last.id):
                await self._put(transaction, show, sku)
        return show

    async def _put(self, transaction: Transaction, show: Show, sku: str) -> int:
        item_id = self._ids.new()
        no = await insert_item(transaction, id=item_id, show_id=show.id, sku=sku)
        await store.insert_regular_sale(
            transaction,
            id=self._ids.new(),
            show=show,
            item=(item_id, sku),
            currency=self._currency,
        )
        return no

    async def _announce_floor(self, transaction: Transaction, room: Room) -> None:
        fresh = await store.select_floor(transaction, await select_room_by_id(transaction, room.id))
        transaction.announce(room.id, "room.state", msgspec.to_builtins(fresh))


async def announce_bag(transaction: Transaction, room_id: str) -> None:
    """Tell a room what is in the bag of its current show, and at what prices."""
    current = await select_current_show(transaction, room_id)
    if current is None or current.status == "ended":
        return
    payload = {
        "bag": msgspec.to_builtins(await store.select_bag(transaction, current.id)),
        "sales": msgspec.to_builtins(await store.select_sales(transaction, current.id)),
    }
    transaction.announce(room_id, "bag.changed", payload)
