"""Record every live show whose picture comes by, and keep the tables in step with the files.

Invariant: the forwarder's loop is never held up: files are written by threads, and a database or
a disk that is away costs the recording, not the picture.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from commerce.kernel.ports import Database
from commerce.records.clock.store import select_now_ms
from commerce.shows.recordings import store
from commerce.shows.recordings.model import RecordedPart
from realtime.video.config import VideoCounters
from realtime.video.ports import Forwarder
from realtime.video.recording.files import FOLDER_NAME, RecordingFolder
from realtime.video.recording.model import EndReason, PartHead, RecordingCounters
from realtime.video.recording.recorder import Limits, Recorder
from server.db.faults import AWAY

log = logging.getLogger(__name__)

# A pin is seen, and a keyframe asked for, within this time.
LOOK_EVERY_S = 0.5
# A show whose turn failed has its next one later, so that a fault does not fill the log.
FAULT_REST_MS = 30_000
# Rows follow the files at this pace; the files are the truth.
SAVE_EVERY_S = 5.0
# The rest of the queue is written when a process ends; the supervisor waits longer.
CLOSE_TIMEOUT_S = 4.0


class Running(msgspec.Struct):
    """A show that is being recorded."""

    room_id: str
    recorder: Recorder
    stop: Callable[[], None]
    clock_ahead_ms: int
    pinned_at_ms: int | None
    saved_at_ms: int


class RecordingKeeper:
    """Begins, follows and ends the recordings of one media process."""

    def __init__(
        self,
        forwarder: Forwarder,
        database: Database,
        root: Path,
        *,
        limits: Limits,
        now_ms: Callable[[], int],
    ) -> None:
        self.refusals = VideoCounters()  # The forwarder's own, where it has some.
        self.begun = 0
        self.rounds_failed = 0
        self._before = RecordingCounters()  # Of recordings that have ended.
        self._forwarder = forwarder
        self._database = database
        self._root = root
        self._limits = limits
        self._now_ms = now_ms
        self._rest_until_ms: dict[str, int] = {}
        self._running: dict[str, Running] = {}

    @property
    def running(self) -> int:
        """How many shows are being recorded."""
        return len(self._running)

    @property
    def counters(self) -> RecordingCounters:
        """What was written in this process's life, over all recordings."""
        total = self._before
        for one in self._running.values():
            total = total.plus(one.recorder.counters)
        return total

    async def run(self) -> None:
        """Look for news for ever; when cancelled, finish what is in the queues."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                try:
                    await self.look()
                except AWAY as error:
                    self.rounds_failed += 1
                    log.warning("recordings are looked after again soon: %s", error)
                except Exception:  # A fault of ours must not end the process that has the picture.
                    self.rounds_failed += 1
                    log.exception("a round of the recordings failed")
        finally:
            await self.close()

    async def look(self) -> None:
        """Do one round: begin, ask for keyframes, save, end."""
        async with self._database.reading() as connection:
            live = await store.select_live(connection)
            left_open = await store.select_left_open(connection)
            total_bytes = await store.select_total_bytes(connection)
        limit = self._limits.total_bytes_max
        is_full = limit is not None and total_bytes >= limit
        for show_id, room_id, state, pinned_at_ms in live:
            if show_id in self._running:
                self._follow(self._running[show_id], pinned_at_ms)
            elif state not in ("cut", "removed") and self._forwarder.state(room_id).live:
                await self._try(
                    show_id,
                    self._refuse(show_id)
                    if is_full
                    else self._begin(show_id, room_id, pinned_at_ms),
                )
        shows = {show_id for show_id, *_ in live}
        for show_id, running in list(self._running.items()):
            if show_id not in shows or running.recorder.ended is not None:
                await self._try(show_id, self._end(show_id))
            elif is_full:
                await self._try(show_id, self._end(show_id, "total_limit"))
            elif self._now_ms() - running.saved_at_ms >= SAVE_EVERY_S * 1000:
                await self._try(show_id, self._save(show_id, running))
        for show_id in left_open:
            if show_id not in self._running:
                await self._try(show_id, self._end_left_open(show_id))

    async def _try(self, show_id: str, turn: Coroutine[Any, Any, None]) -> None:
        """Give a show its turn; a fault costs it the next ones, and no other show its own."""
        if self._now_ms() < self._rest_until_ms.get(show_id, 0):
            turn.close()
            return
        self._rest_until_ms.pop(show_id, None)
        try:
            await turn
        except AWAY:
            raise
        except Exception:
            self.refusals.recording_faults += 1
            self._rest_until_ms[show_id] = self._now_ms() + FAULT_REST_MS
            log.exception("the recording of show %s is looked after again later", show_id)

    async def _refuse(self, show_id: str) -> None:
        """Say of a show that all recordings together take what they may."""
        async with self._database.transaction() as transaction:
            if await store.begin_recording(transaction, show_id, clock_ahead_ms=0) is None:
                return
            await store.end_recording(transaction, show_id, "total_limit")
        self.refusals.recordings_refused += 1
        log.warning("show %s is not recorded: HUBBUB_RECORDING_GB_TOTAL is reached", show_id)

    async def close(self) -> None:
        """Finish the files; rows of shows that go on stay open, for the next process."""
        for running in self._running.values():
            running.stop()
        closing = [
            asyncio.to_thread(running.recorder.close, CLOSE_TIMEOUT_S)
            for running in self._running.values()
        ]
        await asyncio.gather(*closing)
        for show_id, running in list(self._running.items()):
            try:
                await self._save(show_id, running)
            except AWAY as error:
                log.warning("a recording's rows are behind its files: %s", error)
        self._running.clear()

    async def _begin(self, show_id: str, room_id: str, pinned_at_ms: int | None) -> None:
        before_ms = self._now_ms()
        async with self._database.transaction() as transaction:
            database_ms = await select_now_ms(transaction)
            ahead_ms = database_ms - (before_ms + self._now_ms()) // 2
            kept_ms = await store.begin_recording(transaction, show_id, clock_ahead_ms=ahead_ms)
        if kept_ms is None:
            return
        folder = RecordingFolder(self._root, room_id, show_id)
        await self._catch_up(folder, show_id, kept_ms)
        recorder = Recorder(
            folder,
            limits=self._limits,
            ask_keyframe=lambda: self._forwarder.ask_keyframe(room_id),
            now_ms=self._now_ms,
        )
        stop = self._forwarder.add_sink(room_id, recorder)
        self._forwarder.ask_keyframe(room_id)
        self._running[show_id] = Running(
            room_id, recorder, stop, kept_ms, pinned_at_ms, self._now_ms()
        )
        self.begun += 1

    def _follow(self, running: Running, pinned_at_ms: int | None) -> None:
        """Ask for a keyframe where something else is explained from now on."""
        if pinned_at_ms != running.pinned_at_ms:
            running.pinned_at_ms = pinned_at_ms
            self._forwarder.ask_keyframe(running.room_id)

    async def _save(self, show_id: str, running: Running) -> None:
        news = running.recorder.news()
        running.saved_at_ms = self._now_ms()
        if not news:
            return
        parts = [recorded(one.number, one.head, one.end_ms, running.clock_ahead_ms) for one in news]
        size_bytes = await asyncio.to_thread(self._folder(show_id, running.room_id).size_bytes)
        async with self._database.transaction() as transaction:
            await store.upsert_parts(transaction, show_id, parts, size_bytes=size_bytes)

    async def _catch_up(self, folder: RecordingFolder, show_id: str, ahead_ms: int) -> None:
        """Bring the rows in step with files of a process that was killed."""
        found = await asyncio.to_thread(lambda: [folder.read(no) for no in folder.numbers()])
        parts = [
            recorded(part.number, part.head, part.pieces[-1].end_ms, ahead_ms)
            for part in found
            if part is not None and part.pieces
        ]
        if not parts:
            return
        size_bytes = await asyncio.to_thread(folder.size_bytes)
        async with self._database.transaction() as transaction:
            await store.upsert_parts(transaction, show_id, parts, size_bytes=size_bytes)

    def _folder(self, show_id: str, room_id: str) -> RecordingFolder:
        return RecordingFolder(self._root, room_id, show_id)

    async def _end(self, show_id: str, full: EndReason | None = None) -> None:
        """Finish a recording's files, then its rows; `full`: why it is cut short."""
        running = self._running[show_id]
        running.stop()
        await asyncio.to_thread(running.recorder.close, CLOSE_TIMEOUT_S)
        reason = running.recorder.ended or full
        ended = RecordingCounters(ended={reason or "complete": 1})
        # In one step: a count that falls, if only for a moment, is taken for a restart.
        del self._running[show_id]
        self._before = self._before.plus(running.recorder.counters).plus(ended)
        self.refusals.recordings_refused += full is not None
        await self._save(show_id, running)
        log.info(
            "recorded show %s: %s parts, %s frames dropped, %s",
            show_id,
            len(running.recorder.news()),
            running.recorder.dropped,
            reason or "complete",
        )
        async with self._database.transaction() as transaction:
            await store.end_recording(transaction, show_id, reason)

    async def _end_left_open(self, show_id: str) -> None:
        async with self._database.reading() as connection:
            left = await store.find_recording(connection, show_id)
        if left is None:
            return
        await self._catch_up(self._folder(show_id, left.room_id), show_id, left.clock_ahead_ms)
        async with self._database.transaction() as transaction:
            await store.end_recording(transaction, show_id, None)


