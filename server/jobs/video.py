"""End the video of shows that are over, and of who may no longer publish, whatever failed then.

Invariant: a room whose show is over has no picture for longer than a round, once the media process
answers; nor has one whose publisher was taken the right to it.
"""

from __future__ import annotations

import logging

from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Database
from commerce.shows.schedule.store import select_current_show, select_room_by_id
from server.video.engine import Engine, VideoRoom
from server.video.publishers import may_publish

log = logging.getLogger(__name__)


async def end_video_of_ended_shows(database: Database, engine: Engine) -> int:
    """Do one round; return how many rooms were ended. An engine that is away is asked again."""
    ended = 0
    try:
        rooms = await engine.rooms()
        publishers = await engine.publishers()
    except CommerceError as error:
        log.debug("video of ended shows is looked for again: %s", error.code)
        return ended
    for room_id in rooms:
        async with database.reading() as connection:
            show = await select_current_show(connection, room_id)
        if show is not None and show.status != "ended":
            continue
        try:
            await engine.end_room(VideoRoom(room_id, ""))
            ended += 1
        except CommerceError as error:
            log.debug("video of room %s is ended again: %s", room_id, error.code)
    for room_id, holder in publishers:
        async with database.reading() as connection:
            room = await select_room_by_id(connection, room_id)
            if await may_publish(connection, room, holder):
                continue
        try:
            await engine.end_room(VideoRoom(room.id, room.slug), holder)
            ended += 1
        except CommerceError as error:
            log.debug("a publisher of room %s is ended again: %s", room_id, error.code)
    return ended
