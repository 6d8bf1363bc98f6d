"""Take snapshots of a room for all members that wait, as few as possible.

A snapshot serves every member that waits when it is done: whatever happened after it was begun
is in the ring, and is written behind it in the same breath.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from realtime.protocol.codec import Blob
from realtime.protocol.counters import Counters
from realtime.protocol.messages import build_snapshot
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import RoomSource, Snapshot
from realtime.rooms.room import Room

log = logging.getLogger(__name__)

_STATE = msgspec.json.Decoder(dict[str, msgspec.Raw])


class SnapshotDesk:
    """Serves the waiting members of one room; at most one snapshot is read at a time."""

    def __init__(self, room: Room, *, source: RoomSource, limits: RoomLimits) -> None:
        self._room = room
        self._source = source
        self._limits = limits
        self._newest: tuple[Snapshot, Blob, int] | None = None
        self._newest_at_ms = 0
        self.is_running = False

    def serve_at_once(self, now_ms: int) -> bool:
        """Serve the waiting from a snapshot of this very tick; return whether there was one."""
        age_ms = now_ms - self._newest_at_ms  # Below zero when the clock was set back.
        if self._newest is None or not 0 <= age_ms < self._limits.tick_min_ms:
            return False
        snapshot, blob, version = self._newest
        if snapshot.epoch != self._room.ref.epoch or self._room.is_broken:
            return False
        return self._show(snapshot, blob, version)

    async def run(self, counters: Counters, now_ms: Callable[[], int]) -> None:
        """Read snapshots until nobody waits; retries failures for as long as somebody does."""
        self.is_running = True
        failed = False
        try:
            while self._room.waiting:
                version = self._room.state.version
                try:
                    async with asyncio.timeout(self._limits.snapshot_timeout_s):
                        snapshot = await self._source.snapshot(self._room.ref.id)
                    blob = self._compose(snapshot)
                except Exception as error:  # Whatever the source raises, it is asked again.
                    counters.snapshot_failures += 1
                    if not failed:
                        log.warning("Snapshot of room %s failed: %s", self._room.ref.id, error)
                    failed = True
                    await asyncio.sleep(self._limits.snapshot_retry_ms / 1000)
                    continue
                counters.snapshots += 1
                counters.snapshots_shared += max(0, len(self._room.waiting) - 1)
                self._newest, self._newest_at_ms = (snapshot, blob, version), now_ms()
                self._show(snapshot, blob, version)
        finally:
            self.is_running = False

    def _compose(self, snapshot: Snapshot) -> Blob:
        """Frame a snapshot with what this process knows of viewers, likes and the picture."""
        room = self._room
        state = _STATE.decode(snapshot.state)
        state["viewers"] = msgspec.Raw(b"%d" % room.viewers)
        stored = int(bytes(state.get("likes", b"0")))
        likes = max(stored, room.state.get("likes") or 0)
        room.state.put("likes", likes)
        state["likes"] = msgspec.Raw(b"%d" % likes)
        if "video" in state:
            state["video"] = msgspec.Raw(msgspec.json.encode(room.state.get("video")))
        body = msgspec.json.encode(state)
        return Blob(build_snapshot(snapshot.epoch, snapshot.offset, body))

    def _show(self, snapshot: Snapshot, blob: Blob, version: int) -> bool:
        room = self._room
        if snapshot.epoch != room.ref.epoch:
            log.warning("Room %s has a new epoch: its log was restored.", room.ref.id)
            room.is_broken = True
        if room.is_broken:
            room.restart(msgspec.structs.replace(room.ref, epoch=snapshot.epoch), snapshot.offset)
        if snapshot.offset + 1 < room.ring.first:
            return False
        for member in list(room.waiting):
            if member not in room.waiting:
                continue  # It was closed while another was greeted.
            room.show_snapshot(member, blob, offset=snapshot.offset, version=version)
        return True
