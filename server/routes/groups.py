"""Group buys over HTTP: campaigns of a host, seats of buyers, and the preview of a shared link."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from commerce.orders.checkout.leaving import Leaving
from commerce.sales.group_buys.campaigns import complete, finish_campaign, open_campaign
from commerce.sales.group_buys.model import CampaignTerms
from commerce.sales.group_buys.store import select_campaign, select_team
from commerce.sales.group_buys.team_views import select_team_view, select_teams_of_show
from commerce.sales.group_buys.views import view_seat
from commerce.sales.show_floor.store import select_sale_view
from commerce.shows.schedule.rules import check_command, check_see_money
from commerce.shows.schedule.store import select_current_show, select_room, select_room_by_id
from server.arguments import read_seat_wish
from server.routes.errors import json_response
from server.routes.presses import read_press
from server.routes.requests import (
    idempotency_key,
    path_id,
    path_text,
    read_body,
    read_optional_body,
    require_user,
)
from server.routes.rooms import own_room
from server.routes.sales import CloseBody
from server.services import services_of

# What a console shows of a show; those that form come first.
TEAMS_SHOWN_MAX = 200


class JoinBody(msgspec.Struct, frozen=True):
    """Body of joining: the team of a link, or a new one, or neither for any.

    A sale that asks for presence wants a `permit`.
    """

    group: str | None = None
    open: bool = False
    permit: str | None = None


async def open_group_buy(request: Request) -> Response:
    """Carve out stock, open the campaign and tell the room."""
    services, user = services_of(request), require_user(request)
    key = idempotency_key(request)
    terms = await read_body(request, CampaignTerms)
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        sale_id, is_new = await open_campaign(transaction, services.ids, room, terms, key=key)
        sale = msgspec.to_builtins(await select_sale_view(transaction, sale_id))
        if is_new:
            transaction.announce(room.id, "group_buy.opened", {"sale": sale})
    return json_response({"sale": sale}, status=201)


async def close_group_buy(request: Request) -> Response:
    """Open no team any more; open ones run on until their own deadlines."""
    return await _finish(request, "end")


async def cancel_group_buy(request: Request) -> Response:
    """Fail every team that forms: its members' money is let go."""
    return await _finish(request, "cancel")


async def _finish(request: Request, event: str) -> Response:
    services, user = services_of(request), require_user(request)
    idempotency_key(request)
    sale_id = path_id(request, "sale")
    reason = (await read_optional_body(request, CloseBody)).reason
    async with services.database.transaction() as transaction:
        campaign = await select_campaign(transaction, sale_id)
        room = await select_room(transaction, campaign.room)
        check_command(room, user_id=user.user_id, role=user.role)
        await finish_campaign(transaction, sale_id, event, reason)
        view = msgspec.to_builtins(await select_sale_view(transaction, sale_id))
    return json_response({"sale": view})


async def list_teams(request: Request) -> Response:
    """List the teams of the room's current show, for its host."""
    services, user = services_of(request), require_user(request)
    async with services.database.reading() as connection:
        room = await select_room(connection, path_text(request, "room"))
        check_see_money(room, user_id=user.user_id, role=user.role)
        show = await select_current_show(connection, room.id)
        teams = []
        if show is not None:
            teams = await select_teams_of_show(connection, show.id, TEAMS_SHOWN_MAX)
    return json_response({"groups": teams})


async def complete_team(request: Request) -> Response:
    """Form a team with those who have paid, at the shop's cost."""
    services, user = services_of(request), require_user(request)
    idempotency_key(request)
    group_id = path_id(request, "group")
    async with services.database.transaction() as transaction:
        team = await select_team(transaction, group_id)
        room = await select_room_by_id(transaction, team.room_id)
        check_command(room, user_id=user.user_id, role=user.role)
        await complete(transaction, services.ids, team, host_id=user.user_id)
        view = await select_team_view(transaction, group_id)
    return json_response({"group": view})


async def join(request: Request) -> Response:
    """Take a seat for the caller in a team of a sale."""
    services, user = services_of(request), require_user(request)
    key = idempotency_key(request)
    sale_id = path_id(request, "sale")
    wanted = await read_optional_body(request, JoinBody)
    wish, group_id = read_seat_wish(wanted.group, wanted.open)
    seat = await services.groups.join(
        user_id=user.user_id,
        sale_id=sale_id,
        key=key,
        wish=wish,
        group_id=group_id,
        press=read_press(request, user_id=user.user_id, sale_id=sale_id, permit=wanted.permit),
    )
    return json_response(view_seat(seat), status=201)


async def show_team(request: Request) -> Response:
    """Answer what anybody may know of a team."""
    group = await services_of(request).groups.find_team(path_id(request, "group"))
    return json_response({"group": group})


async def list_mine(request: Request) -> Response:
    """List the caller's seats, newest first."""
    services, user = services_of(request), require_user(request)
    return json_response({"seats": await services.groups.list_mine(user.user_id)})


ROUTES = [
    Route("/api/rooms/{room}/group-buys", open_group_buy, methods=["POST"]),
    Route("/api/rooms/{room}/groups", list_teams),
    Route("/api/group-buys/{sale}/close", close_group_buy, methods=["POST"]),
    Route("/api/group-buys/{sale}/cancel", cancel_group_buy, methods=["POST"]),
    Route("/api/sales/{sale}/groups", join, methods=["POST"]),
    Route("/api/groups", list_mine),
    Route("/api/groups/{group}", show_team),
    Route("/api/groups/{group}/complete", complete_team, methods=["POST"]),
]


def leaving_routes(leaving: Leaving) -> list[BaseRoute]:
    """Return the way out of a team, which may be the end of an order."""

    async def leave(request: Request) -> Response:
        """Give the caller's seat back; granted money is let go."""
        user = require_user(request)
        idempotency_key(request)
        seat = await leaving.leave(user_id=user.user_id, group_id=path_id(request, "group"))
        return json_response({"seat": seat})

    return [Route("/api/groups/{group}/seat", leave, methods=["DELETE"])]
