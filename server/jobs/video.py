"""End the video of shows that are over, whoever ended them and whatever failed then.

Invariant: a room whose show is over has no picture for longer than a round, once the media process
answers.
"""

from __future__ import annotations

import logging

from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Database
from commerce.shows.schedule.store import select_current_show
from server.video.engine import Engine, VideoRoom

log = logging.getLogger(__name__)


async def end_video_of_ended_shows(database: Database, engine: Engine) -> int:
    """Do one round; return how many rooms were ended. An engine that is away is asked again."""
    ended = 0
    try:
        rooms = await engine.rooms()
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
    return ended
