"""Tell in one line why a database or a Redis cannot be used.

Invariant: no password of an address is ever part of the line.
"""

from __future__ import annotations

import asyncpg
import redis.asyncio
import redis.exceptions

from server.ops.errors import OperationalError
from server.ops.logging import redact

CONNECT_TIMEOUT_S = 10.0
MAJOR_VERSION_MIN = 15


async def require_database(database_url: str) -> str:
    """Connect once and return the server's version.

    Raises OperationalError when it is out of reach or older than our SQL needs.
    """
    try:
        connection = await asyncpg.connect(database_url, timeout=CONNECT_TIMEOUT_S)
        try:
            version: int = connection.get_server_version().major
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _out_of_reach("PostgreSQL", database_url, error) from error
    if version < MAJOR_VERSION_MIN:
        raise OperationalError(
            f"the database is PostgreSQL {version}; {MAJOR_VERSION_MIN} or newer is needed."
        )
    return str(version)


async def require_redis(redis_url: str) -> str:
    """Connect once and return the server's version. Raises OperationalError when out of reach."""
    try:
        client = redis.asyncio.from_url(redis_url, socket_connect_timeout=CONNECT_TIMEOUT_S)
        try:
            facts = await client.info("server")
        finally:
            await client.aclose()
    except (OSError, ValueError, redis.exceptions.RedisError) as error:
        raise _out_of_reach("Redis", redis_url, error) from error
    return str(facts.get("valkey_version") or facts.get("redis_version"))


def _out_of_reach(what: str, url: str, error: Exception) -> OperationalError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return OperationalError(f"cannot reach {what} at {redact(url)}: {redact(reason)}")