def recorded(no: int, head: PartHead, end_ms: int, clock_ahead_ms: int) -> RecordedPart:
    """Return a part's row; its times are by the database's clock."""
    from_ms = head.from_ms + clock_ahead_ms
    return RecordedPart(
        no=no,
        kind=head.kind,
        codecs=head.codecs,
        width=head.width,
        height=head.height,
        from_ms=from_ms,
        to_ms=from_ms + end_ms,
    )


async def remove_expired(database: Database, root: Path, days: int) -> int:
    """Do a round of forgetting: recordings older than `days`; 0 keeps them for ever.

    Rows say so first. The files of every such row go then, also those that a round before could
    not remove. Returns how many recordings were forgotten.
    """
    forgotten = 0
    if days:
        async with database.reading() as connection:
            expired = await store.select_expired(connection, days * 86_400_000)
        for show_id in expired:
            async with database.transaction() as transaction:
                forgotten += await store.mark_removed(transaction, show_id, "retention")
    await _remove_files(database, root)
    return forgotten


async def _remove_files(database: Database, root: Path) -> None:
    """Remove what is on disk of recordings that are removed; one that fails is tried again."""
    folders = await asyncio.to_thread(_folders, root)
    async with database.reading() as connection:
        removed = await store.select_removed(connection, list(folders))
    for show_id in removed:
        try:
            await asyncio.to_thread(folders[show_id].remove)
        except OSError as error:
            log.warning("files of a recording stay for now: %s", error)


def _folders(root: Path) -> dict[str, RecordingFolder]:
    """Return the folders of all shows that have one."""
    try:
        rooms = [name for name in os.listdir(root) if FOLDER_NAME.fullmatch(name)]
    except FileNotFoundError:
        return {}
    return {
        show_id: RecordingFolder(root, room_id, show_id)
        for room_id in rooms
        for show_id in os.listdir(root / room_id)
        if FOLDER_NAME.fullmatch(show_id)
    }
