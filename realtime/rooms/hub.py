"""Run all rooms of one gateway process: activate them, feed them from the link, refresh them.

Whatever the link loses is read from the log: at a gap, after every link failure, and each second
while the link is down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from realtime.brokers.ports import Link
from realtime.protocol.close_codes import CloseCode
from realtime.protocol.counters import Counters
from realtime.protocol.errors import RealtimeError
from realtime.protocol.messages import LogEntry
from realtime.recovery.rules import Position
from realtime.rooms.active import ActiveRoom
from realtime.rooms.drain import DrainPlan
from realtime.rooms.envelope import (
    DirectEnvelope,
    Envelope,
    HintEnvelope,
    LikesEnvelope,
    LinesEnvelope,
    SaleEnvelope,
    decode_envelope,
    room_channel,
)
from realtime.rooms.limits import RoomLimits
from realtime.rooms.load import LoadWatch
from realtime.rooms.ports import Member, Process, RoomSource
from realtime.rooms.reader import RoomReader
from realtime.rooms.room import Room
from realtime.rooms.ticker import Ticker

log = logging.getLogger(__name__)

EVERYTHING = frozenset({"*"})
"""The hint that every state key of a room may have changed."""

OnHint = Callable[[str, set[str]], None]

# Steps in which a drain says goodbye: short enough to look smooth, long enough to be cheap.
DRAIN_STEP_S = 0.02
# A client that arrives while the process ends for another reason comes back after this.
ENDING_RETRY_MS = 500


class Hub:
    """All rooms of one process. `run` must be running before anyone joins."""

    def __init__(
        self,
        process: Process,
        *,
        source: RoomSource,
        link: Link,
        prefix: str,
        limits: RoomLimits,
    ) -> None:
        self.counters = Counters()
        self._drain: DrainPlan | None = None
        self._ticker = Ticker(limits=limits, counters=self.counters)
        self.load = LoadWatch(
            process, ticker=self._ticker, counters=self.counters, limits=limits.ladder
        )
        self._process = process
        self._reader = RoomReader(
            source, now_ms=process.now_ms, counters=self.counters, limits=limits
        )
        self._link = link
        self._prefix = prefix
        self._limits = limits
        self._active: dict[str, ActiveRoom] = {}
        self._by_slug: dict[str, ActiveRoom] = {}
        self._activating: dict[str, asyncio.Future[Room | None]] = {}
        self._callbacks: list[OnHint] = []
        self._tasks: asyncio.TaskGroup | None = None

    # What the server uses.

    def on_hint(self, callback: OnHint) -> None:
        """Call `callback(room_id, keys)` when state keys changed; `{"*"}` stands for all."""
        self._callbacks.append(callback)

    def set_state(self, room_id: str, key: str, value: Any) -> None:
        """Set a state key's newest value for the next tick; unknown rooms are ignored."""
        active = self._active.get(room_id)
        if active is None:
            return
        if active.room.state.put(key, value):
            self.counters.state_changes += 1
        else:
            self.counters.state_skips += 1

    @property
    def active_rooms(self) -> list[str]:
        """Ids of the rooms that have members here, or had lately."""
        return list(self._active)

    @property
    def link_ok(self) -> bool:
        """Whether messages from other processes are known to arrive."""
        return self._link.link_ok

    @property
    def member_count(self) -> int:
        """Connections in all rooms of this process."""
        return sum(len(active.room.members) for active in self._active.values())

    async def run(self) -> None:
        """Serve until cancelled; a failure ends everything, and the process with it."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._link.run(self), name="hub-link")
            ticks = self._ticker.run(lambda: list(self._active.values()), self._look_after)
            tasks.create_task(ticks, name="hub-ticks")
            tasks.create_task(self.load.run(self._tell_load), name="hub-load")

    @property
    def is_draining(self) -> bool:
        """Whether this process is letting its members go."""
        return self._drain is not None

    async def drain(self) -> None:
        """Say goodbye to every member in its turn, each with its own moment to come back.

        Until its turn a member is served as ever.
        """
        members = [m for active in self._active.values() for m in active.room.members]
        plan = DrainPlan(len(members), limits=self._limits.drain, started_ms=_loop_ms())
        self._drain = plan
        told = 0
        while told < len(members):
            now_ms = _loop_ms()
            due = plan.due(now_ms)
            for index in range(told, due):
                members[index].close(CloseCode.DRAINING, plan.retry_ms(index, now_ms))
            told = due
            if told < len(members):
                await asyncio.sleep(DRAIN_STEP_S)

    def newcomer_retry_ms(self) -> int:
        """Return when somebody who arrives at an ending process should come back."""
        if self._drain is None:
            return ENDING_RETRY_MS
        return self._drain.newcomer_retry_ms(_loop_ms())

    # What the gateway and the room features use.

    def room(self, room_id: str) -> Room | None:
        """Return an active room by its id."""
        active = self._active.get(room_id)
        return None if active is None else active.room

    def room_by_slug(self, slug: str) -> Room | None:
        """Return an active room by its slug."""
        active = self._by_slug.get(slug)
        return None if active is None else active.room

    async def activate(self, slug: str) -> Room | None:
        """Return the room, loading it when nobody was in it; None when there is none.

        Raises TimeoutError or whatever the source raises when the room cannot be read.
        """
        if (room := self.room_by_slug(slug)) is not None:
            return room
        if self._reader.is_unknown(slug):
            return None
        future = self._activating.get(slug)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._activating[slug] = future
            self._spawn(self._activate(slug, future))
        return await asyncio.shield(future)

    def join(self, room: Room, member: Member, position: Position | None) -> None:
        """Register a member, then bring it to the present: at once, or with the next snapshot."""
        room.add(member)
        self._active[room.ref.id].empty_since_ms = None
        self.bring_up(room, member, position)

    def bring_up(self, room: Room, member: Member, position: Position | None) -> None:
        """Bring a registered member from `position` to the present by replay or snapshot."""
        if not room.welcome(member, position):
            active = self._active[room.ref.id]
            if not active.desk.serve_at_once(self._process.now_ms()):
                self._start_snapshot(active)

    def leave(self, room: Room, member: Member) -> None:
        """Forget a member."""
        room.remove(member)

    # What the link tells.

    def link_up(self) -> None:
        """Catch up every room from its log, and re-read every state key."""
        for active in self._active.values():
            self._start_repair(active)
            self._hint(active.room.ref.id, set(EVERYTHING))

    def link_down(self) -> None:
        """Tell every client that numbers may be late."""
        self.counters.link_losses += 1
        for active in self._active.values():
            active.room.state.put("degraded", True)

    def message(self, channel: str, data: bytes) -> None:
        """Take in what another process, or this one, said to a room."""
        active = self._active.get(channel.removeprefix(room_channel(self._prefix, "")))
        if active is None:
            return
        self.counters.bus_messages_in += 1
        try:
            envelope = decode_envelope(data)
        except ValueError as error:
            self.counters.bus_messages_bad += 1
            log.warning("Ignored a malformed message on %s: %s", channel, error)
            return
        self._receive(active, envelope)

    def _receive(self, active: ActiveRoom, envelope: Envelope) -> None:
        room = active.room
        match envelope:
            case SaleEnvelope(entries):
                if not self._apply(active, entries):
                    self.counters.sale_gaps += 1
                    active.repair.wanted = max(active.repair.wanted, entries[-1].offset)
                    self._start_repair(active)
            case LinesEnvelope(lines, dropped, unheard):
                room.say(lines, dropped=dropped)
                room.note_speakers(lines, unheard)
            case HintEnvelope(keys):
                self._hint(room.ref.id, set(keys))
            case DirectEnvelope(user, kind, payload):
                room.direct(user, kind, payload)
            case LikesEnvelope(total):
                room.state.put("likes", max(total, room.state.get("likes") or 0))

    def _apply(self, active: ActiveRoom, entries: Sequence[LogEntry]) -> bool:
        """Take in log entries and see that they reach everybody; False when some are missing."""
        room = active.room
        connected = room.apply(entries)
        if not room.sale_pass.is_done and not active.is_selling:
            active.is_selling = True
            self._spawn(self._finish_sale_pass(active))
        elif room.waiting:
            # The ring did not reach back to everybody.
            self._start_snapshot(active)
        return connected

    async def _finish_sale_pass(self, active: ActiveRoom) -> None:
        """Write the rest of a sale pass, giving commands a turn after each slice."""
        with self._ticker.sales_first():
            await active.finish_sale_pass(self._limits.sale_slice_members)
        if active.room.waiting:
            self._start_snapshot(active)

    def _hint(self, room_id: str, keys: set[str]) -> None:
        for callback in self._callbacks:
            callback(room_id, keys)

    def _tell_load(self) -> None:
        for active in self._active.values():
            active.room.state.put("load", int(self.load.rung))

    # Activation, repair, snapshots.

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._tasks is not None, "the hub is not running"
        try:
            self._tasks.create_task(work)
        except RuntimeError:
            # The group is shutting down, and everything with it: nobody waits for this any more.
            work.close()

    async def _activate(self, slug: str, future: asyncio.Future[Room | None]) -> None:
        try:
            async with asyncio.timeout(self._limits.activation_timeout_s):
                room = await self._load(slug)
        except Exception as error:
            log.warning("Room %r cannot be read: %r", slug, error)
            if not future.done():
                future.set_exception(error)
            # Everybody who asked may have gone; that is no reason to complain about the exception.
            future.exception()
        else:
            if not future.done():
                future.set_result(room)
        finally:
            del self._activating[slug]

    async def _load(self, slug: str) -> Room | None:
        ref = await self._reader.find(slug)
        if ref is None:
            return None
        if len(self._active) >= self._limits.rooms_max:
            raise RealtimeError(f"this process has {self._limits.rooms_max} rooms already")
        # Subscribe before reading: what is announced in between is then a repeat, not a loss.
        await self._link.subscribe(room_channel(self._prefix, ref.id))
        active = await self._reader.load(ref)
        self._active[ref.id] = self._by_slug[ref.slug] = active
        if not self.link_ok:
            active.room.state.put("degraded", True)
        if self.load.rung:
            active.room.state.put("load", int(self.load.rung))
        # Announcements that arrived while the log was read found no room; look once more.
        self._start_repair(active)
        self._hint(ref.id, set(EVERYTHING))
        return active.room

    def _start_repair(self, active: ActiveRoom) -> None:
        if not active.repair.is_running:
            active.repair.is_running = True
            self._spawn(self._repair(active))

    async def _repair(self, active: ActiveRoom) -> None:
        room = active.room
        apply = partial(self._apply, active)
        if not await active.repair.run(lambda: room.ring.newest, apply):
            log.warning("The log of room %s has a hole after %d.", room.ref.id, room.ring.newest)
            self._resync(active)

    def _resync(self, active: ActiveRoom) -> None:
        """Give up on the room's log as this process knows it: everyone gets a snapshot."""
        self.counters.rooms_resynced += 1
        active.room.is_broken = True
        active.repair.wanted = 0
        for member in active.room.members:
            active.room.waiting.setdefault(member, "snapshot")
        self._start_snapshot(active)

    def _start_snapshot(self, active: ActiveRoom) -> None:
        if not active.desk.is_running:
            active.desk.is_running = True
            self._spawn(self._serve_snapshots(active))

    async def _serve_snapshots(self, active: ActiveRoom) -> None:
        restarts = active.room.restarts
        await active.desk.run(self.counters, self._process.now_ms)
        if active.room.restarts != restarts:
            await self._reader.reread_rules(active.room)
            # Events of the new log that arrived before the restart were taken for old ones.
            self._start_repair(active)

    async def _check(self, active: ActiveRoom) -> None:
        """Compare the room with its row: a new epoch restarts it, a newer offset is read."""
        room = active.room
        ref = await self._reader.look_up(room)
        if ref is None:
            return
        if ref.epoch != room.ref.epoch:
            self._resync(active)
        elif ref.offset > room.ring.newest:
            active.repair.wanted = max(active.repair.wanted, ref.offset)
            self._start_repair(active)
            # One announcement was lost, or this one channel is deaf while the canary sings.
            await self._link.subscribe(room_channel(self._prefix, room.ref.id))

    def _look_after(self, active: ActiveRoom, now_ms: float) -> None:
        """Start what is due for a room besides its tick; `now_ms` is the event loop's time."""
        room = active.room
        self.counters.link_canaries_missed = self._link.canaries_missed
        if room.waiting:
            self._start_snapshot(active)
        if room.state.get("degraded"):
            # However short the loss was, one tick tells of it before another takes it back.
            room.state.put("degraded", not (self.link_ok and active.has_told_degraded))
            active.has_told_degraded = bool(room.state.get("degraded"))
        if not self.link_ok and now_ms >= active.next_poll_ms:
            active.next_poll_ms = now_ms + self._limits.degraded_poll_ms
            self._start_repair(active)
            self._hint(room.ref.id, set(EVERYTHING))
        if now_ms >= active.next_check_ms:
            first = active.next_check_ms == 0
            active.next_check_ms = now_ms + self._limits.check_every_ms
            if not first:
                self._spawn(self._check(active))
        if room.members:
            active.empty_since_ms = None
        elif active.empty_since_ms is None:
            active.empty_since_ms = self._process.now_ms()
        elif self._process.now_ms() - active.empty_since_ms > self._limits.room_linger_ms:
            del self._active[room.ref.id]
            del self._by_slug[room.ref.slug]
            self._spawn(self._link.unsubscribe(room_channel(self._prefix, room.ref.id)))


def _loop_ms() -> float:
    return asyncio.get_running_loop().time() * 1000
