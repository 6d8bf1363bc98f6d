"""Take in chat lines, carry as many as the room can read, and store every one.

The author always sees the own line: when sampling leaves it out for the others, it is written to
the author alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from realtime.brokers.ports import BrokerUnavailableError
from realtime.chat.rules import (
    Accepted,
    Author,
    Budget,
    ChatLimits,
    decide_line,
    next_budget,
    select_lines,
)
from realtime.protocol.codec import frame_text
from realtime.protocol.errors import refuse
from realtime.protocol.messages import ChatLine, build_chat
from realtime.rooms.hub import Hub
from realtime.rooms.ports import ChatStore, Identity, Member, Process
from realtime.rooms.publisher import RoomPublisher
from realtime.rooms.room import Room

log = logging.getLogger(__name__)

# A batch of this many rows is still one quick statement.
SAVE_LINES_MAX = 500
# The store belongs to PostgreSQL; a save that takes longer than this is a failed one.
SAVE_TIMEOUT_S = 5.0


class _Pending:
    """What one room has yet to send and to store."""

    def __init__(self) -> None:
        self.lines: list[ChatLine] = []
        self.authors: dict[str, Member] = {}
        self.budget: Budget | None = None
        self.unsaved: list[ChatLine] = []


class ChatService:
    """Chat of all rooms of one process."""

    def __init__(
        self,
        process: Process,
        *,
        hub: Hub,
        publisher: RoomPublisher,
        store: ChatStore,
        limits: ChatLimits,
    ) -> None:
        self._process = process
        self._hub = hub
        self._publisher = publisher
        self._store = store
        self._limits = limits
        self._authors: OrderedDict[tuple[str, str], Author] = OrderedDict()
        self._pending: dict[str, _Pending] = {}
        self.processes: dict[str, int] = {}
        """Room id → how many processes share its budget, as presence last read it."""

    def say(self, room: Room, member: Member, identity: Identity, *, text: str) -> bytes:
        """Accept a line and return the raw JSON answer; raise `CommandError` to refuse it."""
        now_ms = self._process.now_ms()
        key = (room.ref.id, identity.user_id)
        verdict = decide_line(
            text,
            self._authors.get(key),
            now_ms=now_ms,
            muted_until_ms=room.mutes.get(identity.user_id, 0),
            limits=self._limits,
        )
        self._remember(key, verdict.author)
        if not isinstance(verdict, Accepted):
            self._hub.counters.chat_refused += 1
            raise refuse(verdict.code, retry_ms=verdict.retry_ms)
        self._hub.counters.chat_accepted += 1
        line = ChatLine(
            id=self._process.new_id(),
            user=identity.user_id,
            name=identity.name,
            text=verdict.text,
            flags=_flags(identity, room),
            at_ms=now_ms,
        )
        pending = self._pending.setdefault(room.ref.id, _Pending())
        pending.lines.append(line)
        pending.authors[line.id] = member
        pending.unsaved.append(line)
        if len(pending.unsaved) > self._limits.unsaved_lines_max:
            del pending.unsaved[0]
            self._hub.counters.chat_lost += 1
        return msgspec.json.encode({"line": line.id})

    def _remember(self, key: tuple[str, str], author: Author) -> None:
        self._authors[key] = author
        self._authors.move_to_end(key)
        if len(self._authors) > self._limits.authors_max:
            self._authors.popitem(last=False)

    async def run(self) -> None:
        """Send and store batches until cancelled, then store what is left."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_forever(), name="chat-send")
                tasks.create_task(self._save_forever(), name="chat-save")
        finally:
            await self._save_all()

    async def _send_forever(self) -> None:
        while True:
            await asyncio.sleep(self._limits.flush_ms / 1000)
            for room_id, pending in list(self._pending.items()):
                if pending.lines:
                    await self._send(room_id, pending)
                elif not pending.unsaved and self._hub.room(room_id) is None:
                    del self._pending[room_id]

    async def _send(self, room_id: str, pending: _Pending) -> None:
        lines, pending.lines = pending.lines, []
        authors, pending.authors = pending.authors, {}
        budget = next_budget(
            pending.budget,
            now_ms=self._process.now_ms(),
            processes=self.processes.get(room_id, 1),
            limits=self._limits,
        )
        carried, left_out = select_lines(lines, allowance=int(budget.lines))
        left = max(0.0, budget.lines - len(carried))
        pending.budget = msgspec.structs.replace(budget, lines=left)
        self._show_own(room_id, left_out, authors)
        self._hub.counters.chat_sampled_out += len(left_out)
        try:
            if not self._hub.link_ok:
                raise BrokerUnavailableError("nothing published would come back")
            await self._publisher.lines(room_id, carried, dropped=len(left_out))
        except BrokerUnavailableError:
            # The other processes miss these lines; those who are here need not.
            self._hub.counters.bus_publish_failures += 1
            if (room := self._hub.room(room_id)) is not None:
                room.say(carried, dropped=len(left_out))

    def _show_own(
        self, room_id: str, lines: Sequence[ChatLine], authors: dict[str, Member]
    ) -> None:
        room = self._hub.room(room_id)
        if room is None:
            return
        for line in lines:
            author = authors[line.id]
            if author.slot >= 0:
                author.write(frame_text(build_chat(room.ring.newest, [line], 0)))

    async def _save_forever(self) -> None:
        while True:
            await asyncio.sleep(self._limits.save_ms / 1000)
            await self._save_all()

    async def _save_all(self) -> None:
        for room_id, pending in list(self._pending.items()):
            while pending.unsaved:
                batch = pending.unsaved[:SAVE_LINES_MAX]
                if not await self._save(room_id, batch):
                    return
                # Lines beyond the limit may have been given up meanwhile: remove by identity.
                saved = {line.id for line in batch}
                pending.unsaved = [line for line in pending.unsaved if line.id not in saved]

    async def _save(self, room_id: str, batch: Sequence[ChatLine]) -> bool:
        try:
            async with asyncio.timeout(SAVE_TIMEOUT_S):
                await self._store.save(room_id, batch)
        except Exception as error:  # Whatever the store raises, the lines are kept and retried.
            self._hub.counters.chat_save_failures += 1
            log.warning("Storing %d chat lines failed: %s", len(batch), error)
            return False
        self._hub.counters.chat_saved += len(batch)
        return True


def _flags(identity: Identity, room: Room) -> tuple[str, ...]:
    """Say in which office a line is spoken; a host is a host only in the own room."""
    if identity.user_id == room.ref.host_id:
        return ("host",)
    if identity.role in {"moderator", "operator"}:
        return ("mod",)
    return ()
