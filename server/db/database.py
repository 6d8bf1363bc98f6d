"""Transactions over asyncpg that tell the world only what is committed.

Invariant: whatever a transaction announces is appended to the room's log as its very last
statement before COMMIT (the offset row is the last lock) and is published right after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import msgspec
import orjson

from commerce.community.moderation.model import StoredLine
from commerce.community.moderation.store import insert_lines
from commerce.kernel.ports import Connection, SystemLine
from commerce.records.room_log.model import RoomEvent, StoredEvent
from commerce.records.room_log.store import append_events
from server.db.faults import AWAY

log = logging.getLogger(__name__)

# General work: short transactions only. The reservation core has connections of its own.
POOL_CONNECTIONS_MIN = 1
POOL_CONNECTIONS_MAX = 8
# No request waits longer for a free connection; the caller gets `database_unavailable`.
ACQUIRE_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MS = 5_000
# The server's own limits come first; this one is for a server that went without a word.
COMMAND_TIMEOUT_S = 15.0
# Prepared on each connection, the least used let go first; each is memory of the server.
STATEMENTS_KEPT = 100
# A readiness probe gives up on us soon after.
ALIVE_TIMEOUT_S = 2.0

RESERVE_CONNECTIONS_MIN = 2
RESERVE_CONNECTIONS_MAX = 4
# A batch takes milliseconds; whoever waits longer than this for the hot row has met a fault.
RESERVE_LOCK_TIMEOUT_MS = 2_000
RESERVE_STATEMENT_TIMEOUT_MS = 3_000


class Told(msgspec.Struct):
    """What one committed transaction has to tell: filled inside it, handed over after COMMIT."""

    events: list[StoredEvent] = []
    direct: list[tuple[str, str, str, bytes]] = []
    touched: set[tuple[str, str]] = set()
    lines: list[tuple[str, SystemLine]] = []


Publish = Callable[[Told], Awaitable[None]]


class PgTransaction:
    """An open transaction: asyncpg's calls, and the four ways of telling after COMMIT."""

    def __init__(self, connection: Any) -> None:
        self.fetch = connection.fetch
        self.fetchrow = connection.fetchrow
        self.fetchval = connection.fetchval
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.announced: list[RoomEvent] = []
        self.told = Told()

    def announce(self, room_id: str, type: str, payload: dict[str, Any]) -> None:
        """Append to the room's sale lane just before COMMIT."""
        self.announced.append(RoomEvent(room_id, type, orjson.dumps(payload)))

    def tell(self, room_id: str, user_id: str, type: str, payload: dict[str, Any]) -> None:
        """Push to one user after COMMIT."""
        self.told.direct.append((room_id, user_id, type, orjson.dumps(payload)))

    def touch(self, room_id: str, sale_id: str) -> None:
        """Mark the sale's stock figures as changed."""
        self.told.touched.add((room_id, sale_id))

    def say(self, room_id: str, line: SystemLine) -> None:
        """Put a line of the house into the room's chat: stored with COMMIT, shown after it."""
        self.told.lines.append((room_id, line))


async def _tell_nobody(told: Told) -> None:
    """Publish nothing: the worker's relay re-publishes what the log holds."""


