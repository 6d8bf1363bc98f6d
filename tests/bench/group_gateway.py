"""One gateway's core in a process of its own, with a crowd of its own that presses.

python -m tests.bench.group_gateway DATABASE_URL

`WHAT SALE COUNT WAITING` on stdin (`reserve` or `join`) is answered with `ready`, and `go` with
`done` and each answer's wait in ms. The sale is unknown here until the first press, as it is in a
gateway when a sale opens; the collector is set as in a gateway.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import uvloop

from commerce.goods.inventory.model import Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.sales.group_buys.model import Seat
from commerce.sales.group_buys.service import GroupBuys
from server.db.database import PgDatabase, open_pool, open_reserve_pool
from server.ops import collector
from server.wiring.sources import monotonic_ms
from tests.bench.fanout.publisher import say
from tests.bench.reserve.core import time_presses
from tests.support.shop import Silence

Decide = Callable[[str], Awaitable[bool]]


class Gateway:
    """A reservation core, and the teams on it."""

    def __init__(self, core: InventoryService, groups: GroupBuys) -> None:
        self.core, self.groups = core, groups

    def reserve(self, sale_id: str) -> Decide:
        """Reserve a unit plainly; say whether the press won."""

        async def decide(user_id: str) -> bool:
            answer = await self.core.reserve(user_id=user_id, sale_id=sale_id, qty=1, key="k")
            return isinstance(answer, Reserved)

        return decide

    def join(self, sale_id: str) -> Decide:
        """Join any team; say whether there was a seat."""

        async def decide(user_id: str) -> bool:
            return isinstance(
                await self.groups.join(user_id=user_id, sale_id=sale_id, key="k"), Seat
            )

        return decide


async def serve(database_url: str) -> None:
    """Obey until stdin ends."""
    database = PgDatabase(await open_pool(database_url))
    connections = await open_reserve_pool(database_url)
    core = InventoryService(connections, database, Silence(), monotonic_ms)
    gateway = Gateway(core, GroupBuys(database, core))
    collector.take_over()
    while line := await asyncio.to_thread(sys.stdin.readline):
        what, sale_id, count, waiting = line.split()
        decide = gateway.reserve(sale_id) if what == "reserve" else gateway.join(sale_id)
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        run = await time_presses(decide, int(count), int(waiting))
        say("done", waited_ms=[round(ms, 1) for ms in run.latencies_ms])
    await connections.close()
    await database.close()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
