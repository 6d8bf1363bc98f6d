"""Where viewers' browsers tell how the live picture arrived."""

from __future__ import annotations

from collections import OrderedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.insight.pictures.model import Beat
from commerce.insight.pictures.service import PictureDesk
from commerce.kernel.ports import Database
from commerce.shows.schedule.store import select_room
from server.routes.errors import json_response
from server.routes.requests import client_address, current_user, path_text, read_body

# A room keeps its id: whoever beats every ten seconds is not looked up every time.
SLUGS_MAX = 10_000


class BeatPost:
    """Takes beats for a desk."""

    def __init__(self, desk: PictureDesk, database: Database) -> None:
        self._desk = desk
        self._database = database
        self._ids: OrderedDict[str, str] = OrderedDict()

    async def take(self, request: Request) -> Response:
        """Count what a viewer tells, signed in or not; beyond the sample it is dropped."""
        current_user(request)
        beat = await read_body(request, Beat)
        room_id = await self._room_id(path_text(request, "room"))
        counted = self._desk.take(room_id, client_address(request), beat)
        return json_response({"counted": counted})

    async def _room_id(self, slug: str) -> str:
        """Return a room's id; raises `not_found`."""
        if slug not in self._ids:
            async with self._database.reading() as connection:
                self._ids[slug] = (await select_room(connection, slug)).id
            if len(self._ids) > SLUGS_MAX:
                self._ids.popitem(last=False)
        return self._ids[slug]


def picture_routes(desk: PictureDesk, database: Database) -> list[Route]:
    """Return the routes of a desk."""
    take = BeatPost(desk, database).take
    return [Route("/api/rooms/{room}/video/beats", take, methods=["POST"])]
