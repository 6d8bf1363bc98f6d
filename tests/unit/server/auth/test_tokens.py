"""Tokens say who somebody is for as long as their role allows."""

from __future__ import annotations

import jwt
import pytest

from server.auth.tokens import (
    GUEST_LIFETIME_MS,
    STAFF_LIFETIME_MS,
    Tokens,
)

SECRET = b"a key of at least thirty-two bytes"
NOW_MS = 1_700_000_000_000


def tokens(now_ms: int = NOW_MS, secret: bytes = SECRET) -> Tokens:
    """Return tokens at a moment."""
    return Tokens(secret, lambda: now_ms)


@pytest.mark.parametrize(
    ("role", "lifetime_ms"),
    [
        ("guest", GUEST_LIFETIME_MS),
        ("host", STAFF_LIFETIME_MS),
        ("moderator", STAFF_LIFETIME_MS),
        ("operator", STAFF_LIFETIME_MS),
    ],
)
def test_a_token_returns_its_identity_until_it_expires(role: str, lifetime_ms: int) -> None:
    """Thirty days for guests, twelve hours for staff."""
    identity = tokens().identity(user_id="u", name="陈小宇", role=role)
    token = tokens().issue(identity)
    assert tokens().identify(token) == identity
    assert tokens(NOW_MS + lifetime_ms - 1).identify(token) == identity
    assert tokens(NOW_MS + lifetime_ms).identify(token) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"name": "M", "role": "host", "exp": 4_000_000_000},
        {"sub": "u", "role": "host", "exp": 4_000_000_000},
        {"sub": "u", "name": "M", "role": "host"},
        {"sub": "u", "name": "M", "exp": 4_000_000_000},
        {"sub": "u", "name": "M", "role": "king", "exp": 4_000_000_000},
        {"sub": "u", "name": 5, "role": "host", "exp": 4_000_000_000},
        {"sub": "u", "name": "M", "role": "host", "exp": "soon"},
        {"sub": "u", "name": "M", "role": ["host"], "exp": 4_000_000_000},
    ],
)
def test_signed_claims_of_another_shape_are_nobody(claims: dict[str, object]) -> None:
    """A missing or strange claim is no identity, and no crash."""
    assert tokens().identify(jwt.encode(claims, SECRET, algorithm="HS256")) is None


def test_another_key_or_algorithm_is_nobody() -> None:
    """Only HS256 under our key counts."""
    claims = {"sub": "u", "name": "M", "role": "operator", "exp": 4_000_000_000}
    other = b"another key with at least 32 bytes"
    assert tokens().identify(jwt.encode(claims, other, algorithm="HS256")) is None
    assert tokens().identify(jwt.encode(claims, None, algorithm="none")) is None
    long = jwt.encode(claims, SECRET * 2, algorithm="HS512")
    assert tokens(secret=SECRET * 2).identify(long) is None


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "\x00", "ü", "x" * 5_000])
def test_nonsense_is_nobody(token: str) -> None:
    """Whatever arrives, the answer is None."""
    assert tokens().identify(token) is None
