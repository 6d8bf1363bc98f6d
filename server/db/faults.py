"""Which exceptions mean that PostgreSQL is away or busy, and which that a value cannot be."""

from __future__ import annotations

import asyncpg

# A write whose COMMIT was cut off may have happened: callers repeat it with the same key.
UNAVAILABLE: tuple[type[Exception], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    ConnectionError,
    TimeoutError,
)

# A value that fits its Python type but no column: a number beyond bigint, a NUL in a text.
IMPOSSIBLE_VALUE: tuple[type[Exception], ...] = (asyncpg.DataError,)