class PgDatabase:
    """The general connection pool of one process."""

    def __init__(self, pool: asyncpg.Pool, publish: Publish = _tell_nobody) -> None:
        self.pool = pool
        self.publish = publish

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PgTransaction]:
        """Open a transaction; on leaving append what was announced, COMMIT, then publish."""
        with _cancellation_first():
            async with (
                self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection,
                connection.transaction(),
            ):
                transaction = PgTransaction(connection)
                yield transaction
                for room_id, line in transaction.told.lines:
                    stored = StoredLine(
                        line.id, None, line.name, line.text, (line.flag,), line.at_ms
                    )
                    await insert_lines(transaction, room_id, [stored])
                if transaction.announced:
                    transaction.told.events = await append_events(
                        transaction, transaction.announced
                    )
        await self._publish_quietly(transaction.told)

    async def _publish_quietly(self, told: Told) -> None:
        """Publish after COMMIT.

        A failure loses no promise: the relay re-publishes the log, figures are re-read; a push to
        one user or a line of the house is a courtesy that is not made twice.
        """
        if told.events or told.direct or told.touched or told.lines:
            try:
                await self.publish(told)
            except AWAY as error:
                log.warning("publishing after commit failed: %s", error)
            except Exception:
                log.exception("publishing after commit failed")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """Open a REPEATABLE READ, READ ONLY transaction."""
        with _cancellation_first():
            async with (
                self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection

    async def is_alive(self) -> bool:
        """Say whether a trivial query is answered soon enough to call this process ready."""
        try:
            async with asyncio.timeout(ALIVE_TIMEOUT_S), self.pool.acquire() as connection:
                return bool(await connection.fetchval("SELECT true"))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    async def close(self) -> None:
        """Close every connection."""
        await self.pool.close()


@contextmanager
def _cancellation_first() -> Iterator[None]:
    """Let a cancellation through that a failure hides.

    A statement that is cut off is rolled back, and the rollback fails when the connection is lost
    at that moment. Whoever goes on after a lost connection would then go on after having been
    cancelled.
    """
    task = asyncio.current_task()
    cancels = 0 if task is None else task.cancelling()
    try:
        yield
    except Exception as error:
        if task is not None and task.cancelling() > cancels:
            raise asyncio.CancelledError from error
        raise


async def open_pool(database_url: str, statements_kept: int = STATEMENTS_KEPT) -> asyncpg.Pool:
    """Open the connections of general work; their limits are the server's, while it answers."""
    pool = await asyncpg.create_pool(
        database_url,
        min_size=POOL_CONNECTIONS_MIN,
        max_size=POOL_CONNECTIONS_MAX,
        timeout=ACQUIRE_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        statement_cache_size=statements_kept,
        reset=_keep_as_it_is,
        init=_use_text_ids,
        server_settings={
            "application_name": "hubbub",
            "default_transaction_isolation": "read committed",
            "synchronous_commit": "on",
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "idle_in_transaction_session_timeout": "30000",
        },
    )
    assert pool is not None
    return pool


async def _use_text_ids(connection: asyncpg.Connection) -> None:
    """Read and write UUIDs as text: ids are text everywhere above the database."""
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=str, decoder=str, format="text"
    )


async def open_reserve_pool(
    database_url: str, warm_up: Callable[[asyncpg.Connection], Awaitable[None]] | None = None
) -> asyncpg.Pool:
    """Open the reservation core's own connections: no reset between batches, no client cancel.

    The timeouts are the server's: a cancel sent during COMMIT would leave an unknown outcome.
    `warm_up` is run once on each; they stay open for the next rush, however long that takes.
    """

    async def init(connection: asyncpg.Connection) -> None:
        if warm_up is not None:
            with contextlib.suppress(asyncpg.PostgresError):  # It will refuse the presses as well.
                await warm_up(connection)

    pool = await asyncpg.create_pool(
        database_url,
        min_size=RESERVE_CONNECTIONS_MIN,
        max_size=RESERVE_CONNECTIONS_MAX,
        timeout=ACQUIRE_TIMEOUT_S,
        reset=_keep_as_it_is,
        init=init,
        max_inactive_connection_lifetime=0,
        server_settings={
            "application_name": "hubbub reserve",
            "default_transaction_isolation": "read committed",
            "synchronous_commit": "on",
            "lock_timeout": str(RESERVE_LOCK_TIMEOUT_MS),
            "statement_timeout": str(RESERVE_STATEMENT_TIMEOUT_MS),
            "jit": "off",
            # The arrays are short and the keys exact: only index look-ups make sense here.
            "enable_seqscan": "off",
            "enable_hashjoin": "off",
            "enable_mergejoin": "off",
        },
    )
    assert pool is not None
    return pool


async def _keep_as_it_is(connection: asyncpg.Connection) -> None:
    """Skip asyncpg's reset, a round trip for every transaction: nothing outlives one here.

    Settings are changed by SET LOCAL, locks are rows' or a transaction's, and nobody listens.
    """
