"""Ask a sample of each room's viewers to acknowledge sale events, and store what they said.

The cost is bounded by the sample: a room where nobody is asked pays one comparison an event, and
no other member is ever looked at. What is stored of an event is final; storing it again changes
nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from realtime.delivery.rules import DeliveryLimits, Tally, is_asked
from realtime.protocol.codec import frame_text
from realtime.protocol.counters import Counters
from realtime.protocol.messages import LogEntry, build_ask
from realtime.rooms.ports import DeliveryReport, DeliveryStore, Member, Process
from realtime.rooms.room import WAITING, Room

log = logging.getLogger(__name__)

# Random picks for somebody to ask in a leaver's place; with most members staff or waiting it is
# no loss to ask one fewer.
PICKS_MAX = 4


class _Asked:
    """What one connection still owes; it may owe after it is no longer asked about new events."""

    __slots__ = ("is_hidden", "owed")

    def __init__(self) -> None:
        self.is_hidden = False
        self.owed: dict[int, Tally] = {}


class _Sample:
    """The members of one room who are asked, in no order, for picking one at random."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.members: list[Member] = []

    def swap_out(self, index: int) -> Member:
        """Take a member out, in constant time."""
        member, last = self.members[index], self.members.pop()
        if last is not member:
            self.members[index] = last
        return member


