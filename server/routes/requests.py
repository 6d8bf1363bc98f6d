"""The edge: from bytes and headers to frozen types, or to a stable error.

Invariant: past this file everything has its type and its bounds; nothing else reads a body,
a token or an `Idempotency-Key`.
"""

from __future__ import annotations

import re
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request

from commerce.kernel.errors import CommerceError, forbidden, invalid, not_found
from realtime.rooms.ports import Authenticator, Identity
from server.arguments import check_id, check_key
from server.auth.tokens import SESSION_COOKIE
from server.ops.logging import user_id

# The longest honest body is a list of reservations; anything above is not for us.
BODY_BYTES_MAX = 65_536
# PostgreSQL's bigint; a larger number in a query string is a mistake or a probe.
NUMBER_MAX = 2**63 - 1
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

FIELD_IN_MESSAGE = re.compile(r"(?:field `([^`]+)`)|(?:at `\$\.?([^`]*)`)")
# PostgreSQL's text cannot hold NUL, and no person types one.
ESCAPED_NUL = b"\\u0000"

Body = TypeVar("Body", bound=msgspec.Struct)


class Edge(msgspec.Struct, frozen=True):
    """What the edge needs to know; the app keeps it as `app.state.edge`.

    `origins` are those of our own pages beside the one that the Host header names
    (`Settings.own_origins`); `secure_cookies` is true when people come by https.
    """

    tokens: Authenticator
    origins: frozenset[str] = frozenset()
    secure_cookies: bool = False


async def read_bytes(request: Request) -> bytes:
    """Return the whole body; raises `body_too_large` without reading past the limit."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 9 or int(declared) > BODY_BYTES_MAX):
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise _too_large()
    return bytes(body)


async def read_body(request: Request, shape: type[Body]) -> Body:
    """Return the JSON body as `shape`; unknown fields are ignored.

    Raises `unsupported_media_type`, `body_too_large`, or `invalid_request` with the field.
    """
    media_type = request.headers.get("content-type", "application/json")
    if media_type.partition(";")[0].strip().lower() != "application/json":
        raise CommerceError(
            "unsupported_media_type", "Send JSON with Content-Type: application/json."
        )
    return decode_body(await read_bytes(request), shape)


async def read_optional_body(request: Request, shape: type[Body]) -> Body:
    """Return the JSON body as `shape`; no body at all stands for `{}`."""
    return decode_body(await read_bytes(request) or b"{}", shape)


def decode_body(body: bytes, shape: type[Body]) -> Body:
    """Return JSON bytes as `shape`; raises `invalid_request` that names the field."""
    if ESCAPED_NUL in body:
        raise invalid("Text must not hold NUL characters.")
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise _wrong_field(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise invalid("The body is not JSON in UTF-8.") from None


def idempotency_key(request: Request) -> str:
    """Return the caller's `Idempotency-Key`; raises what `check_key` does."""
    return check_key(request.headers.get("idempotency-key", "").strip())


def current_user(request: Request) -> Identity | None:
    """Return who is calling, or None for a visitor.

    A bad bearer token raises `invalid_token`; a stale cookie makes a visitor. A write by
    cookie must come from our own pages, else `foreign_origin`. Log lines carry the user from
    here on.
    """
    identity = _identify(request)
    user_id.set(identity.user_id if identity else None)
    return identity


def _identify(request: Request) -> Identity | None:
    edge = _edge(request)
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        identity = edge.tokens.identify(token.strip()) if scheme.lower() == "bearer" else None
        if identity is None:
            raise CommerceError("invalid_token", "The token is forged or has expired.")
        return identity
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is None:
        return None
    if request.method not in SAFE_METHODS:
        require_same_origin(request)
    return edge.tokens.identify(cookie)


def require_user(request: Request) -> Identity:
    """Return who is calling; raises `unauthenticated` for a visitor."""
    identity = current_user(request)
    if identity is None:
        raise CommerceError("unauthenticated", "Sign in first.")
    return identity


def require_role(request: Request, *roles: str) -> Identity:
    """Return who is calling; raises `forbidden` for anybody without one of the roles."""
    identity = require_user(request)
    if identity.role not in roles:
        raise forbidden(f"Only {' or '.join(roles)} may do this.")
    return identity


def require_same_origin(request: Request) -> None:
    """Raise `foreign_origin` when a page of another site makes this request.

    Browsers send Origin with every write; a client without it carries nobody's cookies.
    """
    origin = request.headers.get("origin")
    if origin is None:
        site = request.headers.get("sec-fetch-site", "same-origin")
        is_ours = site in {"same-origin", "none"}
    else:
        is_ours = is_own_origin(
            origin, host=request.headers.get("host", ""), known=_edge(request).origins
        )
    if not is_ours:
        raise CommerceError("foreign_origin", "This request comes from another site's page.")


def is_own_origin(origin: str, *, host: str, known: frozenset[str]) -> bool:
    """Say whether an Origin header names this server, by its Host header or a known name."""
    if origin in known:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc != "" and parts.netloc == host


def path_id(request: Request, name: str) -> str:
    """Return a UUID of the path in its usual text; anything else names nothing (404)."""
    return check_id(request.path_params[name], name)


def path_text(request: Request, name: str) -> str:
    """Return a word of the path; control characters name nothing (404)."""
    text = str(request.path_params[name])
    if not text.isprintable():
        raise not_found(name)
    return text


def query_number(request: Request, name: str, *, default: int) -> int:
    """Return a whole number ≥ 0 of the query string; raises `invalid_request`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) <= NUMBER_MAX):
        raise invalid("This must be a whole number.", field=name)
    return int(text)


def client_address(request: Request) -> str:
    """Return the caller's address as the server sees it (proxies are uvicorn's matter)."""
    return request.client.host if request.client is not None else "unknown"


def _edge(request: Request) -> Edge:
    edge = request.app.state.edge
    assert isinstance(edge, Edge)
    return edge


def _wrong_field(message: str) -> CommerceError:
    """Turn msgspec's sentence into our error; the sentence names the field, never the value."""
    names = [found[0] or found[1] for found in FIELD_IN_MESSAGE.findall(message)]
    path = [name for name in reversed(names) if name]
    if not path:
        return invalid(message)
    return invalid(message, field=".".join(path))


def _too_large() -> CommerceError:
    return CommerceError(
        "body_too_large",
        "The body is larger than this server reads.",
        detail={"limit_bytes": BODY_BYTES_MAX},
    )
