"""Read what a replay plays: a show that has a recording, its chapters, its log and its chat."""

from __future__ import annotations

from typing import Any

import msgspec

from commerce.community.chat_archive.rules import first_id
from commerce.community.chat_archive.store import begin_look_back
from commerce.community.replays import store
from commerce.community.replays.model import EventPage, LinePage, ReplayedShow
from commerce.community.replays.rules import PAGE_EVENTS, PAGE_LINES, SLACK_MS, cut_page, span_of
from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection, Database
from commerce.shows.recordings.model import Recording
from commerce.shows.recordings.rules import chapters_of, length_ms, placed
from commerce.shows.recordings.store import find_recording, select_pins


async def read_replay(database: Database, show_id: str) -> dict[str, Any]:
    """Return a show's recording, its chapters and its bag as it sells now; raises `not_found`."""
    async with database.reading() as connection:
        show, recording = await _find(connection, show_id)
        pins = await select_pins(connection, show_id)
        bag = await store.select_still_sold(connection, show)
    since_ms, _ = span_of(show)
    return {
        "show": {
            "id": show.id,
            "room": show.room,
            "title": show.title,
            "status": show.status,
            "started_at_ms": since_ms,
            "ended_at_ms": show.ended_at_ms,
        },
        "recording": {
            "state": recording.state,
            "reason": recording.reason,
            "length_ms": length_ms(recording.parts),
            "playlist": f"/hls/{show.room}/{show.id}/index.m3u8",
            "parts": [
                msgspec.to_builtins(part) | {"start_ms": start_ms}
                for start_ms, part in placed(recording.parts)
            ],
        },
        "chapters": msgspec.to_builtins(chapters_of(recording.parts, pins)),
        "bag": msgspec.to_builtins(bag),
    }


async def read_events(database: Database, show_id: str, after: int) -> EventPage:
    """Return a page of what the room was told in the show, behind an offset; 0 begins."""
    async with database.reading() as connection:
        show, _ = await _find(connection, show_id)
        since_ms, until_ms = span_of(show)
        first = await store.find_offset(connection, show.room_id, since_ms)
        events = await store.select_events(
            connection,
            show.room_id,
            after=max(first, after),
            until_ms=until_ms,
            limit=PAGE_EVENTS + 1,
        )
    page = cut_page(events)
    return EventPage(page, page[-1].offset if len(events) > len(page) else None)


async def read_lines(database: Database, show_id: str, after: str | None, from_ms: int) -> LinePage:
    """Return a page of what was said in the show, behind a line's id; None begins at a time.

    What was deleted since is not in it, whenever it is asked for.
    """
    async with database.reading() as connection:
        show, _ = await _find(connection, show_id)
        since_ms, until_ms = span_of(show)
        await begin_look_back(connection)
        begin = first_id(max(since_ms - SLACK_MS, from_ms))
        lines = await store.select_lines(
            connection,
            show.room_id,
            after=max(begin, after or begin),
            until_ms=until_ms,
            limit=PAGE_LINES + 1,
        )
    page = lines[:PAGE_LINES]
    return LinePage(page, page[-1].id if len(lines) > PAGE_LINES else None)


async def _find(connection: Connection, show_id: str) -> tuple[ReplayedShow, Recording]:
    show = await store.find_show(connection, show_id)
    recording = None if show is None else await find_recording(connection, show_id)
    if show is None or recording is None or not recording.parts:
        raise not_found("replay")
    return show, recording
