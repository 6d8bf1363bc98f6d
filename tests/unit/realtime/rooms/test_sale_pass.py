"""A sale pass reaches everybody once and in order, whatever comes in on its way."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from websockets.protocol import CLIENT, Protocol

from realtime.protocol.codec import Blob
from realtime.recovery.ring import Ring
from realtime.rooms.ports import Member
from realtime.rooms.sale_pass import SalePass


class Reader:
    """A member that keeps the offsets it read, and may have stopped reading."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.has_stopped = False
        self.read: list[int] = []
        self._wire = Protocol(CLIENT)

    def write_sale(self, blob: Blob, last: int) -> None:
        if self.has_stopped:
            return
        self._wire.receive_data(blob.plain)
        for frame in self._wire.events_received():
            kind, first, events = msgspec.json.decode(frame.data)  # type: ignore[attr-defined]
            assert kind == "S"
            self.read += range(first, first + len(events))
        self.offset = last


class Hall:
    """Readers, a ring and a pass."""

    def __init__(self, readers: int, *, ring_entries: int = 512) -> None:
        self.ring = Ring(0, ring_entries)
        self.readers = [Reader(0) for _ in range(readers)]
        self.given_up: list[Member] = []
        self.walk = SalePass(self.ring, self.give_up, replay_bytes_max=5000)

    def give_up(self, member: Member) -> None:
        member.offset = -1
        self.given_up.append(member)

    def publish(self, count: int) -> None:
        before = self.ring.newest
        for _ in range(count):
            self.ring.append(self.ring.newest + 1, b'["t",{},0]')
        self.walk.begin(list(self.readers), before=before)  # type: ignore[arg-type]

    def finish(self) -> None:
        while not self.walk.is_done:
            self.walk.write(2)


def test_a_slice_is_all_that_is_written_at_once() -> None:
    hall = Hall(5)
    hall.publish(1)
    hall.walk.write(2)
    assert [reader.read for reader in hall.readers] == [[1], [1], [], [], []]
    assert not hall.walk.is_done


def test_whom_the_pass_had_not_reached_comes_first_and_gets_both() -> None:
    hall = Hall(5)
    hall.publish(1)
    hall.walk.write(2)
    hall.publish(1)
    hall.walk.write(3)
    assert [reader.read for reader in hall.readers] == [[1], [1], [1, 2], [1, 2], [1, 2]]
    hall.finish()
    assert all(reader.read == [1, 2] for reader in hall.readers)


def test_who_has_stopped_is_left_alone_until_somebody_brings_it_up() -> None:
    hall = Hall(3)
    hall.readers[1].has_stopped = True
    hall.publish(1)
    hall.finish()
    hall.readers[1].has_stopped = False
    hall.publish(1)
    hall.finish()
    assert hall.readers[1].read == []
    assert hall.readers[1].offset == 0


def test_whom_the_ring_no_longer_reaches_is_given_up() -> None:
    hall = Hall(4, ring_entries=2)
    hall.publish(1)
    hall.walk.write(2)
    hall.publish(3)
    hall.finish()
    assert hall.given_up == hall.readers[2:] + hall.readers[:2]
    assert [reader.offset for reader in hall.readers] == [-1] * 4


@given(
    st.integers(1, 9),
    st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.integers(1, 3)),
            st.tuples(st.just("write"), st.integers(1, 4)),
        ),
        max_size=40,
    ),
)
def test_everybody_reads_every_event_once_and_in_order(
    readers: int, steps: list[tuple[str, int]]
) -> None:
    hall = Hall(readers)
    for step, count in steps:
        if step == "publish":
            hall.publish(count)
        else:
            hall.walk.write(count)
    hall.finish()
    for reader in hall.readers:
        assert reader.read == list(range(1, hall.ring.newest + 1))


def test_a_repair_of_too_much_becomes_a_snapshot_for_all() -> None:
    hall = Hall(3)
    hall.publish(5000 // len(b'["t",{},0]'))
    hall.finish()
    assert hall.given_up == []
    hall.publish(5000 // len(b'["t",{},0]') + 1)
    hall.finish()
    assert hall.given_up == hall.readers
