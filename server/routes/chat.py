"""Looking back in a room's chat over HTTP: search, and export as a file for a spreadsheet."""

from __future__ import annotations

import asyncio
import csv
import io
import logging
from collections.abc import AsyncIterator, Iterable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from commerce.community.chat_archive.model import ArchivedLine, Search
from commerce.community.chat_archive.rules import CSV_HEAD, csv_cells
from commerce.community.chat_archive.service import Export
from commerce.kernel.errors import invalid
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.rules import check_keep_order
from commerce.shows.schedule.store import select_room
from server.arguments import parse_id
from server.routes.errors import json_response
from server.routes.requests import path_text, query_number, require_user
from server.services import Services, services_of

log = logging.getLogger(__name__)

PAGE_LINES = 50
# Spreadsheets take a file for UTF-8 only when it begins with this.
BOM = "\ufeff"
# A million lines (170 MB) took 150 s on two busy cores; whoever is slower makes room for others.
EXPORT_S_MAX = 600.0


async def _room_to_keep(request: Request, services: Services) -> Room:
    """Return the room, when the caller is one of those who keep order in it."""
    user = require_user(request)
    async with services.database.reading() as connection:
        room = await select_room(connection, path_text(request, "room"))
    check_keep_order(room, user_id=user.user_id, role=user.role)
    return room


def _query_id(request: Request, name: str) -> str | None:
    text = request.query_params.get(name)
    if not text:
        return None
    id = parse_id(text)
    if id is None:
        raise invalid("This must be an id.", field=name)
    return id


async def search_chat(request: Request) -> Response:
    """Answer a page of stored lines, newest first."""
    services = services_of(request)
    room = await _room_to_keep(request, services)
    search = Search(
        text=request.query_params.get("q", "").strip().replace("\x00", "") or None,
        user_id=_query_id(request, "user"),
        before=_query_id(request, "before"),
        limit=query_number(request, "limit", default=PAGE_LINES),
    )
    return json_response(await services.archive.search(room.id, search))


async def export_chat(request: Request) -> Response:
    """Answer the room's chat as a CSV file, in chunks, as fast as it is read."""
    services = services_of(request)
    room = await _room_to_keep(request, services)
    since_ms = query_number(request, "since_ms", default=0)
    until_ms = query_number(request, "until_ms", default=services.clock.now_ms() + 1)
    export = services.archive.open_export(room.id, since_ms=since_ms, until_ms=until_ms)
    return _CsvFile(export, name=f"chat-{room.slug}.csv")


class _CsvFile(StreamingResponse):
    """A response that closes its export when it ends, however it ends."""

    def __init__(self, export: Export, *, name: str) -> None:
        super().__init__(
            _as_csv(export.chunks()),
            media_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
            },
        )
        self._export = export

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, for at most `EXPORT_S_MAX`; a longer one is cut off, which shows."""
        try:
            async with asyncio.timeout(EXPORT_S_MAX):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            log.warning("an export of chat was read too slowly and is cut off")
        finally:
            self._export.close()


async def _as_csv(chunks: AsyncIterator[list[ArchivedLine]]) -> AsyncIterator[bytes]:
    yield (BOM + _rows([CSV_HEAD])).encode()
    async for chunk in chunks:
        yield _rows(csv_cells(line) for line in chunk).encode()


def _rows(rows: Iterable[list[str]]) -> str:
    page = io.StringIO()
    csv.writer(page, quoting=csv.QUOTE_ALL).writerows(rows)
    return page.getvalue()


ROUTES = [
    Route("/api/rooms/{room}/chat", search_chat),
    Route("/api/rooms/{room}/chat.csv", export_chat),
]
