"""Whoever is cancelled stops, also when the database is lost at that very moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest

from server.db.database import PgDatabase, open_pool

Open = Callable[[PgDatabase], AbstractAsyncContextManager[Any]]
TIMEOUT_S = 20.0


@pytest.mark.parametrize("open_transaction", [PgDatabase.transaction, PgDatabase.reading])
async def test_a_lost_connection_does_not_hide_a_cancellation(
    database: PgDatabase, database_url: str, open_transaction: Open
) -> None:
    inside: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait_in_a_transaction() -> None:
        async with open_transaction(database) as connection:
            inside.set_result(await connection.fetchval("SELECT pg_backend_pid()"))
            await asyncio.Event().wait()

    task = asyncio.create_task(wait_in_a_transaction())
    pid = await inside
    other = await open_pool(database_url)
    # Gone before the rollback, which then fails in place of the cancellation.
    assert await other.fetchval("SELECT pg_terminate_backend($1, 10000)", pid)
    await other.close()
    task.cancel()
    await asyncio.wait([task], timeout=TIMEOUT_S)
    assert task.cancelled()


async def test_without_a_cancellation_the_loss_is_told(
    database: PgDatabase, database_url: str
) -> None:
    other = await open_pool(database_url)

    async def lose_the_connection() -> None:
        async with database.transaction() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            assert await other.fetchval("SELECT pg_terminate_backend($1, 10000)", pid)

    with pytest.raises(asyncpg.InterfaceError):
        await lose_the_connection()
    await other.close()
