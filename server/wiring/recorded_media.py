"""Build a media process whose pictures are recorded: the forwarder and a keeper of recordings."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette

from server.db.database import PgDatabase, open_pool
from server.recording.keeper import RecordingKeeper
from server.recording.metrics import RecordingCollector
from server.settings import Settings
from server.wiring.media import MediaProcess, build_media
from server.wiring.recording import build_keeper


class RecordedMedia:
    """The media process and, where recordings are wanted, what keeps them."""

    def __init__(
        self, media: MediaProcess, database: PgDatabase | None, keeper: RecordingKeeper | None
    ) -> None:
        self._media = media
        self._database = database
        self._keeper = keeper

    @property
    def app(self) -> Starlette:
        """The application that gateways call."""
        return self._media.app

    async def run(self) -> None:
        """Do the long-lived work until cancelled; files are finished then."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._media.run(), name="media desk")
            if self._keeper is not None:
                tasks.create_task(self._keeper.run(), name="recordings")

    async def shutdown(self) -> None:
        """End all sessions and let go of connections."""
        await self._media.shutdown()
        if self._database is not None:
            await self._database.close()


async def build_recorded_media(settings: Settings, process_name: str) -> RecordedMedia:
    """Put the media process together; without a database it carries video, and records none."""
    media = await build_media(settings, process_name)
    if not settings.recording or settings.database_url is None:
        return RecordedMedia(media, None, None)
    database = PgDatabase(await open_pool(settings.database_url))
    keeper = build_keeper(settings, media.forwarder, database, media.carried)
    if keeper is not None:
        media.app.state.collectors.append(RecordingCollector(keeper, process_name))
    return RecordedMedia(media, database, keeper)
