"""One process of several that press for one pool: `go` on stdin begins, a JSON line ends it.

python -m tests.bench.reserve.presser DATABASE_URL SALE COUNT WAITING
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from commerce.goods.inventory.model import Reserved
from commerce.goods.inventory.service import InventoryService
from server.db.database import PgDatabase, open_pool, open_reserve_pool
from server.wiring.sources import monotonic_ms
from tests.bench.fanout.publisher import say
from tests.bench.reserve.core import time_presses
from tests.support.shop import Silence


async def press(database_url: str, sale_id: str, count: int, waiting: int) -> None:
    """Press for buyers of this process's own, as fast as they are decided."""
    database = PgDatabase(await open_pool(database_url))
    connections = await open_reserve_pool(database_url)
    core = InventoryService(connections, database, Silence(), monotonic_ms)

    async def decide(user_id: str) -> bool:
        answer = await core.reserve(user_id=user_id, sale_id=sale_id, qty=1, key="k")
        return isinstance(answer, Reserved)

    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    run = await time_presses(decide, count, waiting)
    say("done", per_s=run.per_s, p99_ms=run.p99_ms)
    await asyncio.to_thread(sys.stdin.read)
    await connections.close()
    await database.close()


if __name__ == "__main__":
    uvloop.run(press(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
