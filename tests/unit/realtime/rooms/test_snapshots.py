"""Newcomers share a snapshot of the same tick, and never an older one."""

from __future__ import annotations

import msgspec
import pytest

from realtime.protocol.codec import Blob
from realtime.protocol.counters import Counters
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import RoomRef, Snapshot
from realtime.rooms.room import Room
from realtime.rooms.snapshots import SnapshotDesk

LIMITS = RoomLimits()


class Reader:
    """A member that waits for its state."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.slot = -1
        self.offset = 0
        self.is_staff = False
        self.user_id = None
        self.got = 0

    def greet(self, rec: str, *, epoch: str, offset: int) -> bytes:
        return b"hello"

    def pick(self, blob: Blob) -> bytes:
        return blob.plain

    def write(self, frames: bytes) -> None:
        self.got += 1
        for other in list(self.room.members):
            if other is not self:
                self.room.remove(other)


@pytest.fixture
def room() -> Room:
    return Room(RoomRef("r1", "demo", "e", "host", 0), limits=LIMITS, counters=Counters())


@pytest.fixture
def desk(room: Room) -> SnapshotDesk:
    desk = SnapshotDesk(room, source=None, limits=LIMITS)  # type: ignore[arg-type]
    desk._newest = (Snapshot("e", 0, b"{}"), Blob(b"Z"), 0)
    desk._newest_at_ms = 1_000
    return desk


@pytest.mark.parametrize(
    ("now_ms", "is_fresh"),
    [(1_000, True), (1_000 + LIMITS.tick_min_ms, False), (999, False)],
    ids=["this tick", "the next tick", "clock set back"],
)
def test_only_a_snapshot_of_this_tick_serves_at_once(
    desk: SnapshotDesk, now_ms: int, is_fresh: bool
) -> None:
    assert desk.serve_at_once(now_ms) is is_fresh


def test_whoever_is_closed_while_another_is_greeted_gets_nothing(
    room: Room, desk: SnapshotDesk
) -> None:
    readers = [Reader(room), Reader(room)]
    for reader in readers:
        room.add(reader)  # type: ignore[arg-type]
        room.waiting[reader] = "fresh"  # type: ignore[index]
    assert desk.serve_at_once(1_000)
    assert sorted(reader.got for reader in readers) == [0, 1]


@pytest.mark.parametrize("picture", [None, {"live": True, "viewers": 2}])
def test_a_snapshot_has_the_picture_that_this_process_was_told_of(
    room: Room, desk: SnapshotDesk, picture: object
) -> None:
    room.state.put("video", picture)
    frame = desk._compose(Snapshot("e", 0, b'{"likes":0,"video":null}')).plain
    state = msgspec.json.decode(frame[frame.index(b"[") :])[3]
    assert state["video"] == picture
    without = desk._compose(Snapshot("e", 0, b'{"likes":0}')).plain
    assert b"video" not in without
