"""SQL of accounts: people, their credentials, and the failed logins of the last minutes."""

from __future__ import annotations

from typing import Any

from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection
from commerce.members.accounts.model import Credential, Failures, User
from commerce.records.clock.store import select_now_ms

INSERT_USER = "INSERT INTO users (id, name, role, avatar) VALUES ($1, $2, $3, $4)"
SELECT_USER = "SELECT id, name, role, avatar FROM users WHERE id = $1"
SELECT_CREDENTIAL = """
    SELECT c.password_hash, u.id, u.name, u.role, u.avatar
    FROM credentials c JOIN users u ON u.id = c.user_id WHERE c.login = $1
"""
INSERT_CREDENTIAL = """
    INSERT INTO credentials (login, user_id, password_hash, is_demo) VALUES ($1, $2, $3, $4)
"""
SELECT_HAS_DEMO = "SELECT EXISTS (SELECT 1 FROM credentials WHERE is_demo)"
# Attempts from one address are counted one after another, or a burst would all see zero.
LOCK_ADDRESS = "SELECT pg_advisory_xact_lock(hashtextextended('login ' || $1, 0))"
SELECT_FAILURES = """
    SELECT login, at_ms, clock_ms() AS now_ms FROM login_failures
    WHERE address = $1 AND at_ms > (SELECT clock_ms()) - $2::bigint ORDER BY at_ms
"""
INSERT_FAILURE = "INSERT INTO login_failures (login, address) VALUES ($1, $2)"
DELETE_FAILURES = "DELETE FROM login_failures WHERE login = $1 AND address = $2"
# A few old rows go with every attempt, so the table never outgrows the window by much.
DELETE_OLD_FAILURES = """
    DELETE FROM login_failures WHERE id IN (
        SELECT id FROM login_failures WHERE at_ms <= (SELECT clock_ms()) - $1::bigint
        ORDER BY at_ms LIMIT 100 FOR UPDATE SKIP LOCKED
    )
"""


async def insert_user(connection: Connection, user: User) -> None:
    """Store a new person."""
    await connection.execute(INSERT_USER, user.id, user.name, user.role, user.avatar)


async def select_user(connection: Connection, user_id: str) -> User:
    """Return a person; raises `not_found`."""
    row = await connection.fetchrow(SELECT_USER, user_id)
    if row is None:
        raise not_found("user")
    return _user(row)


async def select_credential(connection: Connection, login: str) -> Credential | None:
    """Return a login with the person behind it."""
    row = await connection.fetchrow(SELECT_CREDENTIAL, login)
    return Credential(row["password_hash"], _user(row)) if row else None


async def insert_credential(
    connection: Connection, *, login: str, user_id: str, password_hash: str, is_demo: bool
) -> None:
    """Store a login for a person."""
    await connection.execute(INSERT_CREDENTIAL, login, user_id, password_hash, is_demo)


async def select_has_demo(connection: Connection) -> bool:
    """Say whether any login still has a published password."""
    return bool(await connection.fetchval(SELECT_HAS_DEMO))


async def lock_address(connection: Connection, address: str) -> None:
    """Let attempts from one address wait for each other until COMMIT."""
    await connection.execute(LOCK_ADDRESS, address)


async def select_failures(
    connection: Connection, *, login: str, address: str, window_ms: int
) -> Failures:
    """Return when logins from this address failed inside the window."""
    rows = await connection.fetch(SELECT_FAILURES, address, window_ms)
    return Failures(
        of_login=[row["at_ms"] for row in rows if row["login"] == login],
        of_address=[row["at_ms"] for row in rows],
        now_ms=rows[0]["now_ms"] if rows else await select_now_ms(connection),
    )


async def insert_failure(connection: Connection, *, login: str, address: str) -> None:
    """Count an attempt as failed until it has succeeded."""
    await connection.execute(INSERT_FAILURE, login, address)


async def delete_failures(connection: Connection, *, login: str, address: str) -> None:
    """Forget the failures of a login that has succeeded from this address."""
    await connection.execute(DELETE_FAILURES, login, address)


async def delete_old_failures(connection: Connection, window_ms: int) -> None:
    """Remove some failures that are outside the window."""
    await connection.execute(DELETE_OLD_FAILURES, window_ms)


def _user(row: Any) -> User:
    return User(id=str(row["id"]), name=row["name"], role=row["role"], avatar=row["avatar"])
