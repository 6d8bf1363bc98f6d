"""A crowd of viewers over a running program."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import pytest

from tests.support.api import Caller, enter, eventually
from tests.support.pg_proxy import PgProxy
from tests.support.viewer import Viewer

Crowd = Callable[[str, int], Awaitable[list[tuple[Caller, Viewer]]]]


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    """Return `crowd(url, count)`: that many guests, each connected, all gone at the end."""
    tasks: list[asyncio.Task[None]] = []
    callers: list[Caller] = []

    async def gather(url: str, count: int) -> list[tuple[Caller, Viewer]]:
        people = []
        for n in range(count):
            caller = await enter(url, f"guest {n}")
            viewer = Viewer(url, token=caller.token)
            callers.append(caller)
            tasks.append(asyncio.create_task(viewer.run()))
            people.append((caller, viewer))
        async with asyncio.timeout(60):
            await asyncio.gather(*(viewer.is_in.wait() for _, viewer in people))
        return people

    yield gather
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for caller in callers:
        await caller.close()


async def read_log(database_url: str) -> list[tuple[int, str]]:
    """Return (offset, type) of the demo room's log."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT log_offset, type FROM room_events ORDER BY log_offset"
        )
    finally:
        await connection.close()
    return [(row["log_offset"], row["type"]) for row in rows]


async def all_at(viewers: list[Viewer], offset: int) -> None:
    """Wait until every viewer has the log up to this offset."""

    async def are_there() -> bool:
        return all(viewer.offset >= offset for viewer in viewers)

    await eventually(are_there)


@pytest.fixture
def proxy(database_url: str) -> Iterator[PgProxy]:
    """A proxy before the test's database, which can strike at a named commit."""
    proxy = PgProxy(database_url).start()
    yield proxy
    proxy.stop()
