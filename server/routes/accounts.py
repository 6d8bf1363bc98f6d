"""Coming in and going out: guests, logins, who am I, logout."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.members.accounts.model import User
from commerce.members.accounts.service import AccountService
from server.auth.tokens import GUEST_LIFETIME_MS, SESSION_COOKIE, Tokens
from server.routes.errors import json_response
from server.routes.requests import (
    Edge,
    client_address,
    current_user,
    read_body,
    require_same_origin,
)

# Far above any honest value; the rules say what is really allowed.
TEXT_CHARS_MAX = 1_000
Text = Annotated[str, msgspec.Meta(max_length=TEXT_CHARS_MAX)]


class GuestBody(msgspec.Struct, frozen=True):
    """`POST /api/guests`."""

    name: Text


class LoginBody(msgspec.Struct, frozen=True):
    """`POST /api/login`."""

    login: Text
    password: Text


def account_routes(accounts: AccountService, tokens: Tokens) -> list[Route]:
    """Return the routes of guests, logins and sessions."""

    async def enter_as_guest(request: Request) -> Response:
        require_same_origin(request)
        body = await read_body(request, GuestBody)
        user = await accounts.enter_as_guest(body.name)
        return _welcome(request, tokens, user, status=201)

    async def log_in(request: Request) -> Response:
        require_same_origin(request)
        body = await read_body(request, LoginBody)
        user = await accounts.log_in(
            login=body.login, password=body.password, address=client_address(request)
        )
        return _welcome(request, tokens, user, status=200)

    async def log_out(request: Request) -> Response:
        require_same_origin(request)
        response = json_response({"user": None})
        response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax")
        return response

    async def who_am_i(request: Request) -> Response:
        identity = current_user(request)
        user = None
        if identity is not None:
            user = {"id": identity.user_id, "name": identity.name, "role": identity.role}
        return json_response({"user": user})

    return [
        Route("/api/guests", enter_as_guest, methods=["POST"]),
        Route("/api/login", log_in, methods=["POST"]),
        Route("/api/logout", log_out, methods=["POST"]),
        Route("/api/me", who_am_i, methods=["GET"]),
    ]


def _welcome(request: Request, tokens: Tokens, user: User, *, status: int) -> Response:
    """Answer with a token, also as the session cookie that pages use."""
    edge: Edge = request.app.state.edge
    token = tokens.issue(tokens.identity(user_id=user.id, name=user.name, role=user.role))
    response = json_response(
        {"token": token, "user": {"id": user.id, "name": user.name, "role": user.role}},
        status=status,
    )
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=GUEST_LIFETIME_MS // 1000,
        path="/",
        httponly=True,
        samesite="lax",
        secure=edge.secure_cookies,
    )
    return response
