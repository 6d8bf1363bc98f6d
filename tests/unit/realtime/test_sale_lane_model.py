"""Whatever happens between publish and client, each client's log equals the room's.

The machine plays losses, repeats, slow readers, disconnects, restarts, processes that are replaced
while they are in use, trimmed logs and restored databases against the real hub and the real
outbound half of a connection.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

from realtime.delivery.rules import DeliveryLimits
from realtime.delivery.service import DeliveryService
from realtime.gateway.member import PacedMember
from realtime.gateway.wheel import TimingWheel
from realtime.protocol.close_codes import CloseCode
from realtime.protocol.messages import LogEntry
from realtime.recovery.rules import Position
from realtime.rooms.envelope import SaleEnvelope, encode_envelope, room_channel
from realtime.rooms.hub import Hub
from realtime.rooms.ports import Process
from tests.unit.realtime.sale_lane_world import (
    LIMITS,
    ROOMS,
    Database,
    LaterTasks,
    Link,
    Pipe,
    Running,
    Viewer,
)


class SaleLane(RuleBasedStateMachine):
    """The room, its clients and what can go wrong between them."""

    viewers = Bundle("viewers")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = Database()
        self.everybody: list[Viewer] = []
        self.clock_ms = 1000
        self.processes: list[Running] = []
        """Those that serve; but for the newest, they are being replaced and take nobody in."""
        self.start_process()

    @property
    def hub(self) -> Hub:
        """The hub of the newest process."""
        return self.processes[-1].hub

    def start_process(self) -> None:
        process = Process("g", lambda: self.clock_ms, lambda: 0.5, lambda: "id", lambda: 0.0)
        hub = Hub(process, source=self.database, link=Link(), prefix="", limits=ROOMS)
        tasks = LaterTasks()
        hub._tasks = tasks  # type: ignore[assignment]
        gateway = SimpleNamespace(
            hub=hub,
            # One is asked at a time, so that joiners and leavers hand the question over.
            deliveries=DeliveryService(
                process,
                counters=hub.counters,
                store=self.database,
                limits=DeliveryLimits(asked_max=1),
            ),
            limits=LIMITS,
            counters=hub.counters,
            process=process,
            uptime_ms=lambda: self.clock_ms,
            wheel=TimingWheel(0),
            next_connection_id=lambda: "g-1",
        )

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
        self.processes.append(Running(hub, tasks, Member))

    def background(self) -> None:
        async def run_all() -> None:
            while waiting := [work for p in self.processes for work in p.tasks.waiting]:
                for process in self.processes:
                    process.tasks.waiting.clear()
                for work in waiting:
                    await work

        self.loop.run_until_complete(run_all())

    def room(self) -> Any:
        async def activate() -> Any:
            joining = asyncio.ensure_future(self.hub.activate("demo"))
            await asyncio.sleep(0)
            waiting = self.processes[-1].tasks.waiting
            while waiting and not joining.done():
                await waiting.pop(0)
            return await joining

        return self.hub.room("r1") or self.loop.run_until_complete(activate())

    def announce(self, entry: LogEntry) -> None:
        for process in self.processes:
            process.hub.message(room_channel("", "r1"), encode_envelope(SaleEnvelope((entry,))))

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
            member = self.processes[-1].member_class()
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
            assert member._room is not None
            member.gateway.hub.bring_up(member._room, member, viewer.position)

    @rule(count=st.integers(1, 6))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.announce(self.database.commit())

    @rule(count=st.integers(1, 6))
    def lose_an_announcement(self, count: int) -> None:
        for _ in range(count):
            self.database.commit()

    @rule(count=st.integers(1, 6), heard_by=st.integers(0, 1))
    def publish_to_one_process_only(self, count: int, heard_by: int) -> None:
        everywhere = self.processes
        self.processes = everywhere[heard_by : heard_by + 1]
        self.publish(count)
        self.processes = everywhere

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

    @rule(viewer=viewers, lost=st.integers(0, 2), count=st.integers(0, 3))
    def miss_a_restore(self, viewer: Viewer, lost: int, count: int) -> None:
        """Be away while the log is replaced by one that soon is as long: only the epoch tells."""
        self.disconnect(viewer)
        self.restore_a_backup(lost)
        self.publish(count)
        self.connect(viewer)

    @rule()
    def restart_the_process(self) -> None:
        for viewer in self.everybody:
            self.disconnect(viewer)
        self.background()
        self.processes.clear()
        self.start_process()
        self.room()

    @rule()
    def replace_the_process(self) -> None:
        """Start a successor; who is connected stays until its slot, and newcomers go to the new."""
        self.let_everybody_of_the_old_one_go()
        self.start_process()
        self.room()

    @rule(viewer=viewers)
    def come_to_the_slot(self, viewer: Viewer) -> None:
        """Be told goodbye by the old process, and come back to the new one with the position."""
        if self.is_at_the_old_one(viewer):
            viewer.pipe.unblock()  # type: ignore[union-attr]
            self.disconnect(viewer)
            self.connect(viewer)

    @rule()
    def let_everybody_of_the_old_one_go(self) -> None:
        for viewer in self.everybody:
            self.come_to_the_slot(viewer)
        self.background()
        del self.processes[:-1]

    def is_at_the_old_one(self, viewer: Viewer) -> bool:
        pipe = viewer.pipe
        return (
            pipe is not None and pipe.member is not None and pipe.member.gateway.hub is not self.hub
        )

    def check(self) -> None:
        for process in self.processes:
            for active in list(process.hub._active.values()):
                self.loop.run_until_complete(process.hub._check(active))
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
