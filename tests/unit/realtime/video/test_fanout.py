"""Every viewer gets every batch in order, and the loop is not kept from others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import cast

import pytest

from realtime.video import fanout as fanout_module
from realtime.video.config import VideoCounters
from realtime.video.fanout import (
    BATCH_PACKETS_MAX,
    BATCHES_WAITING_MAX,
    SOUND_WAIT_S,
    VIEWERS_AT_ONCE,
    FanOut,
)
from realtime.video.media import Batch, Kind, MediaPacket


class Ear:
    """A viewer that notes what it was handed."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.batches = self.together = 0
        self.is_ended = False

    def ended(self) -> None:
        self.is_ended = True

    def deliver(self, kind: Kind, batch: Sequence[MediaPacket]) -> None:
        self.heard += [packet.index for packet in batch]
        self.batches += 1

    def deliver_together(self, picture: Batch, sound: Batch) -> None:
        self.deliver("video", picture)
        self.deliver("audio", sound)
        self.together += 1


def packet(index: int, *, marker: bool = False) -> MediaPacket:
    """A packet with no content."""
    return MediaPacket(index=index, timestamp=0, marker=marker, payload=b"")


async def test_a_picture_is_one_batch_and_sound_does_not_wait() -> None:
    """The marker ends it."""
    ear = Ear()
    fanout = FanOut(lambda: [ear], VideoCounters())
    fanout.put("video", [packet(0)])
    fanout.put("video", [packet(1)])
    assert ear.heard == []
    fanout.put("audio", [packet(100)])
    fanout.put("video", [packet(2, marker=True)])
    assert (ear.heard, ear.batches) == ([100, 0, 1, 2], 2)
    await fanout.close()


async def test_a_large_picture_is_sent_in_pieces() -> None:
    """Without waiting for its end, and the rest after a moment."""
    ear = Ear()
    fanout = FanOut(lambda: [ear], VideoCounters())
    for index in range(BATCH_PACKETS_MAX + 1):
        fanout.put("video", [packet(index)])
    assert len(ear.heard) == BATCH_PACKETS_MAX
    async with asyncio.timeout(30):
        while len(ear.heard) <= BATCH_PACKETS_MAX:
            await asyncio.sleep(0)
    await fanout.close()


async def test_in_a_large_room_sound_goes_with_the_next_picture() -> None:
    """One delivery for both; in a small one it never waits."""
    ears = [Ear() for _ in range(VIEWERS_AT_ONCE + 1)]
    fanout = FanOut(lambda: ears, VideoCounters())
    fanout.put("audio", [packet(100)])
    fanout.put("audio", [packet(101)])
    fanout.put("video", [packet(0, marker=True)])
    async with asyncio.timeout(30):
        while not ears[-1].heard:
            await asyncio.sleep(0)
    assert (ears[0].heard, ears[0].together) == ([0, 100, 101], 1)
    del ears[1:]
    fanout.put("audio", [packet(102)])
    assert ears[0].heard[-1] == 102
    await fanout.close()


async def test_sound_that_waits_for_a_picture_in_vain_is_sent_alone() -> None:
    """After the time of one."""
    ears = [Ear() for _ in range(VIEWERS_AT_ONCE + 1)]
    fanout = FanOut(lambda: ears, VideoCounters())
    began_s = asyncio.get_running_loop().time()
    fanout.put("audio", [packet(100)])
    async with asyncio.timeout(30):
        while not ears[-1].heard:
            await asyncio.sleep(0.001)
    assert asyncio.get_running_loop().time() - began_s >= SOUND_WAIT_S - 0.002
    assert (ears[0].heard, ears[0].together) == ([100], 0)
    await fanout.close()


async def test_many_viewers_are_served_in_order_with_breaths_between() -> None:
    """Others of the loop get their turn within one batch."""
    ears = [Ear() for _ in range(VIEWERS_AT_ONCE * 3)]
    fanout = FanOut(lambda: ears, VideoCounters())
    for index in range(4):
        fanout.put("video", [packet(index, marker=True)])
    assert ears[0].heard == []
    served: set[int] = set()
    async with asyncio.timeout(30):
        while any(len(ear.heard) < 4 for ear in ears):
            served.add(sum(1 for ear in ears if ear.heard))
            await asyncio.sleep(0)
    assert {VIEWERS_AT_ONCE, VIEWERS_AT_ONCE * 2} <= served
    assert all(ear.heard == [0, 1, 2, 3] for ear in ears)
    fanout.put("video", [packet(4, marker=True)])
    async with asyncio.timeout(30):
        while len(ears[-1].heard) < 5:
            await asyncio.sleep(0)
    await fanout.close()


