"""A room is told at most twenty things a second by its staff; sales do not wait for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from commerce.kernel.errors import CommerceError
from server.db.database import PgDatabase, open_pool
from server.settings import Settings
from tests.support.shop import make_shop


async def test_staff_who_announce_too_fast_are_told_when_to_go_on(
    http: httpx.AsyncClient, settings: Settings
) -> None:
    login = await http.post("/api/login", json={"login": "host", "password": "demo-host"})
    headers = {"Authorization": f"Bearer {login.json()['token']}"}

    async def announce() -> httpx.Response:
        body = {"text": "one more thing"}
        return await http.post("/api/rooms/demo/announce", json=body, headers=headers)

    assert settings.database_url is not None
    database = PgDatabase(await open_pool(settings.database_url))
    async with database.transaction() as transaction:
        room_id = await transaction.fetchval("SELECT id FROM rooms WHERE slug = 'demo'")
        for _ in range(20):
            transaction.announce(room_id, "flash.opened", {})
    # "Just now" lasts as long as the test needs it to.
    await database.pool.execute("UPDATE room_events SET at_ms = at_ms + 60000")
    refused = await announce()
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["retryable"]) == (429, "slow_down", True)
    assert error["retry_ms"] == 1000
    assert refused.headers["Retry-After"] == "1"
    await database.pool.execute("UPDATE room_events SET at_ms = at_ms - 120000")
    assert (await announce()).status_code == 200
    await database.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PgDatabase]:
    """The general pool on this test's own database."""
    opened = PgDatabase(await open_pool(database_url))
    yield opened
    await opened.close()


async def say(database: PgDatabase, room_id: str, *types: str) -> bool:
    """Announce in a transaction of its own; return whether it was let through."""
    try:
        async with database.transaction() as transaction:
            for type in types:
                transaction.announce(room_id, type, {})
    except CommerceError as error:
        if error.code != "slow_down":
            raise
        return False
    return True


async def test_no_second_holds_more_than_twenty_and_no_offset_is_lost(
    database: PgDatabase,
) -> None:
    room_id = (await make_shop(database)).room.id
    for _ in range(3):
        await asyncio.gather(*(say(database, room_id, "announcement") for _ in range(30)))
    async with database.reading() as connection:
        rows = await connection.fetch(
            "SELECT log_offset, at_ms FROM room_events WHERE room_id = $1 ORDER BY log_offset",
            room_id,
        )
    assert [row["log_offset"] for row in rows] == list(range(1, len(rows) + 1))
    times = [row["at_ms"] for row in rows]
    assert all(later - earlier >= 1000 for earlier, later in zip(times, times[20:], strict=False))


async def test_what_moves_a_sale_does_not_wait(database: PgDatabase) -> None:
    room_id = (await make_shop(database)).room.id
    assert await say(database, room_id, *["flash.opened"] * 20)
    # "Just now" lasts as long as the test needs it to.
    await database.pool.execute("UPDATE room_events SET at_ms = at_ms + 60000")
    assert not await say(database, room_id, "announcement", "show.pinned")
    assert await say(database, room_id, "flash.closed")
