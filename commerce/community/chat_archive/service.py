"""Search a room's chat and export it, without hurting those who are selling.

Invariant: of this process's connections searches hold at most `SEARCHES_MAX`, exports at
most `EXPORTS_MAX` and only while they read a chunk, never while a download waits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from commerce.community.chat_archive import store
from commerce.community.chat_archive.model import ArchivedLine, ArchivePage, Search
from commerce.community.chat_archive.rules import check_search, check_span, first_id
from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Database

# A moderator's keyboard, not a machine: two at a time leave the other connections to the shop.
SEARCHES_MAX = 2
EXPORTS_MAX = 2
BUSY_RETRY_MS = 1_000
# 1,000 lines are some 300 KB in memory and 10 ms of PostgreSQL.
CHUNK_LINES = 1_000
# A line's id is made a moment after its time is read, and by the clock of another process.
ID_SLACK_MS = 60_000


class _Seats:
    """A number of acts that may go on at once."""

    def __init__(self, count: int) -> None:
        self._free = count

    def take(self) -> None:
        """Take a seat; raises `overloaded` when there is none."""
        if self._free == 0:
            raise CommerceError(
                "overloaded",
                "Others are looking through the chat. Try again.",
                retryable=True,
                retry_ms=BUSY_RETRY_MS,
            )
        self._free -= 1

    def give_back(self) -> None:
        """Let somebody else have the seat."""
        self._free += 1


class Export:
    """A room's lines of a time, oldest first, in chunks; whoever opened it closes it.

    Each chunk is a short read of its own: a slow download holds no connection and no old
    snapshot, and sees a line that is deleted meanwhile as it is then.
    """

    def __init__(
        self, database: Database, seats: _Seats, *, room_id: str, since_ms: int, until_ms: int
    ) -> None:
        check_span(since_ms, until_ms)
        seats.take()
        self._database = database
        self._seats = seats
        self._room_id = room_id
        self._since_ms = since_ms
        self._until_ms = until_ms

    def close(self) -> None:
        """Make room for the next export."""
        self._seats.give_back()

    async def chunks(self) -> AsyncIterator[list[ArchivedLine]]:
        """Read on, as fast as the reader takes it."""
        after = first_id(self._since_ms - ID_SLACK_MS)
        until = first_id(self._until_ms + ID_SLACK_MS)
        while True:
            async with self._database.reading() as connection:
                await store.begin_look_back(connection)
                lines = await store.select_chunk(
                    connection, self._room_id, after=after, until=until, limit=CHUNK_LINES
                )
            if wanted := [x for x in lines if self._since_ms <= x.at_ms < self._until_ms]:
                yield wanted
            if len(lines) < CHUNK_LINES:
                return
            after = lines[-1].id


class ChatArchive:
    """The stored chat of all rooms, for those who keep order in them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._searches = _Seats(SEARCHES_MAX)
        self._exports = _Seats(EXPORTS_MAX)

    async def search(self, room_id: str, search: Search) -> ArchivePage:
        """Return the newest lines that match, and where to go on; deleted ones are among them."""
        check_search(search)
        self._searches.take()
        try:
            return await self._search(room_id, search)
        finally:
            self._searches.give_back()

    async def _search(self, room_id: str, search: Search) -> ArchivePage:
        async with self._database.reading() as connection:
            await store.begin_look_back(connection)
            found = await store.select_found(connection, room_id, search, search.limit + 1)
            if len(found) > search.limit:
                page = found[: search.limit]
                return ArchivePage(page, page[-1].id)
            last = await store.select_last_scanned(connection, room_id, search)
            return ArchivePage(found, last)

    def open_export(self, room_id: str, *, since_ms: int, until_ms: int) -> Export:
        """Begin an export of the lines from `since_ms` to before `until_ms`."""
        return Export(
            self._database,
            self._exports,
            room_id=room_id,
            since_ms=since_ms,
            until_ms=until_ms,
        )
