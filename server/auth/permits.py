"""Signed, short-lived permits to press: what a socket in a room has earned, to be shown elsewhere.

Invariant: a permit is good for one person and one sale, for 45 s, and is renewed only by a socket
in the sale's room; so nobody has the right to press for longer than that after they have left. It
is signed with a key of its own, so no other token of ours is ever taken for one.
"""

from __future__ import annotations

from collections.abc import Callable

import jwt

from commerce.goods.press_rules.model import PermitState
from server.auth.secret import derive_key
from server.auth.tokens import ALGORITHM

# Long enough to come back after a lost line, when it is renewed every 15 s; nothing that a process
# knows tells a lost line from a person who has left, so this is how long the latter is taken for
# the former.
LIFETIME_MS = 45_000
# A real permit has about 350 characters; longer input is not worth a signature check.
PERMIT_CHARS_MAX = 1_024
PURPOSE = "press permits"


class Permits:
    """Issues and judges permits under a key derived from the installation's secret."""

    def __init__(self, secret: bytes, now_ms: Callable[[], int]) -> None:
        self._key = derive_key(secret, PURPOSE)
        self._now_ms = now_ms

    def issue(self, *, user_id: str, sale_id: str, conn: str) -> str:
        """Return a permit; `conn` names the connection that earned it, for the log and evidence."""
        claims = {
            "sub": user_id,
            "sale": sale_id,
            "conn": conn,
            "until_ms": self._now_ms() + LIFETIME_MS,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def judge(self, permit: str | None, *, user_id: str, sale_id: str) -> PermitState:
        """Say what a permit is worth in the hands of this person at this sale."""
        if not permit:
            return "missing"
        if len(permit) > PERMIT_CHARS_MAX:
            return "forged"
        try:
            claims = jwt.decode(permit, self._key, algorithms=[ALGORITHM])
        except (jwt.PyJWTError, ValueError):
            return "forged"
        until_ms = claims.get("until_ms")
        if not isinstance(until_ms, int):
            return "forged"
        if claims.get("sub") != user_id:
            return "other_user"
        if claims.get("sale") != sale_id:
            return "other_sale"
        return "good" if self._now_ms() < until_ms else "expired"
