"""The waiting list over HTTP."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.goods.waiting_list.views import view_entry
from server.routes.errors import json_response
from server.routes.presses import read_wish
from server.routes.requests import idempotency_key, path_id, require_user
from server.services import services_of


async def join(request: Request) -> Response:
    """Put the caller at the end of the line of a sale that is held out."""
    entry = await services_of(request).waiting_list.join(**await read_wish(request))
    return json_response({"entry": view_entry(entry)}, status=201)


async def list_entries(request: Request) -> Response:
    """List the caller's entries that wait or have an offer."""
    services, user = services_of(request), require_user(request)
    entries = await services.waiting_list.list_entries(user.user_id)
    return json_response({"entries": [{**view_entry(one), "room": one.room} for one in entries]})


async def leave(request: Request) -> Response:
    """Take the caller out of the line; an offer is passed on to the next."""
    services, user = services_of(request), require_user(request)
    idempotency_key(request)
    left = await services.waiting_list.leave(
        user_id=user.user_id, entry_id=path_id(request, "entry")
    )
    return json_response({"entry": view_entry(left)})


ROUTES = [
    Route("/api/sales/{sale}/waiting-list", join, methods=["POST"]),
    Route("/api/waiting-list", list_entries),
    Route("/api/waiting-list/{entry}", leave, methods=["DELETE"]),
]
