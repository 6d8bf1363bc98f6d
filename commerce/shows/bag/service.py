"""Pin and unpin: exactly one item is being explained, and when is kept."""

from __future__ import annotations

from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ports import Ids, Transaction
from commerce.shows.bag import store
from commerce.shows.schedule.model import Room, Show
from commerce.shows.schedule.store import select_current_show


async def live_show(transaction: Transaction, room: Room) -> Show:
    """Return the room's live show; raises `show_not_live`."""
    show = await select_current_show(transaction, room.id)
    if show is None or show.status != "live":
        raise CommerceError("show_not_live", "There is no live show in this room.")
    return show


async def pin(transaction: Transaction, ids: Ids, room: Room, item_id: str) -> None:
    """Pin an item of the live show and tell the room; pinning it again changes nothing."""
    show = await live_show(transaction, room)
    if await store.select_item(transaction, item_id=item_id, show_id=show.id) is None:
        raise not_found("item in the bag")
    if await store.select_pinned(transaction, show.id) == item_id:
        return
    await store.close_pin(transaction, show.id)
    await store.insert_pin(transaction, id=ids.new(), show_id=show.id, item_id=item_id)
    transaction.announce(room.id, "show.pinned", {"item": item_id})


async def unpin(transaction: Transaction, room: Room) -> None:
    """End the open pin, if there is one, and tell the room."""
    show = await live_show(transaction, room)
    item_id = await store.close_pin(transaction, show.id)
    if item_id is not None:
        transaction.announce(room.id, "show.unpinned", {"item": item_id})
