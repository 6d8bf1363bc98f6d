"""Take in chat lines, carry as many as the room can read, and store every one.

The author always sees the own line: when sampling leaves it out for the others, or another line
stands for it, it is written to the author alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from realtime.brokers.ports import BrokerUnavailableError
from realtime.chat.rules import Accepted, Author, ChatLimits, Selection, Standing, decide_line
from realtime.chat.sender import LineSender, Waiting
from realtime.protocol.codec import frame_text
from realtime.protocol.errors import refuse
from realtime.protocol.messages import ChatLine, build_chat
from realtime.rooms.hub import Hub
from realtime.rooms.ports import ChatStore, Identity, Member, Modes, Process
from realtime.rooms.publisher import RoomPublisher
from realtime.rooms.room import Room

log = logging.getLogger(__name__)

# A batch of this many rows is still one quick statement.
SAVE_LINES_MAX = 500
# The store belongs to PostgreSQL; a save that takes longer than this is a failed one.
SAVE_TIMEOUT_S = 5.0


class ChatService(LineSender):
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
        super().__init__(process.now_ms, publisher=publisher, limits=limits, counters=hub.counters)
        self._process = process
        self._hub = hub
        self._store = store
        self._authors: OrderedDict[tuple[str, str], Author] = OrderedDict()
        self._members: dict[str, Member] = {}
        """Line id → whose line it is, while it waits for its flush."""
        self._unsaved: dict[str, list[ChatLine]] = {}

    def say(self, room: Room, member: Member, identity: Identity, *, text: str) -> bytes:
        """Accept a line and return the raw JSON answer; raise `CommandError` to refuse it."""
        now_ms = self._process.now_ms()
        key = (room.ref.id, identity.user_id)
        flags = _flags(identity, room)
        verdict = decide_line(
            text,
            self._authors.get(key),
            now_ms=now_ms,
            standing=Standing(
                muted_until_ms=room.mutes.get(identity.user_id, 0),
                modes=Modes() if flags else room.modes,
                spoke_ms=room.last_spoke.at_ms(identity.user_id),
            ),
            limits=self._limits,
        )
        self._remember(key, verdict.author)
        if not isinstance(verdict, Accepted):
            self._counters.chat_refused += 1
            raise refuse(verdict.code, retry_ms=verdict.retry_ms)
        self._counters.chat_accepted += 1
        line = ChatLine(
            id=self._process.new_id(),
            user=identity.user_id,
            name=identity.name,
            text=verdict.text,
            flags=flags,
            at_ms=now_ms,
        )
        if self.carry(room.ref.id, line):
            self._members[line.id] = member
        else:
            _show_own(room, member, line)
        self._keep(room.ref.id, line)
        return msgspec.json.encode({"line": line.id})

    def _keep(self, room_id: str, line: ChatLine) -> None:
        unsaved = self._unsaved.setdefault(room_id, [])
        unsaved.append(line)
        if len(unsaved) > self._limits.unsaved_lines_max:
            del unsaved[0]
            self._counters.chat_lost += 1

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
            await self.flush()

    def _is_idle(self, room_id: str, waiting: Waiting) -> bool:
        return self._hub.room(room_id) is None and super()._is_idle(room_id, waiting)

    def _left_out(self, room_id: str, chosen: Selection) -> Sequence[tuple[str, int]]:
        room = self._hub.room(room_id)
        for line in chosen.carried:
            self._members.pop(line.id, None)
        unheard = []
        for line in chosen.unseen:
            member = self._members.pop(line.id, None)
            if room is not None and member is not None:
                _show_own(room, member, line)
                unheard.append((line.user, line.at_ms))
        return unheard if room is not None and room.modes.slow_s else ()

    def _require_link(self) -> None:
        if not self._hub.link_ok:
            raise BrokerUnavailableError("nothing published would come back")

    def _show_here(self, room_id: str, lines: Sequence[ChatLine], *, dropped: int) -> None:
        if (room := self._hub.room(room_id)) is not None:
            room.say(lines, dropped=dropped)

    async def _save_forever(self) -> None:
        while True:
            await asyncio.sleep(self._limits.save_ms / 1000)
            await self._save_all()

    async def _save_all(self) -> None:
        for room_id, unsaved in list(self._unsaved.items()):
            while unsaved:
                batch = unsaved[:SAVE_LINES_MAX]
                if not await self._save(room_id, batch):
                    # The store is away, or cannot take this room: the others go first next time.
                    self._unsaved[room_id] = self._unsaved.pop(room_id)
                    return
                # Lines beyond the limit may have been given up meanwhile: remove by identity.
                saved = {line.id for line in batch}
                unsaved[:] = [line for line in unsaved if line.id not in saved]
            del self._unsaved[room_id]

    async def _save(self, room_id: str, batch: Sequence[ChatLine]) -> bool:
        try:
            async with asyncio.timeout(SAVE_TIMEOUT_S):
                await self._store.save(room_id, batch)
        except Exception as error:  # Whatever the store raises, the lines are kept and retried.
            self._counters.chat_save_failures += 1
            log.warning("Storing %d chat lines failed: %s", len(batch), error)
            return False
        self._counters.chat_saved += len(batch)
        return True


def _show_own(room: Room, member: Member, line: ChatLine) -> None:
    """Write a line to its author alone."""
    if member.slot >= 0:
        member.write(frame_text(build_chat(room.ring.newest, [line], 0)))


def _flags(identity: Identity, room: Room) -> tuple[str, ...]:
    """Say in which office a line is spoken; a host is a host only in the own room."""
    if identity.user_id == room.ref.host_id:
        return ("host",)
    if identity.role in {"moderator", "operator"}:
        return ("mod",)
    return ()
