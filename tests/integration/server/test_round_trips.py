"""What a transaction costs besides its own statements: BEGIN and COMMIT."""

from __future__ import annotations

import asyncpg

from server.db.database import PgDatabase


async def test_nothing_is_asked_after_a_commit(database: PgDatabase, database_url: str) -> None:
    """A pool's usual reset was a seventh of all round trips of a busy shop."""
    async with database.transaction() as transaction:
        pid = await transaction.fetchval("SELECT pg_backend_pid()")
    watcher = await asyncpg.connect(database_url)
    last = await watcher.fetchval("SELECT query FROM pg_stat_activity WHERE pid = $1", pid)
    await watcher.close()
    assert last == "COMMIT;"


async def test_what_is_set_in_a_transaction_ends_with_it(database: PgDatabase) -> None:
    async with database.transaction() as transaction:
        pid = await transaction.fetchval("SELECT pg_backend_pid()")
        await transaction.execute("SET LOCAL statement_timeout = 77")
    async with database.reading() as connection:
        assert await connection.fetchval("SELECT pg_backend_pid()") == pid
        assert await connection.fetchval("SHOW statement_timeout") == "10s"