async def test_a_picture_that_comes_while_others_are_served_is_not_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long its last packet takes: the pieces would reach nobody earlier."""
    monkeypatch.setattr(fanout_module, "BATCH_WAIT_S", 0.0)
    ears = [Ear() for _ in range(VIEWERS_AT_ONCE * 3)]
    fanout = FanOut(lambda: ears, VideoCounters())
    fanout.put("video", [packet(0, marker=True)])
    while not ears[0].heard:
        await asyncio.sleep(0)
    assert not ears[-1].heard
    fanout.put("video", [packet(1)])
    await asyncio.sleep(0)  # Its time is over, and the sender is at work.
    assert not ears[-1].heard
    fanout.put("video", [packet(2, marker=True)])
    async with asyncio.timeout(5):
        while len(ears[-1].heard) < 3:
            await asyncio.sleep(0)
    assert {(tuple(ear.heard), ear.batches) for ear in ears} == {((0, 1, 2), 2)}
    await fanout.close()


async def test_what_waited_for_the_sender_goes_when_it_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though nothing follows: sound, and the beginning of a picture."""
    monkeypatch.setattr(fanout_module, "BATCH_WAIT_S", 0.0)
    monkeypatch.setattr(fanout_module, "SOUND_WAIT_S", 0.0)
    ears = [Ear() for _ in range(VIEWERS_AT_ONCE * 3)]
    fanout = FanOut(lambda: ears, VideoCounters())
    for waiting in (["audio"], ["video"], ["audio", "video"]):
        for ear in ears:
            ear.heard.clear()
        fanout.put("video", [packet(0, marker=True)])
        while not ears[0].heard:
            await asyncio.sleep(0)
        for kind in waiting:
            fanout.put(cast("Kind", kind), [packet(1)])
        await asyncio.sleep(0)
        assert not ears[-1].heard
        async with asyncio.timeout(5):
            while len(ears[-1].heard) < 1 + len(waiting):
                await asyncio.sleep(0)
        assert all(ear.heard == [0] + [1] * len(waiting) for ear in ears)
    assert ears[0].together == 1
    await fanout.close()


async def test_who_cannot_keep_up_gets_the_newest() -> None:
    """What waits is bounded, and counted when left out."""
    counters = VideoCounters()
    ears = [Ear() for _ in range(VIEWERS_AT_ONCE + 1)]
    fanout = FanOut(lambda: ears, counters)
    for index in range(BATCHES_WAITING_MAX + 10):
        fanout.put("video", [packet(index, marker=True)])
    async with asyncio.timeout(30):
        while not ears[-1].heard or ears[-1].heard[-1] < BATCHES_WAITING_MAX + 9:
            await asyncio.sleep(0)
    assert counters.batches_dropped == 10
    assert ears[0].heard == list(range(10, BATCHES_WAITING_MAX + 10))
    await fanout.close()


@pytest.mark.parametrize("others", [1, VIEWERS_AT_ONCE])
async def test_a_viewer_that_cannot_be_sent_to_costs_no_other_a_picture(
    others: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither this nor the next: it is let go of."""

    class Broken(Ear):
        def deliver(self, kind: Kind, batch: Sequence[MediaPacket]) -> None:
            raise RuntimeError("no line")

    counters = VideoCounters()
    ears = [Ear() for _ in range(others)]
    broken = Broken()
    viewers: list[Ear] = [broken, *ears]
    fanout = FanOut(lambda: [one for one in viewers if not one.is_ended], counters)
    for index in (0, 1):
        fanout.put("video", [packet(index, marker=True)])
        async with asyncio.timeout(30):
            while len(ears[-1].heard) <= index:
                await asyncio.sleep(0)
    assert all(ear.heard == [0, 1] and not ear.is_ended for ear in ears)
    assert (broken.is_ended, counters.faults) == (True, 1)
    assert "let go" in caplog.text
    await fanout.close()


async def test_how_late_the_last_viewer_of_a_large_room_was_served_is_noted() -> None:
    """From when the picture was whole; a small room is served at once."""

    class Slow(Ear):
        def deliver(self, kind: Kind, batch: Sequence[MediaPacket]) -> None:
            time.sleep(0.03)  # As on a core that has other work.
            super().deliver(kind, batch)

    counters = VideoCounters()
    ears: list[Ear] = [Ear() for _ in range(VIEWERS_AT_ONCE)]
    ears.append(Slow())
    fanout = FanOut(lambda: ears, counters)
    fanout.put("video", [packet(0, marker=True)])
    async with asyncio.timeout(30):
        while not ears[-1].heard:
            await asyncio.sleep(0)
    assert counters.late_ms >= 30
    await fanout.close()
