"""Keeping order in a room's chat over HTTP: delete lines, mute, unmute, set modes."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.community.moderation.model import ChatModes
from commerce.community.moderation.service import delete_line, mute, set_modes, unmute
from commerce.kernel.ports import Transaction
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.rules import check_keep_order, check_moderate
from commerce.shows.schedule.store import select_room
from realtime.rooms.ports import Identity
from server.arguments import check_id
from server.routes.errors import json_response
from server.routes.requests import path_id, path_text, read_body, require_user
from server.services import services_of


class MuteBody(msgspec.Struct, frozen=True):
    """Body of a mute."""

    user: str
    minutes: int
    reason: str | None = None


async def _moderated_room(transaction: Transaction, slug: str, user: Identity) -> Room:
    room = await select_room(transaction, slug)
    check_moderate(room, user_id=user.user_id, role=user.role)
    return room


async def delete_chat_line(request: Request) -> Response:
    """Delete a chat line for everybody."""
    services, user = services_of(request), require_user(request)
    line_id = path_id(request, "line")
    async with services.database.transaction() as transaction:
        room = await _moderated_room(transaction, path_text(request, "room"), user)
        await delete_line(transaction, room, line_id, user.user_id)
    return json_response({})


async def mute_user(request: Request) -> Response:
    """Keep somebody from writing in this room for some minutes."""
    services, user = services_of(request), require_user(request)
    body = await read_body(request, MuteBody)
    muted = check_id(body.user, "user")
    async with services.database.transaction() as transaction:
        room = await _moderated_room(transaction, path_text(request, "room"), user)
        until_ms = await mute(
            transaction, room, muted, minutes=body.minutes, by=(user.user_id, body.reason)
        )
    return json_response({"mute": {"user": muted, "until_ms": until_ms}}, status=201)


async def unmute_user(request: Request) -> Response:
    """Let somebody write again."""
    services, user = services_of(request), require_user(request)
    muted = path_id(request, "user")
    async with services.database.transaction() as transaction:
        room = await _moderated_room(transaction, path_text(request, "room"), user)
        await unmute(transaction, room, muted)
    return json_response({})


async def put_modes(request: Request) -> Response:
    """Set every mode of the room's chat at once; one that is not named is off."""
    services, user = services_of(request), require_user(request)
    modes = await read_body(request, ChatModes)
    async with services.database.transaction() as transaction:
        room = await select_room(transaction, path_text(request, "room"))
        check_keep_order(room, user_id=user.user_id, role=user.role)
        await set_modes(transaction, room, modes, user.user_id)
    return json_response({"modes": modes})


ROUTES = [
    Route("/api/rooms/{room}/modes", put_modes, methods=["PUT"]),
    Route("/api/rooms/{room}/chat/{line}", delete_chat_line, methods=["DELETE"]),
    Route("/api/rooms/{room}/mutes", mute_user, methods=["POST"]),
    Route("/api/rooms/{room}/mutes/{user}", unmute_user, methods=["DELETE"]),
]
