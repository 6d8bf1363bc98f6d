"""One address with a script does not take the places of those who watch."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from realtime.video.places import UNCONNECTED_OF_CROWD_MAX
from realtime.video.ports import VideoError
from tests.integration.realtime.video.people import (
    LOOPBACK,
    ROOM,
    Publisher,
    Viewer,
    forwarding,
    until,
)
from tests.integration.realtime.video.test_refusals import offer_of

STRANGER = "203.0.113.9"


async def test_who_never_connects_makes_way_and_who_watches_stays() -> None:
    """Answers that nobody takes up hold all places; a viewer comes in all the same."""
    config = msgspec.structs.replace(LOOPBACK, viewers_per_room_max=6)
    async with forwarding(config) as forwarder:
        host, early, late = Publisher(sound=False), Viewer(sound=False), Viewer(sound=False)
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        watching = await early.play(forwarder)
        await until(lambda: early.frames)
        offer = await offer_of(direction="recvonly")
        taken = [await forwarder.play(ROOM, offer, crowd=STRANGER) for _ in range(5)]
        with pytest.raises(VideoError) as full:  # Its own crowd is not let in for itself.
            await forwarder.play(ROOM, offer, crowd=STRANGER)
        assert full.value.code == "video_full"
        await late.play(forwarder)
        await until(lambda: late.frames)
        with pytest.raises(VideoError) as ended:
            await forwarder.end(taken[0].id)
        assert ended.value.code == "session_unknown"
        await forwarder.end(taken[1].id)
        assert forwarder.counters.evicted == 1
        seen = len(early.frames)
        await until(lambda: len(early.frames) > seen)
        await forwarder.end(watching.id)
        for person in (early, late):
            await person.close()
        await host.vanish()


async def test_an_address_has_few_answers_that_nobody_took_up() -> None:
    """Whatever the room has left; another address is served meanwhile."""
    async with forwarding() as forwarder:
        host = Publisher(sound=False)
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        offer = await offer_of(direction="recvonly")
        asked = [
            forwarder.play(ROOM, offer, crowd=STRANGER) for _ in range(UNCONNECTED_OF_CROWD_MAX + 5)
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        codes = [one.code for one in answers if isinstance(one, VideoError)]
        assert codes == ["video_busy"] * 5
        assert forwarder.counters.viewers == UNCONNECTED_OF_CROWD_MAX
        await forwarder.play(ROOM, offer, crowd="203.0.113.10")
        assert forwarder.counters.evicted == 0
        await forwarder.end_room(ROOM)
        assert not forwarder._crowds
        assert not +forwarder._joining
        await host.vanish()


async def test_too_many_at_once_are_told_when_to_come_back() -> None:
    """From any number of addresses: the line is short."""
    config = msgspec.structs.replace(LOOPBACK, answers_waiting_max=3)
    async with forwarding(config) as forwarder:
        host = Publisher(sound=False)
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        offer = await offer_of(direction="recvonly")
        asked = [forwarder.play(ROOM, offer, crowd=f"203.0.113.{n}") for n in range(10)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [one for one in answers if isinstance(one, VideoError)]
        assert [(one.code, one.retry_after_s) for one in refused] == [("video_busy", 2)] * 7
        await host.vanish()
