"""Run all rooms of one gateway process: activate them, feed them from the link, refresh them.

Whatever the link loses is read from the log: at a gap, after every link failure, and each second
while the link is down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from realtime.brokers.ports import Link
from realtime.protocol.close_codes import CloseCode
from realtime.protocol.counters import Counters
from realtime.protocol.errors import RealtimeError
from realtime.recovery.repair import GapRepair
from realtime.recovery.rules import Position
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
from realtime.rooms.ports import Member, Process, RoomSource
from realtime.rooms.room import Room
from realtime.rooms.snapshots import SnapshotDesk
from realtime.rooms.tick import next_tick_ms

log = logging.getLogger(__name__)

EVERYTHING = frozenset({"*"})
"""The hint that every state key of a room may have changed."""

OnHint = Callable[[str, set[str]], None]

# Steps in which a drain says goodbye: short enough to look smooth, long enough to be cheap.
DRAIN_STEP_S = 0.02
# A client that was told to come back does so within this, spread at random.
COME_BACK_MIN_MS = 100
COME_BACK_SPREAD_MS = 1000


class _Active:
    """A room with the tasks that look after it."""

    def __init__(self, room: Room, *, source: RoomSource, limits: RoomLimits) -> None:
        self.room = room
        self.desk = SnapshotDesk(room, source=source, limits=limits)
        retry_s = limits.repair_retry_ms / 1000
        self.repair = GapRepair(room.ref.id, source.read_log, room.counters, retry_s=retry_s)
        self.next_tick_ms = 0.0
        self.next_poll_ms = 0.0
        self.next_check_ms = 0.0
        self.empty_since_ms: float | None = None


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
        self.is_draining = False
        self._process = process
        self._source = source
        self._link = link
        self._prefix = prefix
        self._limits = limits
        self._active: dict[str, _Active] = {}
        self._by_slug: dict[str, _Active] = {}
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
            tasks.create_task(self._tick_forever(), name="hub-ticks")

    async def drain(self, seconds: float) -> None:
        """Say goodbye to every member, one after the other over `seconds`, each with its slot."""
        self.is_draining = True
        members = [m for active in self._active.values() for m in active.room.members]
        steps = max(1, int(seconds / DRAIN_STEP_S))
        for step in range(steps):
            for member in members[step::steps]:
                retry_ms = COME_BACK_MIN_MS + int(self._process.random() * COME_BACK_SPREAD_MS)
                member.close(CloseCode.DRAINING, retry_ms)
            if members:
                await asyncio.sleep(seconds / steps)

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
        self._set_degraded(False)
        for active in self._active.values():
            self._start_repair(active)
            self._hint(active.room.ref.id, set(EVERYTHING))

    def link_down(self) -> None:
        """Tell every client that numbers may be late."""
        self.counters.link_losses += 1
        self._set_degraded(True)

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

    def _receive(self, active: _Active, envelope: Envelope) -> None:
        room = active.room
        match envelope:
            case SaleEnvelope(entries):
                if not room.apply(entries):
                    self.counters.sale_gaps += 1
                    active.repair.wanted = max(active.repair.wanted, entries[-1].offset)
                    self._start_repair(active)
            case LinesEnvelope(lines, dropped):
                room.say(lines, dropped=dropped)
            case HintEnvelope(keys):
                self._hint(room.ref.id, set(keys))
            case DirectEnvelope(user, kind, payload):
                room.direct(user, kind, payload)
            case LikesEnvelope(total):
                room.state.put("likes", max(total, room.state.get("likes") or 0))

    def _hint(self, room_id: str, keys: set[str]) -> None:
        for callback in self._callbacks:
            callback(room_id, keys)

    def _set_degraded(self, degraded: bool) -> None:
        for active in self._active.values():
            if degraded or active.room.state.get("degraded"):
                active.room.state.put("degraded", degraded)

    # Activation, repair, snapshots.

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._tasks is not None, "the hub is not running"
        self._tasks.create_task(work)

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
        ref = await self._source.find(slug)
        if ref is None:
            return None
        if len(self._active) >= self._limits.rooms_max:
            raise RealtimeError(f"this process has {self._limits.rooms_max} rooms already")
        # Subscribe before reading: what is announced in between is then a repeat, not a loss.
        await self._link.subscribe(room_channel(self._prefix, ref.id))
        start = max(0, ref.offset - self._limits.ring_entries)
        entries = await self._source.read_log(ref.id, start, self._limits.ring_entries)
        start = entries[0].offset - 1 if entries else ref.offset
        room = Room(
            msgspec.structs.replace(ref, offset=start), limits=self._limits, counters=self.counters
        )
        room.apply(entries)
        room.mutes.update(await self._source.mutes(ref.id))
        active = _Active(room, source=self._source, limits=self._limits)
        active.empty_since_ms = self._process.now_ms()
        active.repair.wanted = ref.offset
        self._active[ref.id] = self._by_slug[slug] = active
        if not self.link_ok:
            room.state.put("degraded", True)
        # Announcements that arrived while the log was read found no room; look once more.
        self._start_repair(active)
        self._hint(ref.id, set(EVERYTHING))
        return room

    def _start_repair(self, active: _Active) -> None:
        if not active.repair.is_running:
            active.repair.is_running = True
            self._spawn(self._repair(active))

    async def _repair(self, active: _Active) -> None:
        room = active.room
        if not await active.repair.run(lambda: room.ring.newest, room.apply):
            log.warning("The log of room %s has a hole after %d.", room.ref.id, room.ring.newest)
            self._resync(active)

    def _resync(self, active: _Active) -> None:
        """Give up on the room's log as this process knows it: everyone gets a snapshot."""
        self.counters.rooms_resynced += 1
        active.room.is_broken = True
        active.repair.wanted = 0
        for member in active.room.members:
            active.room.waiting.setdefault(member, "snapshot")
        self._start_snapshot(active)

    def _start_snapshot(self, active: _Active) -> None:
        if not active.desk.is_running:
            active.desk.is_running = True
            self._spawn(self._serve_snapshots(active))

    async def _serve_snapshots(self, active: _Active) -> None:
        restarts = active.room.restarts
        await active.desk.run(self.counters, self._process.now_ms)
        if active.room.restarts != restarts:
            # Events of the new log that arrived before the restart were taken for old ones.
            self._start_repair(active)

    async def _check(self, active: _Active) -> None:
        """Compare the room with its row: a new epoch restarts it, a newer offset is read."""
        room = active.room
        try:
            async with asyncio.timeout(self._limits.activation_timeout_s):
                ref = await self._source.find(room.ref.slug)
        except Exception as error:  # The next check asks again.
            log.debug("Room %s could not be checked: %s", room.ref.id, error)
            return
        if ref is None:
            return
        if ref.epoch != room.ref.epoch:
            self._resync(active)
        elif ref.offset > room.ring.newest:
            active.repair.wanted = max(active.repair.wanted, ref.offset)
            self._start_repair(active)

    # Ticks.

    async def _tick_forever(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = self._limits.tick_min_ms / 1000
        due_s = loop.time() + pause_s
        while True:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            now_s = loop.time()
            lag_ms = (now_s - due_s) * 1000
            self.counters.tick_lag_ms = int(lag_ms)
            self.counters.link_canaries_missed = self._link.canaries_missed
            due_s = now_s + pause_s
            for active in list(self._active.values()):
                if active.next_tick_ms <= now_s * 1000:
                    await self._tick(active, now_s * 1000, lag_ms)

    async def _tick(self, active: _Active, now_ms: float, lag_ms: float) -> None:
        room = active.room
        count = len(room.members)
        # Half a shortest tick of slack, so that a room due "just about now" is not put off by one.
        pause_ms = next_tick_ms(count, lag_ms=lag_ms, limits=self._limits)
        active.next_tick_ms = now_ms + pause_ms - self._limits.tick_min_ms / 2
        self._look_after(active, now_ms)
        if frames := room.compose_tick():
            await self._write_pass(room, frames)

    async def _write_pass(self, room: Room, frames: bytes) -> None:
        """Write one tick's frames to all members, in slices, so that the sale lane goes first."""
        loop = asyncio.get_running_loop()
        self.counters.ticks += 1
        slice_s = self._limits.slice_ms / 1000
        members = room.pass_order()
        started_s = loop.time()
        for index in range(0, len(members), self._limits.slice_members):
            for member in members[index : index + self._limits.slice_members]:
                member.write_tick(frames)
            if loop.time() - started_s > slice_s:
                await asyncio.sleep(0)
                started_s = loop.time()

    def _look_after(self, active: _Active, now_ms: float) -> None:
        room = active.room
        if room.waiting:
            self._start_snapshot(active)
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