class DeliveryService:
    """The measurement of one process, over all its rooms."""

    def __init__(
        self, process: Process, *, counters: Counters, store: DeliveryStore, limits: DeliveryLimits
    ) -> None:
        self._process = process
        # A gateway that died is started again under its name; its counts are not the same ones.
        self._reporter = f"{process.name}:{process.new_id()}"
        self._counters = counters
        self._store = store
        self._limits = limits
        self._samples: dict[str, _Sample] = {}
        self._asked: dict[Member, _Asked] = {}
        self._open: deque[tuple[str, Tally]] = deque()
        self._unsaved: deque[DeliveryReport] = deque()

    # Who is asked.

    def ask(self, room: Room, member: Member) -> bool:
        """Draw for a viewer who is about to be greeted; say whether the hello asks them."""
        if member.is_staff:
            return False
        limits, chance = self._limits, self._process.random
        if not is_asked(present=room.watching, asked_max=limits.asked_max, chance=chance()):
            return False
        sample = self._samples.get(room.ref.id)
        if sample is not None and len(sample.members) >= limits.asked_max:
            dropped = sample.swap_out(int(chance() * len(sample.members)))
            # It still owes what it was asked before; nothing is added to that.
            dropped.write(frame_text(build_ask(False)))
        self._enlist(room, member)
        return True

    def leave(self, room: Room, member: Member) -> None:
        """Forget a connection that left the room, and ask somebody else when it was asked."""
        asked = self._asked.pop(member, None)
        if asked is None:
            return
        self._excuse(asked)
        sample = self._samples.get(room.ref.id)
        if sample is None or member not in sample.members:
            return
        sample.swap_out(sample.members.index(member))
        self._replace(room, sample)
        if not sample.members:
            self._samples.pop(room.ref.id, None)
            room.on_sale = None

    def show(self, member: Member, *, is_hidden: bool) -> None:
        """Note whether a page draws at all; a hidden one is no viewer until it shows again."""
        asked = self._asked.get(member)
        if asked is not None:
            asked.is_hidden = is_hidden
            if is_hidden:
                self._excuse(asked)

    def _enlist(self, room: Room, member: Member) -> None:
        sample = self._samples.get(room.ref.id)
        if sample is None:
            sample = self._samples[room.ref.id] = _Sample(room)
            room.on_sale = self._note
        sample.members.append(member)
        # Whoever is asked counts as shown until it says otherwise, also when asked once more.
        self._asked.setdefault(member, _Asked()).is_hidden = False

    def _replace(self, room: Room, sample: _Sample) -> None:
        """Keep the sample as large as it should be, by anybody who is present and not asked."""
        if room.watching <= len(sample.members):
            return
        for _ in range(PICKS_MAX):
            other = room.members[int(self._process.random() * len(room.members))]
            if other.is_staff or other.offset == WAITING or other in sample.members:
                continue
            self._enlist(room, other)
            other.write(frame_text(build_ask(True)))
            return

    def _excuse(self, asked: _Asked) -> None:
        """Take a viewer out of the events that they had no fair chance to draw."""
        now_ms = self._process.now_ms()
        for tally in asked.owed.values():
            if not tally.is_closed and now_ms - tally.written_ms <= self._limits.leaving_grace_ms:
                tally.asked -= 1
        asked.owed.clear()

    # What they are asked about, and what they say.

    def _note(self, room: Room, entries: Sequence[LogEntry]) -> None:
        """Ask about events that are about to be written; `entries` are new to this process.

        A member whose sale lane is stopped is asked too: it is here, and gets them late. One that
        waits for a snapshot, or whose snapshot was ahead, will never draw them.
        """
        now_ms = self._process.now_ms()
        members = self._samples[room.ref.id].members
        for entry in entries[-self._limits.burst_events_max :]:
            tally = Tally(entry.offset, at_ms=entry.at_ms, written_ms=now_ms)
            for member in members:
                asked = self._asked[member]
                if WAITING < member.offset < entry.offset and not asked.is_hidden:
                    self._forget_closed(asked)
                    asked.owed[entry.offset] = tally
                    tally.asked += 1
            self._open.append((room.ref.id, tally))

    def acknowledge(self, member: Member, offset: int, ms: int | None) -> bool:
        """Count what a client says it drew: `offset` and everything before it that it owes.

        Returns False, and counts the frame as ignored, when the offset is none that it owes:
        never asked about, acknowledged before, too old, or made up.
        """
        asked = self._asked.get(member)
        newest = None if asked is None else asked.owed.get(offset)
        if asked is None or newest is None or newest.is_closed:
            self._counters.sale_acks_ignored += 1
            return False
        received_ms = self._process.now_ms()
        drawn_ms = None if ms is None else newest.at_ms + ms
        for owed in [owed for owed in asked.owed if owed <= offset]:
            tally = asked.owed.pop(owed)
            if not tally.is_closed:
                tally.acknowledge(drawn_ms, received_ms)
        return True

    @staticmethod
    def _forget_closed(asked: _Asked) -> None:
        """Drop what is no longer counted; events close in the order they were written."""
        while asked.owed:
            oldest = next(iter(asked.owed))
            if not asked.owed[oldest].is_closed:
                return
            del asked.owed[oldest]

    # What is stored.

    async def run(self) -> None:
        """Store final counts until cancelled, then everything that is left, once."""
        try:
            while True:
                await asyncio.sleep(self._limits.flush_every_s)
                self._close_due()
                await self._flush()
        finally:
            self._close_all()
            await self._flush()

    def _close_due(self) -> None:
        now_ms = self._process.now_ms()
        while self._open and self._open[0][1].is_due(now_ms, self._limits.closes_after_ms):
            self._close(*self._open.popleft())

    def _close_all(self) -> None:
        while self._open:
            self._close(*self._open.popleft())

    def _close(self, room_id: str, tally: Tally) -> None:
        tally.is_closed = True
        if tally.asked == 0:
            return
        counters = self._counters
        counters.sale_deliveries_asked += tally.asked
        counters.sale_deliveries_acked += tally.acked
        counters.add_deliveries(tally.bins, tally.delays_ms)
        report = DeliveryReport(
            room_id=room_id,
            offset=tally.offset,
            reporter=self._reporter,
            asked=tally.asked,
            bins=tuple(tally.bins),
        )
        self._unsaved.append(report)
        if len(self._unsaved) > self._limits.unsaved_max:
            self._unsaved.popleft()
            counters.sale_deliveries_lost += 1

    async def _flush(self) -> None:
        batch = list(self._unsaved)
        if not batch:
            return
        try:
            async with asyncio.timeout(self._limits.store_timeout_s):
                await self._store.keep_deliveries(batch)
        except Exception as error:  # Whatever the store raises, the counts are kept and retried.
            self._counters.delivery_save_failures += 1
            log.warning("Storing the delivery of %d sale events failed: %s", len(batch), error)
            return
        for _ in batch:
            self._unsaved.popleft()
