"""Signed tickets to publish and to watch, and sealed handles of sessions.

Invariant: a ticket is good for one room, one act and one holder, under a key of its own, so no
other token of ours is ever taken for one. A handle can only be made by us and read by us: whoever
has one has begun that session. Both are the same in every process and need no table.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from typing import Literal

import jwt
import msgspec
from cryptography.fernet import Fernet, InvalidToken

from server.auth.secret import derive_key
from server.auth.tokens import ALGORITHM

Act = Literal["publish", "play"]

# Time to begin, not to watch: a session that has begun goes on.
PLAY_LIFETIME_MS = 5 * 60_000
# A host makes ready, tries the picture and comes back after a lost line, all with one ticket.
PUBLISH_LIFETIME_MS = 60 * 60_000
# A real ticket has about 400 characters, a handle at most 900 with an engine's address in it.
TOKEN_CHARS_MAX = 1_024
HANDLE_CHARS_MAX = 2_048
STREAM_KEY_PREFIX = "hsk_"
STREAM_KEY_BYTES = 32
KEY_HOLDER = "key:"
USER_HOLDER = "user:"


class Ticket(msgspec.Struct, frozen=True):
    """What its bearer may do; `holder` says who it is, `show` is the id that it was given for.

    What is published with one that gives way is replaced by anybody's picture without asking.
    """

    act: Act
    room_id: str
    holder: str
    show: str | None = None
    may_take_over: bool = False
    expires_ms: int = 0
    gives_way: bool = False


class SessionHandle(msgspec.Struct, frozen=True, array_like=True):
    """A begun session: whose it is, what the engine calls it, and the offer's `ice-ufrag`."""

    act: Act
    room_id: str
    holder: str
    ref: str
    ufrag: str


class VideoTickets:
    """Issues and reads tickets and handles under keys derived from the installation's secret."""

    def __init__(self, secret: bytes, now_ms: Callable[[], int]) -> None:
        self._key = derive_key(secret, "video tickets")
        seal = bytes.fromhex(derive_key(secret, "video sessions"))
        self._seal = Fernet(base64.urlsafe_b64encode(seal))
        self._now_ms = now_ms

    def issue(  # noqa: PLR0913 - the claims of one ticket.
        self,
        *,
        act: Act,
        room_id: str,
        holder: str,
        show: str | None,
        may_take_over: bool = False,
        gives_way: bool = False,
    ) -> tuple[str, Ticket]:
        """Return a token and what it says."""
        lifetime_ms = PUBLISH_LIFETIME_MS if act == "publish" else PLAY_LIFETIME_MS
        until_ms = self._now_ms() + lifetime_ms
        ticket = Ticket(act, room_id, holder, show, may_take_over, until_ms, gives_way)
        claims = msgspec.to_builtins(ticket)
        return jwt.encode(claims, self._key, algorithm=ALGORITHM), ticket

    def read(self, token: str) -> Ticket | None:
        """Return what a token of ours says, also when it has expired; None for any other."""
        if len(token) > TOKEN_CHARS_MAX:
            return None
        try:
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM])
            return msgspec.convert(claims, Ticket)
        except (jwt.PyJWTError, ValueError):
            return None

    def has_expired(self, ticket: Ticket) -> bool:
        """Say whether a ticket's time to begin is over."""
        return ticket.expires_ms <= self._now_ms()

    def seal(self, handle: SessionHandle) -> str:
        """Return a handle as one URL-safe word that tells nothing to whoever reads it."""
        return self._seal.encrypt(msgspec.json.encode(handle)).decode().rstrip("=")

    def unseal(self, text: str) -> SessionHandle | None:
        """Return a handle of ours, or None for any other text."""
        if len(text) > HANDLE_CHARS_MAX or not text.isascii():
            return None
        try:
            opened = self._seal.decrypt(text + "=" * (-len(text) % 4))
            return msgspec.json.decode(opened, type=SessionHandle)
        except (InvalidToken, binascii.Error, ValueError):
            return None


def draw_stream_key() -> str:
    """Return a new stream key: 256 random bits behind a prefix that secret scanners can learn."""
    return STREAM_KEY_PREFIX + secrets.token_urlsafe(STREAM_KEY_BYTES)


def is_key(holder: str) -> bool:
    """Say whether a holder is a stream key, not a person with a ticket."""
    return holder.startswith(KEY_HOLDER)
