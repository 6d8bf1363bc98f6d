"""What an error of the database says of a piece of work: whose it is, and whether it was done."""

from __future__ import annotations

import asyncpg

# A broken connection: nobody knows whether the work was committed, so it is asked again.
LOST_CONNECTION = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
)
# A row to be locked is in other hands, or the work gave way to another transaction: nothing was
# committed, nothing of the work is to blame, and every part of it would meet the same.
HELD_UP = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
