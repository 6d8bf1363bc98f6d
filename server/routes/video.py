"""Live video over HTTP beside its media: tickets, stream keys, what the picture is doing."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Connection
from commerce.shows.recordings.store import find_recording
from commerce.shows.schedule.model import Room, Show
from commerce.shows.schedule.rules import check_command, check_keep_order, check_moderate
from commerce.shows.schedule.store import select_current_show, select_room
from commerce.shows.stream_keys.service import create_key, revoke_key
from commerce.shows.stream_keys.store import select_keys
from realtime.rooms.ports import Identity
from server.routes.errors import json_response
from server.routes.requests import (
    client_address,
    current_user,
    path_id,
    path_text,
    read_body,
    require_user,
)
from server.services import Services, services_of
from server.video.engine import VideoRoom, video_off
from server.video.tickets import KEY_HOLDER, USER_HOLDER, Act, draw_stream_key


class KeyBody(msgspec.Struct, frozen=True):
    """`POST /api/rooms/{room}/video/keys`: what the key is called."""

    label: str


async def publish_ticket(request: Request) -> Response:
    """Let the room's host or a moderator publish into its show.

    `?gives_way=1` is for what fills the time until somebody's camera comes: any takes its place.
    """
    services, user = services_of(request), require_user(request)
    gives_way = request.query_params.get("gives_way", "0") not in {"", "0"}
    async with services.database.reading() as connection:
        room = await select_room(connection, path_text(request, "room"))
        check_moderate(room, user_id=user.user_id, role=user.role)
        show = await _open_show(connection, room)
    return _ticket(services, room, "publish", _holder(services, user), show, user, gives_way)


async def play_ticket(request: Request) -> Response:
    """Let anybody watch a live show; those who keep order here see the picture before it too."""
    services, user = services_of(request), current_user(request)
    services.video.paces.check_address(client_address(request))
    async with services.database.reading() as connection:
        room = await select_room(connection, path_text(request, "room"))
        show = await _open_show(connection, room)
    if show.status != "live":
        if user is None:
            raise CommerceError("show_not_live", "The show has not begun.")
        try:
            check_keep_order(room, user_id=user.user_id, role=user.role)
        except CommerceError:
            raise CommerceError("show_not_live", "The show has not begun.") from None
    return _ticket(services, room, "play", _holder(services, user), show, user)


def _ticket(  # noqa: PLR0913, PLR0917 - the parts of one answer.
    services: Services,
    room: Room,
    act: Act,
    holder: str,
    show: Show,
    user: Identity | None,
    gives_way: bool = False,
) -> Response:
    video = services.video
    if video.backend == "none":
        raise video_off()
    token, ticket = video.tickets.issue(
        act=act,
        room_id=room.id,
        holder=holder,
        show=show.id,
        may_take_over=(
            user is not None and act == "publish" and user.user_id == room.host_id and not gives_way
        ),
        gives_way=gives_way,
    )
    way = "whip" if act == "publish" else "whep"
    body: dict[str, Any] = {
        "protocol": way,
        "url": f"/{way}/{room.slug}",
        "token": token,
        "ice_servers": video.ice.servers(holder, video.now_ms()),
        "expires_ms": ticket.expires_ms,
    }
    if act == "play":
        body["fallback_hls"] = _overflow(services, room)
    return json_response(body, status=201)


def _overflow(services: Services, room: Room) -> str | None:
    """Return where the recording under way is watched by whom WHEP has no place for."""
    is_recorded = services.settings.recording and services.video.backend == "builtin"
    return f"/hls/{room.slug}/live.m3u8" if is_recorded else None


async def show_video(request: Request) -> Response:
    """Answer what the picture is doing, to those who may see the console."""
    services, user = services_of(request), require_user(request)
    async with services.database.reading() as connection:
        room = await select_room(connection, path_text(request, "room"))
        check_keep_order(room, user_id=user.user_id, role=user.role)
        show = await select_current_show(connection, room.id)
        recording = None if show is None else await find_recording(connection, show.id)
    picture = await services.video.picture(room.id)
    shown: dict[str, Any] | None = None if picture is None else msgspec.to_builtins(picture)
    recorded = recording and {"state": recording.state, "reason": recording.reason}
    return json_response(
        {"backend": services.video.backend, "picture": shown, "recording": recorded}
    )


async def stop_video(request: Request) -> Response:
    """End the room's publisher and viewers; whoever has a ticket may begin anew."""
    services, user = services_of(request), require_user(request)
    async with services.database.reading() as connection:
        room = await select_room(connection, path_text(request, "room"))
        check_keep_order(room, user_id=user.user_id, role=user.role)
    await services.video.engine.end_room(VideoRoom(room.id, room.slug))
    return json_response({})


async def list_keys(request: Request) -> Response:
    """List the room's stream keys; none of them can be read again."""
    services, user = services_of(request), require_user(request)
    async with services.database.reading() as connection:
        room = await select_room(connection, path_text(request, "room"))
        check_command(room, user_id=user.user_id, role=user.role)
        keys = await select_keys(connection, room.id)
    return json_response({"keys": keys})


async def make_key(request: Request) -> Response:
    """Make a stream key for a program such as OBS, and show it this once."""
    services, user = services_of(request), require_user(request)
    body = await read_body(request, KeyBody)
    token = draw_stream_key()
    async with services.database.transaction() as transaction:
        room = await select_room(transaction, path_text(request, "room"))
        check_command(room, user_id=user.user_id, role=user.role)
        key = await create_key(
            transaction, services.ids, room, label=body.label, by=(user.user_id, token)
        )
    url = f"{services.settings.base_url}/whip/{room.slug}"
    return json_response({"key": key, "token": token, "url": url}, status=201)


async def drop_key(request: Request) -> Response:
    """Revoke a stream key, and end what is published with it."""
    services, user = services_of(request), require_user(request)
    key_id = path_id(request, "key")
    async with services.database.transaction() as transaction:
        room = await select_room(transaction, path_text(request, "room"))
        check_command(room, user_id=user.user_id, role=user.role)
        await revoke_key(transaction, room, key_id)
    await services.video.end_after_commit(VideoRoom(room.id, room.slug), f"{KEY_HOLDER}{key_id}")
    return json_response({})


async def _open_show(connection: Connection, room: Room) -> Show:
    show = await select_current_show(connection, room.id)
    if show is None or show.status == "ended":
        raise CommerceError("no_show", "Plan or start a show first.")
    return show


def _holder(services: Services, user: Identity | None) -> str:
    """Name who holds a ticket; a visitor is somebody new each time."""
    return f"visitor:{services.ids.new()}" if user is None else f"{USER_HOLDER}{user.user_id}"


ROUTES = [
    Route("/api/rooms/{room}/video", show_video),
    Route("/api/rooms/{room}/video/publish", publish_ticket, methods=["POST"]),
    Route("/api/rooms/{room}/video/play", play_ticket, methods=["POST"]),
    Route("/api/rooms/{room}/video/stop", stop_video, methods=["POST"]),
    Route("/api/rooms/{room}/video/keys", list_keys),
    Route("/api/rooms/{room}/video/keys", make_key, methods=["POST"]),
    Route("/api/rooms/{room}/video/keys/{key}", drop_key, methods=["DELETE"]),
]
