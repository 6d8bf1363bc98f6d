"""Whatever happens between publish and client, each client's log equals the room's.

The machine plays losses, repeats, slow readers, disconnects, restarts, trimmed logs and restored
databases against the real hub and the real outbound half of a connection. A client here refuses
any sale event that is not the very next one, so a hole or a repeat fails at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule
from websockets.protocol import CLIENT, Protocol

from realtime.delivery.rules import DeliveryLimits
from realtime.delivery.service import DeliveryService
from realtime.gateway.limits import GatewayLimits
from realtime.gateway.member import PacedMember
from realtime.gateway.wheel import TimingWheel
from realtime.protocol.close_codes import CloseCode
from realtime.protocol.messages import LogEntry
from realtime.recovery.rules import Position
from realtime.rooms.envelope import SaleEnvelope, encode_envelope, room_channel
from realtime.rooms.hub import Hub
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import DeliveryReport, HouseRules, Process, RoomRef, Snapshot

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


class SaleLane(RuleBasedStateMachine):
    """The room, its clients and what can go wrong between them."""

    viewers = Bundle("viewers")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = Database()
        self.everybody: list[Viewer] = []
        self.clock_ms = 1000
        self.start_process()

    def start_process(self) -> None:
        process = Process("g", lambda: self.clock_ms, lambda: 0.5, lambda: "id", lambda: 0.0)
        self.hub = Hub(process, source=self.database, link=Link(), prefix="", limits=ROOMS)
        self.tasks = LaterTasks()
        self.hub._tasks = self.tasks  # type: ignore[assignment]
        gateway = SimpleNamespace(
            hub=self.hub,
            # One is asked at a time, so that joiners and leavers hand the question over.
            deliveries=DeliveryService(
                process,
                counters=self.hub.counters,
                store=self.database,
                limits=DeliveryLimits(asked_max=1),
            ),
            limits=LIMITS,
            counters=self.hub.counters,
            process=process,
            uptime_ms=lambda: self.clock_ms,
            wheel=TimingWheel(0),
            next_connection_id=lambda: "g-1",
        )
        hub = self.hub

        class Member(PacedMember):
            """The outbound half, closing by leaving."""

            def close(self, code: CloseCode, retry_ms: int | None = None) -> None:
                self._closing = True
                room = hub.room("r1")
                assert room is not None
                hub.leave(room, self)
                gateway.deliveries.leave(room, self)

            def greeted(self) -> None:
                """Reading is not part of this test."""

        Member.gateway = gateway  # type: ignore[assignment]
        self.member_class = Member

    def background(self) -> None:
        async def run_all() -> None:
            while self.tasks.waiting:
                await self.tasks.waiting.pop(0)

        self.loop.run_until_complete(run_all())

    def room(self) -> Any:
        async def activate() -> Any:
            joining = asyncio.ensure_future(self.hub.activate("demo"))
            await asyncio.sleep(0)
            while self.tasks.waiting and not joining.done():
                await self.tasks.waiting.pop(0)
            return await joining

        return self.hub.room("r1") or self.loop.run_until_complete(activate())

    def announce(self, entry: LogEntry) -> None:
        self.hub.message(room_channel("", "r1"), encode_envelope(SaleEnvelope((entry,))))

    def disconnect(self, viewer: Viewer) -> None:
        if viewer.pipe is not None and viewer.pipe.member is not None:
            viewer.read()
            viewer.pipe.member.close(CloseCode.DRAINING)
            viewer.pipe = None

    @initialize()
    def somebody_activates_the_room(self) -> None:
        self.room()

    @rule(target=viewers)
    def arrive(self) -> Viewer:
        viewer = Viewer()
        self.everybody.append(viewer)
        self.connect(viewer)
        return viewer

    @rule(viewer=viewers)
    def connect(self, viewer: Viewer) -> None:
        if viewer.pipe is None:
            room = self.room()
            viewer.pipe = Pipe()
            member = self.member_class()
            viewer.pipe.member = member
            member._transport = viewer.pipe  # type: ignore[assignment]
            member._room = room
            self.hub.join(room, member, viewer.position)

    @rule(viewer=viewers)
    def lose_connection(self, viewer: Viewer) -> None:
        self.disconnect(viewer)

    @rule(viewer=consumes(viewers))
    def go_home(self, viewer: Viewer) -> None:
        self.disconnect(viewer)
        self.everybody.remove(viewer)

    @rule(viewer=viewers)
    def read_slowly(self, viewer: Viewer) -> None:
        if viewer.pipe is not None:
            viewer.pipe.is_blocked = True

    @rule(viewer=viewers)
    def read_again(self, viewer: Viewer) -> None:
        if viewer.pipe is not None:
            viewer.pipe.unblock()

    @rule(viewer=viewers)
    def ask_for_the_rest(self, viewer: Viewer) -> None:
        # A page syncs 500 ms after it fell behind: by then it has read what was on its way.
        if viewer.pipe is not None and viewer.position is not None:
            viewer.pipe.unblock()
            viewer.read()
            member = viewer.pipe.member
            assert member is not None
            self.hub.bring_up(self.room(), member, viewer.position)

    @rule(count=st.integers(1, 6))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.announce(self.database.commit())

    @rule(count=st.integers(1, 6))
    def lose_an_announcement(self, count: int) -> None:
        for _ in range(count):
            self.database.commit()

    @rule(count=st.integers(1, 6))
    def publish_during_the_next_snapshot(self, count: int) -> None:
        self.database.meanwhile = lambda: self.publish(count)

    @rule(viewer=viewers)
    def stop_reading_while_much_happens(self, viewer: Viewer) -> None:
        self.read_slowly(viewer)
        self.publish(9)

    @rule(back=st.integers(0, 5))
    def announce_again(self, back: int) -> None:
        offset = len(self.database.history) - back
        if offset >= self.database.kept_from:
            self.announce(self.database.entry(offset))

    @rule()
    def let_work_run(self) -> None:
        self.background()

    @rule(ms=st.sampled_from([1, 50, 500]))
    def time_passes(self, ms: int) -> None:
        self.clock_ms += ms

    @rule()
    def trim_the_log(self) -> None:
        self.database.kept_from = len(self.database.history) + 1

    @rule(lost=st.integers(0, 4))
    def restore_a_backup(self, lost: int) -> None:
        kept = max(0, len(self.database.history) - lost)
        del self.database.history[kept:]
        self.database.kept_from = min(self.database.kept_from, kept + 1)
        self.database.epoch = f"e{self.clock_ms}-{self.database.born}-{lost}"
        self.clock_ms += 1
        # Until the check notices, a process may take the new log for the old one: clients then
        # hold a wrong history for seconds. The check is what this rule is about.
        self.check()

    @rule()
    def restart_the_process(self) -> None:
        for viewer in self.everybody:
            self.disconnect(viewer)
        self.background()
        self.start_process()
        self.room()

    def check(self) -> None:
        for active in list(self.hub._active.values()):
            self.loop.run_until_complete(self.hub._check(active))
        self.background()

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.loop.close()

    def settle(self) -> None:
        """Heal everything; then every client must have exactly the room's history."""
        self.background()
        for viewer in self.everybody:
            if viewer.pipe is None:
                self.connect(viewer)
            self.read_again(viewer)
        self.check()
        for viewer in self.everybody:
            viewer.read()
            assert viewer.history == self.database.history
            assert viewer.position == Position(self.database.epoch, len(self.database.history))


SaleLane.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
test_each_clients_log_equals_the_rooms = SaleLane.TestCase
