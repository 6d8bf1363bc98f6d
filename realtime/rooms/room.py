"""Keep one room of this process: its members, its newest sale events, its state and its chat.

The invariant of the sale lane: a member's `offset` is the newest event written to it, events are
written in order without holes, and a member that cannot take one waits for replay or snapshot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from realtime.protocol.codec import Blob, frame_text
from realtime.protocol.counters import Counters
from realtime.protocol.messages import (
    ChatLine,
    LogEntry,
    build_chat,
    build_direct,
    build_sale,
    build_sale_event,
    build_state,
)
from realtime.recovery.ring import Ring
from realtime.recovery.rules import Apply, Gap, Position, Replay, decide_arrival, decide_recovery
from realtime.rooms.last_spoke import LastSpoke
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import HouseRules, Member, Modes, RoomRef
from realtime.rooms.sale_pass import SalePass
from realtime.rooms.state import StateLane

log = logging.getLogger(__name__)

WAITING = -1
# State of this process, not of the room, so a snapshot does not tell it.
NOT_IN_SNAPSHOTS = frozenset({"degraded", "load"})


class _Muted(msgspec.Struct):
    user: str
    until_ms: int


class _Deleted(msgspec.Struct):
    line: str


class _ModesSet(msgspec.Struct):
    modes: Modes


class Room:
    """One active room. All methods are synchronous: between two awaits it is consistent."""

    def __init__(self, ref: RoomRef, *, limits: RoomLimits, counters: Counters) -> None:
        self.ref = ref
        self.ring = Ring(ref.offset, limits.ring_entries)
        self.sale_pass = SalePass(
            self.ring, self._await_snapshot, replay_bytes_max=limits.replay_bytes_max
        )
        self.state = StateLane()
        self.mutes: dict[str, int] = {}
        self.modes = Modes()
        self.last_spoke = LastSpoke()
        self.members: list[Member] = []
        self.elsewhere = 0
        """Viewers in other processes, as presence last read it."""
        self._staff = 0
        self.waiting: dict[Member, str] = {}
        """Members that wait for a snapshot → what the hello will call it."""
        self.restarts = 0
        self.is_broken = False
        """The log has a hole that cannot be read; the next snapshot starts the room again."""
        self.on_sale: Callable[[Room, Sequence[LogEntry]], None] | None = None
        """Told of new events just before they are written; None while nobody measures."""
        self._by_user: dict[str, list[Member]] = {}
        self._lines: list[ChatLine] = []
        self._dropped = 0
        self._start = 0
        self._limits = limits
        self.counters = counters

    @property
    def position(self) -> Position:
        """Where this process is in the room's log."""
        return Position(self.ref.epoch, self.ring.newest)

    @property
    def watching(self) -> int:
        """Connections of this process, but for those of the shop's own people."""
        return len(self.members) - self._staff

    @property
    def viewers(self) -> int:
        """Who watches here and elsewhere."""
        return self.elsewhere + self.watching

    def add(self, member: Member) -> None:
        """Register a member; it receives nothing until `welcome`."""
        member.slot = len(self.members)
        member.offset = WAITING
        self.members.append(member)
        self._staff += member.is_staff
        if member.user_id is not None:
            self._by_user.setdefault(member.user_id, []).append(member)

    def remove(self, member: Member) -> None:
        """Forget a member, in constant time; does nothing when it is not here."""
        slot = member.slot
        if slot < 0:
            return
        last = self.members.pop()
        if last is not member:
            self.members[slot] = last
            last.slot = slot
        member.slot = -1
        self._staff -= member.is_staff
        self.waiting.pop(member, None)
        if member.user_id is not None:
            mine = self._by_user[member.user_id]
            mine.remove(member)
            if not mine:
                del self._by_user[member.user_id]

    def welcome(self, member: Member, position: Position | None) -> bool:
        """Bring a member from `position` to the present; return False when it needs a snapshot."""
        decision = decide_recovery(position, self.position, ring_first=self.ring.first)
        if isinstance(decision, Replay):
            events = self.ring.since(decision.first)
            if sum(map(len, events)) <= self._limits.replay_bytes_max:
                newest = self.ring.newest
                hello = member.greet("replayed", epoch=self.ref.epoch, offset=newest)
                self.counters.joins_replayed += bool(hello)
                sale = frame_text(build_sale(decision.first, events)) if events else b""
                member.offset = newest
                member.write(hello + sale + self.state_frame(0))
                return True
        member.offset = WAITING
        self.waiting[member] = "fresh" if position is None else "snapshot"
        return False

    def show_snapshot(self, member: Member, blob: Blob, *, offset: int, version: int) -> None:
        """Write a `Z` frame taken at `offset`, and what happened since; the ring must reach it.

        `version` is the state lane's when the snapshot was begun.
        """
        rec = self.waiting.pop(member)
        newest = max(offset, self.ring.newest)
        hello = member.greet(rec, epoch=self.ref.epoch, offset=newest)
        if hello and rec == "fresh":
            self.counters.joins_fresh += 1
        elif hello:
            self.counters.joins_snapshot += 1
        sale = b""
        if self.ring.newest > offset:
            sale = frame_text(build_sale(offset + 1, self.ring.since(offset + 1)))
        member.offset = newest
        member.write(hello + member.pick(blob) + sale + self.state_frame(version))

    def state_frame(self, version: int) -> bytes:
        """Frame every state value that changed after `version`; nothing when none did."""
        values = self.state.since(version)
        values |= {k: v for k, v in self.state.since(0).items() if k in NOT_IN_SNAPSHOTS}
        return frame_text(build_state(self.ring.newest, values)) if values else b""

    def apply(self, entries: Sequence[LogEntry]) -> bool:
        """Take in log entries and begin to write the new ones; return False when some are missing.

        The first slice of members is written at once; whoever calls sees to `sale_pass`.
        """
        first = self.ring.newest + 1
        connected = True
        for entry in entries:
            match decide_arrival(entry.offset, newest=self.ring.newest):
                case Apply():
                    self.ring.append(entry.offset, build_sale_event(entry))
                    self._obey(entry)
                case Gap():
                    connected = False
                    break
                case _:
                    self.counters.sale_repeats += 1
        if self.ring.newest >= first:
            self.counters.sale_events += self.ring.newest - first + 1
            if self.on_sale is not None:
                known = range(first, self.ring.newest + 1)
                self.on_sale(self, [entry for entry in entries if entry.offset in known])
            self.sale_pass.begin(self.pass_order(), before=first - 1)
            self.sale_pass.write(self._limits.sale_slice_members)
        return connected

    def _await_snapshot(self, member: Member) -> None:
        member.offset = WAITING
        self.waiting.setdefault(member, "snapshot")

    def _obey(self, entry: LogEntry) -> None:
        """Carry out moderation in this process, before the room sees it."""
        try:
            self._moderate(entry)
        except msgspec.DecodeError as error:
            log.error("Event %d of room %s is malformed: %s", entry.offset, self.ref.id, error)

    def _moderate(self, entry: LogEntry) -> None:
        if entry.type == "user.muted":
            muted = msgspec.json.decode(entry.payload, type=_Muted)
            if muted.until_ms:
                self.mutes[muted.user] = muted.until_ms
            else:
                self.mutes.pop(muted.user, None)
            payload = msgspec.json.encode({"until_ms": muted.until_ms})
            self.direct(muted.user, "muted", payload)
        elif entry.type == "chat.deleted":
            deleted = msgspec.json.decode(entry.payload, type=_Deleted)
            self._lines = [line for line in self._lines if line.id != deleted.line]
        elif entry.type == "chat.modes":
            self.modes = msgspec.json.decode(entry.payload, type=_ModesSet).modes

    def keep_rules(self, rules: HouseRules) -> None:
        """Take over the mutes and modes as they are stored."""
        self.mutes, self.modes = dict(rules.mutes), rules.modes

    def direct(self, user_id: str, kind: str, payload: bytes) -> None:
        """Write a message to the connections of one user."""
        members = self._by_user.get(user_id)
        if not members:
            return
        frame = frame_text(build_direct(kind, payload))
        for member in list(members):
            self.counters.direct_sent += 1
            member.write(frame)

    def say(self, lines: Sequence[ChatLine], *, dropped: int) -> None:
        """Hold chat lines for the next tick, as many as fit."""
        free = max(0, self._limits.chat_lines_per_tick - len(self._lines))
        self._lines.extend(lines[:free])
        lost = sum(line.stands_for for line in lines[free:])
        self.counters.chat_lost += lost
        self._dropped += dropped + lost

    def note_speakers(
        self, lines: Sequence[ChatLine], unheard: Sequence[tuple[str, int]] = ()
    ) -> None:
        """Remember who has just spoken, shown or not, for as long as slow mode asks."""
        spoken = [(line.user, line.at_ms) for line in lines if line.user]
        self.last_spoke.note([*spoken, *unheard], slow_s=self.modes.slow_s)

    def compose_tick(self) -> tuple[Blob, int]:
        """Frame what changed since the last tick, once for all; an empty blob when nothing did.

        Also returns how many chat lines it tells of, shown or left out.
        """
        self.state.put("viewers", self.viewers)
        payloads: list[bytes] = []
        so = self.ring.newest
        lines = sum(line.stands_for for line in self._lines) + self._dropped
        if changes := self.state.take_changes():
            payloads.append(build_state(so, changes))
        if lines:
            payloads.append(build_chat(so, self._lines, self._dropped))
            self._lines, self._dropped = [], 0
        return Blob(*payloads), lines

    def pass_order(self) -> list[Member]:
        """Return the members in the order of the next pass; each starts elsewhere, for fairness."""
        count = len(self.members)
        if count == 0:
            return []
        self._start = (self._start + max(1, count // 7)) % count
        return self.members[self._start :] + self.members[: self._start]

    def restart(self, ref: RoomRef, offset: int) -> None:
        """Begin again at another log, or past a hole: everyone waits for a snapshot."""
        self.ref = ref
        self.is_broken = False
        self.restarts += 1
        self.ring.reset(offset)
        self.sale_pass.drop()
        for member in self.members:
            self._await_snapshot(member)
