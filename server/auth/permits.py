"""Signed, short-lived permits to press: what a socket in a room has earned, to be shown elsewhere.

Invariant: a permit is good for one person and one sale, for 45 s, and is renewed only by a socket
in the sale's room; it ends some seconds after the socket that earned it has left (`departures`), so
nobody has the right to press for longer than that. It is signed with a key of its own, so no other
token of ours is ever taken for one.
"""

from __future__ import annotations

from collections.abc import Callable

import jwt

from commerce.goods.press_rules.model import PermitState
from server.auth.departures import Departures
from server.auth.secret import derive_key
from server.auth.tokens import ALGORITHM

# Long enough to come back after a lost line that nobody has noticed yet, when it is renewed every
# 15 s, and after a process that died without a word.
LIFETIME_MS = 45_000
# A real permit has about 350 characters; longer input is not worth a signature check.
PERMIT_CHARS_MAX = 1_024
PURPOSE = "press permits"


class Permits:
    """Issues and judges permits under a key derived from the installation's secret.

    Without `departures` nobody is known to have left: a permit ends by its time alone.
    """

    def __init__(
        self, secret: bytes, now_ms: Callable[[], int], departures: Departures | None = None
    ) -> None:
        self._departures = departures
        self._key = derive_key(secret, PURPOSE)
        self._now_ms = now_ms

    def issue(self, *, user_id: str, sale_id: str, conn: str) -> str:
        """Return a permit; `conn` names the connection that earned it, for the log and evidence."""
        until_ms = self._now_ms() + LIFETIME_MS
        claims = {"sub": user_id, "sale": sale_id, "conn": conn, "until_ms": until_ms}
        if self._departures is not None:
            claims["seat"] = self._departures.earn(conn, until_ms)
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def leave(self, conn: str) -> None:
        """End, after a grace, the permits that a connection of this process has earned."""
        if self._departures is not None:
            self._departures.leave(conn)

    def excuse(self, conn: str) -> None:
        """Let the permits of a connection that is sent away live to their own end."""
        if self._departures is not None:
            self._departures.excuse(conn)

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
        if self._now_ms() >= until_ms:
            return "expired"
        has_left = self._departures is not None and self._departures.has_left(claims.get("seat"))
        return "left" if has_left else "good"
