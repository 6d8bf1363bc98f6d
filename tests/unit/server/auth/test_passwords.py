"""Passwords are checked against hashes, and nobody's login takes the same path."""

from __future__ import annotations

import argon2

from server.auth.passwords import Passwords

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


async def test_only_the_right_password_fits() -> None:
    """A hash is salted and never the password."""
    passwords = Passwords(CHEAP)
    stored = await passwords.hash("demo-host")
    assert stored != await passwords.hash("demo-host")
    assert "demo-host" not in stored
    assert await passwords.matches("demo-host", stored)
    assert not await passwords.matches("demo-hosts", stored)
    assert not await passwords.matches("demo-host", "no hash at all")


async def test_an_unknown_login_is_checked_against_a_hash_as_well() -> None:
    """So that the time does not tell which logins exist."""
    checked: list[str] = []

    class Spy(argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            checked.append(str(hash))
            return super().verify(hash, password)

    passwords = Passwords(Spy(time_cost=1, memory_cost=8, parallelism=1))
    assert not await passwords.matches("anything", None)
    assert not await passwords.matches("nobody has this password", None)
    assert len(checked) == 2
