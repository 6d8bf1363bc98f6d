"""Draws over HTTP: enter, take back, look up one's own entry, and what anybody may check."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.sales.draws.views import view_entry, view_page, view_receipt
from server.arguments import check_id
from server.routes.errors import json_response
from server.routes.presses import read_wish
from server.routes.requests import idempotency_key, path_id, require_user
from server.services import services_of


async def enter(request: Request) -> Response:
    """Enter the caller into the draw of a sale."""
    entry = await services_of(request).draws.enter(**await read_wish(request))
    return json_response({"entry": view_entry(entry)}, status=201)


async def show_mine(request: Request) -> Response:
    """Answer how the caller's entry fares; that there is none is an answer too."""
    services, user = services_of(request), require_user(request)
    mine = await services.draws.find_mine(user_id=user.user_id, sale_id=path_id(request, "sale"))
    return json_response({"entry": None} if mine is None else view_receipt(mine))


async def withdraw(request: Request) -> Response:
    """Take the caller's entry back while entries are open."""
    services, user = services_of(request), require_user(request)
    idempotency_key(request)
    left = await services.draws.withdraw(user_id=user.user_id, sale_id=path_id(request, "sale"))
    return json_response(view_receipt(left))


async def show_draw(request: Request) -> Response:
    """Answer a draw's public data, a page of entries at a time; anybody may look."""
    after = request.query_params.get("after")
    page = await services_of(request).draws.read_page(
        path_id(request, "sale"), after=check_id(after, "entry") if after else None
    )
    return json_response(view_page(page))


ROUTES = [
    Route("/api/sales/{sale}/entries", enter, methods=["POST"]),
    Route("/api/sales/{sale}/entries/mine", show_mine),
    Route("/api/sales/{sale}/entries/mine", withdraw, methods=["DELETE"]),
    Route("/api/sales/{sale}/draw", show_draw),
]
