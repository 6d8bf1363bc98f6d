"""Passwords as argon2id hashes, computed off the event loop and few at a time."""

from __future__ import annotations

import asyncio

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

# One hash takes 64 MiB and all of a core for some 50 ms: a flood must queue, not pile up.
HASHES_AT_ONCE_MAX = 2


class Passwords:
    """Hashes and checks passwords; satisfies the accounts feature's `PasswordHasher` port."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        self._turns = asyncio.Semaphore(HASHES_AT_ONCE_MAX)
        self._nobodys_hash: str | None = None

    async def hash(self, password: str) -> str:
        """Return a salted hash with its parameters, as one string."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, stored_hash: str | None) -> bool:
        """Say whether the password fits; None (no such login) costs the same time."""
        if self._nobodys_hash is None:
            self._nobodys_hash = await self.hash("nobody has this password")
        async with self._turns:
            fits = await asyncio.to_thread(
                self._verify, stored_hash or self._nobodys_hash, password
            )
        return fits and stored_hash is not None

    def _verify(self, stored_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored_hash, password)
        except (VerificationError, InvalidHashError):
            return False
