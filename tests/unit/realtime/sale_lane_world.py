"""The world that the model of the sale lane lives in: a database, pipes, and strict clients.

A client here refuses any sale event that is not the very next one, so a hole or a repeat fails at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
from websockets.protocol import CLIENT, Protocol

from realtime.gateway.limits import GatewayLimits
from realtime.gateway.member import PacedMember
from realtime.protocol.messages import LogEntry
from realtime.recovery.rules import Position
from realtime.rooms.hub import Hub
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import DeliveryReport, HouseRules, RoomRef, Snapshot

# Small limits, so that short runs reach every one of them.
ROOMS = RoomLimits(ring_entries=4, replay_bytes_max=400, repair_retry_ms=0, sale_slice_members=1)
LIMITS = GatewayLimits(
    rooms=ROOMS, skip_tick_bytes=300, resume_bytes=50, stop_sale_bytes=600, close_bytes=10**9
)


class Database:
    """The room's row and log; a RoomSource."""

    def __init__(self) -> None:
        self.epoch = "e0"
        self.history: list[str] = []
        self.kept_from = 1
        self.born = 0
        self.meanwhile: Callable[[], None] | None = None

    def commit(self) -> LogEntry:
        self.born += 1
        self.history.append(f"n{self.born}")
        return self.entry(len(self.history))

    def entry(self, offset: int) -> LogEntry:
        payload = msgspec.json.encode({"id": self.history[offset - 1], "pad": "x" * 60})
        return LogEntry(offset, "t", payload, 0)

    async def find(self, slug: str) -> RoomRef | None:
        return RoomRef("r1", slug, self.epoch, "h", len(self.history))

    async def snapshot(self, room_id: str) -> Snapshot:
        state = msgspec.json.encode({"history": self.history})
        snapshot = Snapshot(self.epoch, len(self.history), state)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return snapshot

    async def read_log(self, room_id: str, after: int, limit: int) -> list[LogEntry]:
        first = max(after + 1, self.kept_from)
        return [self.entry(offset) for offset in range(first, len(self.history) + 1)][:limit]

    async def house_rules(self, room_id: str) -> HouseRules:
        return HouseRules()

    async def keep_deliveries(self, reports: Sequence[DeliveryReport]) -> None:
        """Never used: nothing is flushed here."""


class Link:
    """A link that is up and carries nothing by itself."""

    link_ok = True
    canaries_missed = 0

    async def run(self, events: Any) -> None:
        """Never used: the machine calls `Hub.message` itself."""

    async def subscribe(self, channel: str) -> None:
        """Nothing to do."""

    async def unsubscribe(self, channel: str) -> None:
        """Nothing to do."""


class LaterTasks:
    """Stands in for the hub's TaskGroup: work waits until the machine lets it run."""

    def __init__(self) -> None:
        self.waiting: list[Coroutine[Any, Any, None]] = []

    def create_task(self, work: Coroutine[Any, Any, None]) -> None:
        self.waiting.append(work)


class Pipe:
    """A transport whose other end reads only when told."""

    def __init__(self) -> None:
        self.member: PacedMember | None = None
        self.buffer = b""
        self.is_blocked = False
        self.wire = Protocol(CLIENT)

    def get_write_buffer_size(self) -> int:
        return len(self.buffer)

    def write(self, data: bytes) -> None:
        if not self.is_blocked:
            self.wire.receive_data(data)
            return
        before = len(self.buffer)
        self.buffer += data
        assert self.member is not None
        if before <= LIMITS.skip_tick_bytes < len(self.buffer):
            self.member.pause_writing()

    def unblock(self) -> None:
        self.is_blocked = False
        data, self.buffer = self.buffer, b""
        if data:
            self.wire.receive_data(data)
        assert self.member is not None
        if self.member._paused_since_ms is not None:
            self.member.resume_writing()


class Viewer:
    """A client: its copy of the history, and the connection it has, if any."""

    def __init__(self) -> None:
        self.position: Position | None = None
        self.history: list[str] = []
        self.pipe: Pipe | None = None

    def read(self) -> None:
        if self.pipe is None:
            return
        for event in self.pipe.wire.events_received():
            frame = msgspec.json.decode(event.data)
            if frame[0] == "Z":
                self.position = Position(frame[1], frame[2])
                self.history = list(frame[3]["history"])
            elif frame[0] == "S":
                assert self.position is not None
                assert frame[1] == self.position.offset + 1, "a hole or a repeat"
                self.history += [body["id"] for _, body, _ in frame[2]]
                newest = self.position.offset + len(frame[2])
                self.position = Position(self.position.epoch, newest)


class Running(msgspec.Struct):
    """One gateway process: its rooms, the work it has not done yet, its kind of connection."""

    hub: Hub
    tasks: LaterTasks
    member_class: type[PacedMember]
