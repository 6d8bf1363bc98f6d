"""Everything a request handler may use, built once a process by `server/wiring`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request

from commerce.community.chat_archive.service import ChatArchive
from commerce.goods.carts.service import CartService
from commerce.goods.inventory.service import InventoryService
from commerce.goods.waiting_list.service import WaitingList
from commerce.kernel.ports import Clock, Ids
from commerce.sales.coupons.service import Drops
from commerce.sales.draws.service import Draws
from commerce.sales.group_buys.service import GroupBuys
from commerce.sales.show_floor.service import ShowFloor
from server.auth.permits import Permits
from server.db.database import PgDatabase
from server.room_state import RoomStates
from server.settings import Settings
from server.video.service import LiveVideo


class Services(msgspec.Struct, frozen=True):
    """The services of one gateway process."""

    settings: Settings
    database: PgDatabase
    clock: Clock
    ids: Ids
    inventory: InventoryService
    waiting_list: WaitingList
    carts: CartService
    permits: Permits
    draws: Draws
    drops: Drops
    groups: GroupBuys
    floor: ShowFloor
    states: RoomStates
    archive: ChatArchive
    video: LiveVideo
    count_viewers: Callable[[str], Awaitable[int]]
    """Viewers of a room over all processes; 0 while Redis is away."""
    is_link_ok: Callable[[], bool]
    metrics: Callable[[], bytes]


def services_of(request: Request) -> Services:
    """Return the services that the app was built with."""
    services: Services = request.app.state.services
    return services
