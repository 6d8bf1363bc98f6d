"""Decide what to do with a WebSocket request, from its path and headers alone.

Pure. The protocol class sees upgrades of every path and no middleware, so origin, version and
credentials are judged here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from realtime.protocol.close_codes import CloseCode
from realtime.protocol.messages import EPOCH_CHARS_MAX, INTEGER_MAX
from realtime.recovery.rules import Position
from realtime.rooms.ports import Authenticator, Identity

SUBPROTOCOL = "hubbub.v1.json"
SESSION_COOKIE = "hubbub_session"
VERSION = "1"
# The contract has four; some proxies and trackers add their own.
QUERY_FIELDS_MAX = 16

_PATH = re.compile(r"/ws/([^/]{1,128})")
_SLUG = re.compile(r"[\w.~-]{1,64}")
_DEFAULT_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}

Header = Callable[[str], str | None]


class Admitted(msgspec.Struct, frozen=True):
    """The request is sound: who asks for which room, and what they have of its log."""

    slug: str
    identity: Identity | None
    position: Position | None
    subprotocol: str | None


class Forbidden(msgspec.Struct, frozen=True):
    """Answer 403: a page of another site must not even learn whether the user is signed in."""


class Rejected(msgspec.Struct, frozen=True):
    """Complete the handshake and close, since browsers show a close code but no HTTP status."""

    code: CloseCode
    reason: str


Judgement = Admitted | Forbidden | Rejected


def judge_request(
    target: str,
    header: Header,
    *,
    authenticator: Authenticator,
    allowed_origins: tuple[str, ...],
) -> Judgement:
    """Judge a request for `target`; `header(name)` returns a header's value or None."""
    origin = header("Origin")
    if origin is not None and not is_own_origin(origin, header("Host"), allowed_origins):
        return Forbidden()
    path, _, query_text = target.partition("?")
    room = _PATH.fullmatch(unquote(path))
    if room is None or _SLUG.fullmatch(room[1]) is None:
        return Rejected(CloseCode.NO_SUCH_ROOM, "no such room")
    try:
        query = dict(parse_qsl(query_text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX))
        position = read_position(query)
    except ValueError:
        return Rejected(CloseCode.PROTOCOL, "e and o are an epoch and an offset")
    if query.get("v") != VERSION:
        return Rejected(CloseCode.PROTOCOL, "v must be 1")
    identity: Identity | None = None
    if (token := query.get("t") or bearer_token(header("Authorization"))) is not None:
        identity = authenticator.identify(token)
        if identity is None:
            return Rejected(CloseCode.BAD_TOKEN, "bad token")
    elif origin is not None and (cookie := session_cookie(header("Cookie"))) is not None:
        # A cookie counts only from our own pages, which always send an Origin. One that has run
        # out makes a visitor: the page then shows the login, as it does over HTTP.
        identity = authenticator.identify(cookie)
    return Admitted(room[1], identity, position, choose_subprotocol(header))


def is_own_origin(origin: str, host: str | None, allowed: tuple[str, ...]) -> bool:
    """Tell whether a page at `origin` may connect: it is served by this host, or it is allowed."""
    if origin.rstrip("/").lower() in {entry.rstrip("/").lower() for entry in allowed}:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if not host or not parts.netloc or parts.scheme not in {"http", "https"}:
        return False
    default_port = _DEFAULT_PORTS[parts.scheme]
    own = host.lower().removesuffix(default_port)
    return parts.netloc.lower().removesuffix(default_port) == own


def read_position(query: dict[str, str]) -> Position | None:
    """Read `e` and `o`; None when neither is given. Raises ValueError when one is malformed."""
    epoch, offset_text = query.get("e"), query.get("o")
    if not epoch and not offset_text:
        return None
    if not epoch or not offset_text or len(epoch) > EPOCH_CHARS_MAX:
        raise ValueError("an epoch without an offset, or the other way round")
    if not (offset_text.isascii() and offset_text.isdigit() and len(offset_text) <= 16):
        raise ValueError("the offset is not a plain number")
    if int(offset_text) > INTEGER_MAX:
        raise ValueError("the offset is out of range")
    return Position(epoch, int(offset_text))


def bearer_token(authorization: str | None) -> str | None:
    """Read the token of an `Authorization: Bearer` header."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def session_cookie(header: str | None) -> str | None:
    """Read the session cookie; None when there is none."""
    for part in (header or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == SESSION_COOKIE and value:
            return value.strip('"')
    return None


def choose_subprotocol(header: Header) -> str | None:
    """Answer our subprotocol when the client offers it."""
    offered = (header("Sec-WebSocket-Protocol") or "").split(",")
    return SUBPROTOCOL if SUBPROTOCOL in {name.strip() for name in offered} else None
