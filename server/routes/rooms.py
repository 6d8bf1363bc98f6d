"""Rooms over HTTP: the list, one room's state, and what its host commands."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.kernel.ports import Transaction
from commerce.sales.lobby.store import select_lobby
from commerce.shows.bag.service import pin, unpin
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.rules import check_command
from commerce.shows.schedule.store import lock_room, select_room
from realtime.rooms.ports import Identity
from server.arguments import check_id
from server.routes.errors import json_response
from server.routes.requests import path_id, path_text, read_body, require_user
from server.services import Services, services_of
from server.video.engine import VideoRoom


class PinBody(msgspec.Struct, frozen=True):
    """Body of pin."""

    item: str


class AnnounceBody(msgspec.Struct, frozen=True):
    """Body of announce; an empty text takes the announcement away."""

    text: str


class BagBody(msgspec.Struct, frozen=True):
    """Body of adding to the bag."""

    sku: str


class ShowBody(msgspec.Struct, frozen=True):
    """Body of scheduling a show; the start in Unix ms."""

    title: str
    starts_at_ms: int


async def own_room(transaction: Transaction, slug: str, user: Identity) -> Room:
    """Return a room that this user commands, locked for this command."""
    room = await select_room(transaction, slug)
    check_command(room, user_id=user.user_id, role=user.role)
    await lock_room(transaction, room.id)
    return room


async def list_rooms(request: Request) -> Response:
    """List every room for the lobby, most watched live ones first."""
    return json_response({"rooms": await read_lobby(services_of(request))})


async def read_lobby(services: Services) -> list[dict[str, Any]]:
    """Return the lobby's rooms with their viewers, the most watched live one first."""
    async with services.database.reading() as connection:
        rooms = await select_lobby(connection)
    for room in rooms:
        room["viewers"] = await services.count_viewers(room.pop("id"))
    rooms.sort(key=lambda room: (room["show"] is None, -room["viewers"]))
    return rooms


async def show_room(request: Request) -> Response:
    """Answer the state object that a `Z` frame carries."""
    return json_response(await read_room(services_of(request), path_text(request, "room")))


async def read_room(services: Services, slug: str) -> dict[str, Any]:
    """Return a room's state with its viewers and its picture of this moment."""
    room_id, state = await services.states.state_of(slug)
    state["viewers"] = await services.count_viewers(room_id)
    picture = await services.video.picture(room_id)
    state["video"] = None if picture is None else picture.shown()
    return state


async def start_show(request: Request) -> Response:
    """Start the room's next show; a live one stays as it is."""
    services, user = services_of(request), require_user(request)
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        show = await services.floor.start(transaction, room, services.clock.now_ms())
    return json_response({"show": msgspec.to_builtins(show)})


async def end_show(request: Request) -> Response:
    """End the room's live show and every sale in it."""
    services, user = services_of(request), require_user(request)
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        show = await services.floor.end(transaction, room)
    await services.video.end_after_commit(VideoRoom(room.id, room.slug))
    return json_response({"show": msgspec.to_builtins(show)})


async def schedule_show(request: Request) -> Response:
    """Plan a show."""
    services, user = services_of(request), require_user(request)
    body = await read_body(request, ShowBody)
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        show = await services.floor.schedule(
            transaction, room, title=body.title, starts_at_ms=body.starts_at_ms
        )
    return json_response({"show": msgspec.to_builtins(show)}, status=201)


async def pin_item(request: Request) -> Response:
    """Pin an item of the bag; the one pinned before is unpinned by it."""
    services, user = services_of(request), require_user(request)
    item_id = check_id((await read_body(request, PinBody)).item, "item in the bag")
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        await pin(transaction, services.ids, room, item_id)
    return json_response({"pinned": item_id})


async def unpin_item(request: Request) -> Response:
    """Unpin whatever is pinned."""
    services, user = services_of(request), require_user(request)
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        await unpin(transaction, room)
    return json_response({"pinned": None})


async def announce(request: Request) -> Response:
    """Show a sentence to everybody in the room."""
    services, user = services_of(request), require_user(request)
    text = (await read_body(request, AnnounceBody)).text
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        await services.floor.announce(transaction, room, text)
    return json_response({"announcement": text.strip() or None})


async def add_to_bag(request: Request) -> Response:
    """Put a SKU into the bag under the next number."""
    services, user = services_of(request), require_user(request)
    sku = (await read_body(request, BagBody)).sku
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        no = await services.floor.add_to_bag(transaction, room, sku)
    return json_response({"no": no}, status=201)


async def remove_from_bag(request: Request) -> Response:
    """Take an item out of the bag; its number is not given again."""
    services, user = services_of(request), require_user(request)
    item_id = path_id(request, "item")
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        await services.floor.remove_from_bag(transaction, room, item_id)
    return json_response({})


ROUTES = [
    Route("/api/rooms", list_rooms),
    Route("/api/rooms/{room}", show_room),
    Route("/api/rooms/{room}/start", start_show, methods=["POST"]),
    Route("/api/rooms/{room}/end", end_show, methods=["POST"]),
    Route("/api/rooms/{room}/shows", schedule_show, methods=["POST"]),
    Route("/api/rooms/{room}/pin", pin_item, methods=["POST"]),
    Route("/api/rooms/{room}/unpin", unpin_item, methods=["POST"]),
    Route("/api/rooms/{room}/announce", announce, methods=["POST"]),
    Route("/api/rooms/{room}/bag", add_to_bag, methods=["POST"]),
    Route("/api/rooms/{room}/bag/{item}", remove_from_bag, methods=["DELETE"]),
]
