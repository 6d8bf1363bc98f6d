"""Let people in: guests by a name, staff by a password, and nobody by guessing.

Invariant: an attempt counts as failed from before its password is checked, so a burst of
parallel guesses cannot outrun the brake.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Connection, Database, Ids
from commerce.members.accounts import store
from commerce.members.accounts.model import Staff, User
from commerce.members.accounts.rules import THROTTLE_WINDOW_MS, decide_name, decide_wait_ms

LOGIN_CHARS_MAX = 64
# More only costs hashing time; no person types it.
PASSWORD_CHARS_MAX = 200


class PasswordHasher(Protocol):
    """Slow, salted hashing, off the event loop."""

    async def hash(self, password: str) -> str:
        """Return the hash with its parameters as one string."""

    async def matches(self, password: str, stored_hash: str | None) -> bool:
        """Say whether the password fits; None (no such login) takes the same time."""


class AccountService:
    """Guests, logins and the staff that a seed brings."""

    def __init__(self, database: Database, ids: Ids, passwords: PasswordHasher) -> None:
        self._database = database
        self._ids = ids
        self._passwords = passwords

    async def enter_as_guest(self, name: str) -> User:
        """Create a guest; raises `invalid_request` for an impossible name."""
        user = User(id=self._ids.new(), name=decide_name(name), role="guest")
        async with self._database.transaction() as transaction:
            await store.insert_user(transaction, user)
        return user

    async def log_in(self, *, login: str, password: str, address: str) -> User:
        """Return the person with this login; raises `bad_credentials` or `slow_down`."""
        if len(login) > LOGIN_CHARS_MAX or len(password) > PASSWORD_CHARS_MAX:
            raise _bad_credentials()
        async with self._database.transaction() as transaction:
            await store.lock_address(transaction, address)
            failures = await store.select_failures(
                transaction, login=login, address=address, window_ms=THROTTLE_WINDOW_MS
            )
            wait_ms = decide_wait_ms(failures)
            if wait_ms is not None:
                raise CommerceError(
                    "slow_down",
                    "Too many failed logins from here.",
                    retryable=True,
                    retry_ms=wait_ms,
                )
            await store.insert_failure(transaction, login=login, address=address)
            await store.delete_old_failures(transaction, THROTTLE_WINDOW_MS)
            credential = await store.select_credential(transaction, login)
        stored_hash = credential.password_hash if credential else None
        if not await self._passwords.matches(password, stored_hash) or credential is None:
            raise _bad_credentials()
        async with self._database.transaction() as transaction:
            await store.delete_failures(transaction, login=login, address=address)
        return credential.user

    async def add_staff(self, staff: Sequence[Staff]) -> dict[str, str]:
        """Create the staff accounts that are missing; return login → user id of all."""
        user_ids: dict[str, str] = {}
        for person in staff:
            password_hash = await self._passwords.hash(person.password)
            async with self._database.transaction() as transaction:
                user_ids[person.login] = await self._add(transaction, person, password_hash)
        return user_ids

    async def _add(self, connection: Connection, person: Staff, password_hash: str) -> str:
        await store.lock_address(connection, f"seed of {person.login}")
        known = await store.select_credential(connection, person.login)
        if known is not None:
            return known.user.id
        user = User(self._ids.new(), decide_name(person.name), person.role, person.avatar)
        await store.insert_user(connection, user)
        await store.insert_credential(
            connection,
            login=person.login,
            user_id=user.id,
            password_hash=password_hash,
            is_demo=person.is_demo,
        )
        return user.id


async def has_demo_logins(connection: Connection) -> bool:
    """Say whether a login with a published password exists (`serve` then needs --demo)."""
    return await store.select_has_demo(connection)


def _bad_credentials() -> CommerceError:
    return CommerceError("bad_credentials", "Login or password is wrong.")
