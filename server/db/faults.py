"""Which exceptions mean that a server is away or busy, and which that a value cannot be."""

from __future__ import annotations

import asyncpg

from realtime.brokers.ports import BrokerUnavailableError

# PostgreSQL: repeating helps, now or later. A write whose COMMIT was cut off may have happened:
# callers repeat it with the same key.
UNAVAILABLE: tuple[type[Exception], ...] = (
    OSError,  # Refused, unreachable, its socket file gone; TimeoutError is one too.
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # Starting, stopping, crashed, or a statement's time over.
    asyncpg.InsufficientResourcesError,  # Its disk, its memory or its connections are used up.
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,  # A deadlock, or a snapshot that was too late.
    asyncpg.LockNotAvailableError,
)
# Redis as well.
AWAY: tuple[type[Exception], ...] = (*UNAVAILABLE, BrokerUnavailableError)

# A value that fits its Python type but no column: a number beyond bigint, a NUL in a text.
IMPOSSIBLE_VALUE: tuple[type[Exception], ...] = (asyncpg.DataError,)
