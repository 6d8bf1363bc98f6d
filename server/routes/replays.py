"""Recordings over HTTP: HLS for players, the replay's data for its page."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from commerce.community.replays.service import read_events, read_lines, read_replay
from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ports import Database
from commerce.shows.recordings.model import Recording
from commerce.shows.schedule.store import select_current_show, select_room, select_room_by_id
from realtime.video.recording.rules import MEDIA_TYPES
from server.arguments import check_id
from server.recording.shelf import RecordingShelf
from server.routes.errors import json_response
from server.routes.pages import embed_json, pages_of
from server.routes.requests import path_id, path_text, query_number
from server.routes.rooms import read_room
from server.services import services_of

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
# A running playlist grows once a segment, a finished file never; an operator may remove both.
RUNNING = {"Cache-Control": "public, max-age=1"}
FINISHED = {"Cache-Control": "public, max-age=300"}
VARIES = {"Vary": "Accept-Encoding"}
NOSNIFF = {"X-Content-Type-Options": "nosniff"}


def replay_routes(database: Database, shelf: RecordingShelf) -> list[Route]:
    """Return the routes of recordings and replays, which are for everybody, as rooms are."""
    return [*_film_routes(database, shelf), *_record_routes(database)]


def _film_routes(database: Database, shelf: RecordingShelf) -> list[Route]:
    async def live_playlist(request: Request) -> Response:
        async with database.reading() as connection:
            room = await select_room(connection, path_text(request, "room"))
            show = await select_current_show(connection, room.id)
        if show is None or show.status != "live":
            raise CommerceError("show_not_live", "There is no live show in this room.")
        await shelf.playlist(show.id)
        return RedirectResponse(
            f"/hls/{room.slug}/{show.id}/index.m3u8",
            status_code=307,
            headers={"Cache-Control": "no-store"},
        )

    async def show_playlist(request: Request) -> Response:
        is_packed = "gzip" in request.headers.get("accept-encoding", "")
        recording, text = await shelf.playlist(path_id(request, "show"), is_packed=is_packed)
        await _check_room(database, recording, path_text(request, "room"))
        headers = {**(RUNNING if recording.state == "recording" else FINISHED), **VARIES}
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        return Response(text, media_type=PLAYLIST_TYPE, headers=headers)

    async def part_file(request: Request) -> Response:
        recording, path = await shelf.file(path_id(request, "show"), path_text(request, "file"))
        headers = RUNNING if recording.state == "recording" else FINISHED
        kind = MEDIA_TYPES[path.suffix[1:]]
        return FileResponse(path, media_type=kind, headers={**headers, **NOSNIFF})

    return [
        Route("/hls/{room}/live.m3u8", live_playlist),
        Route("/hls/{room}/{show}/index.m3u8", show_playlist),
        Route("/hls/{room}/{show}/{file}", part_file),
    ]


def _record_routes(database: Database) -> list[Route]:
    async def replay(request: Request) -> Response:
        return json_response(await read_replay(database, path_id(request, "show")))

    async def log(request: Request) -> Response:
        after = query_number(request, "after", default=0)
        return json_response(await read_events(database, path_id(request, "show"), after))

    async def chat(request: Request) -> Response:
        after = request.query_params.get("line")
        line = None if after is None else check_id(after, "line")
        from_ms = query_number(request, "since_ms", default=0)
        return json_response(await read_lines(database, path_id(request, "show"), line, from_ms))

    async def page(request: Request) -> Response:
        pages, slug = pages_of(request), path_text(request, "room")
        try:
            state = await read_room(services_of(request), slug)
            found = await read_replay(database, path_id(request, "show"))
        except CommerceError:
            return pages.render(request, "error.html", status=404)
        if found["show"]["room"] != slug:
            return pages.render(request, "error.html", status=404)
        if found["show"]["status"] == "live":
            return RedirectResponse(f"/r/{slug}", status_code=307)
        data = {"replay": found, "host": state["host"]}
        return pages.render(
            request, "replay.html", state=state, replay=found, state_json=embed_json(data)
        )

    return [
        Route("/api/shows/{show}/replay", replay),
        Route("/api/shows/{show}/replay/log", log),
        Route("/api/shows/{show}/replay/chat", chat),
        Route("/r/{room}/replay/{show}", page),
    ]


async def _check_room(database: Database, recording: Recording, slug: str) -> None:
    """Raise `not_found` unless the recording is the room's: one address, one playlist."""
    async with database.reading() as connection:
        room = await select_room_by_id(connection, recording.room_id)
    if room.slug != slug:
        raise not_found("recording")
