"""Signed, expiring tokens: who somebody is, without a look into the database.

Invariant: only HS256 under the installation's key is accepted, and nothing without an expiry.
"""

from __future__ import annotations

from collections.abc import Callable

import jwt

from realtime.rooms.ports import Identity

ROLES = ("guest", "host", "moderator", "operator")
STAFF_ROLES = frozenset({"host", "moderator", "operator"})
# A guest's orders hang on the token alone; staff rights must not outlive a working day.
GUEST_LIFETIME_MS = 30 * 86_400_000
STAFF_LIFETIME_MS = 12 * 3_600_000
# A real token has about 250 characters; longer input is not worth a signature check.
TOKEN_CHARS_MAX = 2_048
ALGORITHM = "HS256"

SESSION_COOKIE = "hubbub_session"


class Tokens:
    """Issues and reads tokens; satisfies realtime's `Authenticator` port."""

    def __init__(self, secret: bytes, now_ms: Callable[[], int]) -> None:
        self._secret = secret
        self._now_ms = now_ms

    def identity(self, *, user_id: str, name: str, role: str) -> Identity:
        """Return the identity with an expiry, counted from now, that fits the role."""
        lifetime_ms = STAFF_LIFETIME_MS if role in STAFF_ROLES else GUEST_LIFETIME_MS
        return Identity(user_id, name, role, self._now_ms() + lifetime_ms)

    def issue(self, identity: Identity) -> str:
        """Return a signed token for the identity."""
        claims = {
            "sub": identity.user_id,
            "name": identity.name,
            "role": identity.role,
            "exp": identity.expires_ms // 1000,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def identify(self, token: str) -> Identity | None:
        """Return whose token it is, or None when it is forged, expired or not a token."""
        if len(token) > TOKEN_CHARS_MAX:
            return None
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                options={"require": ["sub", "exp"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError):
            return None
        return self._identity_of(claims)

    def _identity_of(self, claims: dict[str, object]) -> Identity | None:
        """Check the shape of signed claims: an older release may have signed other ones."""
        user_id, name = claims.get("sub"), claims.get("name")
        role, expires_s = claims.get("role"), claims.get("exp")
        if not isinstance(user_id, str) or not isinstance(name, str) or role not in ROLES:
            return None
        if not isinstance(expires_s, int) or expires_s * 1000 <= self._now_ms():
            return None
        return Identity(user_id, name, str(role), expires_s * 1000)
