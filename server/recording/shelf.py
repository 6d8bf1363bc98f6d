"""Playlists and files of recordings for whoever may watch them.

Invariant: a file's address is put together from ids and a number that were checked; no text of a
request becomes a path.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec

from commerce.kernel.errors import not_found
from commerce.kernel.ports import Database
from commerce.shows.recordings.model import Recording
from commerce.shows.recordings.store import find_recording
from realtime.video.recording.files import RecordingFolder
from realtime.video.recording.rules import playlist

FILE_NAME = re.compile(r"(\d{4})\.(mp4|webm)")
# Everybody who watches asks once a segment; the tables and the index are read once a second, and
# those that take long more seldom: a publisher may make thousands of parts.
KNOWN_MS = 1_000
KNOWN_TIMES = 20
KNOWN_MS_MAX = 4_000
SHELF_MAX = 256


class Shelved(msgspec.Struct, frozen=True):
    """A recording as it was a moment ago."""

    recording: Recording | None
    text: bytes
    packed: bytes
    until_ms: int


class RecordingShelf:
    """The recordings of one process's disk."""

    def __init__(self, database: Database, root: Path, monotonic_ms: Callable[[], int]) -> None:
        self._database = database
        self._root = root
        self._monotonic_ms = monotonic_ms
        self._known: OrderedDict[str, Shelved] = OrderedDict()
        self._reading: dict[str, asyncio.Task[Shelved]] = {}

    async def playlist(self, show_id: str, *, is_packed: bool = False) -> tuple[Recording, bytes]:
        """Return a recording and its playlist, by gzip where asked for; raises `not_found`."""
        shelved = await self._read(show_id)
        if shelved.recording is None:
            raise not_found("recording")
        return shelved.recording, shelved.packed if is_packed else shelved.text

    async def file(self, show_id: str, name: str) -> tuple[Recording, Path]:
        """Return a recording and where the file of a part is; raises `not_found`."""
        found = FILE_NAME.fullmatch(name)
        recording = (await self._read(show_id)).recording
        if found is None or recording is None:
            raise not_found("recording")
        folder = RecordingFolder(self._root, recording.room_id, recording.show_id)
        path = folder.file(int(found[1]), found[2])
        if not await asyncio.to_thread(path.is_file):
            raise not_found("recording")
        return recording, path

    async def _read(self, show_id: str) -> Shelved:
        known = self._known.get(show_id)
        if known is not None and self._monotonic_ms() < known.until_ms:
            return known
        reading = self._reading.get(show_id)
        if reading is None:
            reading = asyncio.create_task(self._read_anew(show_id), name="recording's playlist")
            self._reading[show_id] = reading
            reading.add_done_callback(lambda done: self._read_through(show_id, done))
        return await asyncio.shield(reading)  # Whoever goes away leaves it to the others.

    def _read_through(self, show_id: str, done: asyncio.Task[Shelved]) -> None:
        del self._reading[show_id]
        if not done.cancelled():
            done.exception()  # Raised where it is awaited; by then nobody may.

    async def _read_anew(self, show_id: str) -> Shelved:
        """Read a recording once for all who ask meanwhile."""
        began_ms = self._monotonic_ms()
        async with self._database.reading() as connection:
            recording = await find_recording(connection, show_id)
        text, packed = b"", b""
        if recording is not None:
            text, packed = await asyncio.to_thread(self._text, recording)
        now_ms = self._monotonic_ms()
        known_ms = min(max(KNOWN_MS, KNOWN_TIMES * (now_ms - began_ms)), KNOWN_MS_MAX)
        shelved = self._known[show_id] = Shelved(recording, text, packed, now_ms + known_ms)
        self._known.move_to_end(show_id)
        while len(self._known) > SHELF_MAX:
            self._known.popitem(last=False)
        return shelved

    def _text(self, recording: Recording) -> tuple[bytes, bytes]:
        """Return the playlist and the same by gzip: of hours it is a tenth of 200 KB."""
        folder = RecordingFolder(self._root, recording.room_id, recording.show_id)
        is_over = recording.state != "recording"
        numbers = folder.numbers()
        parts = [
            part
            for number in numbers
            if (part := folder.read(number, is_open=not is_over and number == numbers[-1]))
        ]
        text = playlist(parts, is_over=is_over, clock_ahead_ms=recording.clock_ahead_ms).encode()
        return text, gzip.compress(text, compresslevel=5)
