"""Keep how many people watch each live show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from commerce.insight.show_report.store import insert_sample, select_live_shows
from commerce.kernel.ports import Database


async def sample_viewers(
    database: Database, count_viewers: Callable[[str], Awaitable[int]]
) -> None:
    """Store the viewers of every live show for this stretch of ten seconds."""
    async with database.reading() as connection:
        shows = await select_live_shows(connection)
    for show_id, room_id in shows:
        viewers = await count_viewers(room_id)
        async with database.transaction() as transaction:
            await insert_sample(transaction, show_id, viewers)
