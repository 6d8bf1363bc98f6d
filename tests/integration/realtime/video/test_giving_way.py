"""A publisher that gives way, and those who do not: who stays on the stage, in which order."""

from __future__ import annotations

import asyncio

import pytest

from realtime.video.forwarder import BuiltinForwarder
from realtime.video.ports import Session, VideoError
from tests.integration.realtime.video.people import ROOM, Publisher, Viewer, forwarding, until


async def refusal(publisher: Publisher, forwarder: BuiltinForwarder, **claim: object) -> str:
    """Return the code that an offer is refused with."""
    with pytest.raises(VideoError) as caught:
        await publisher.publish(forwarder, **claim)
    return caught.value.code


async def test_a_film_yields_to_a_camera_and_its_viewers_stay() -> None:
    async with forwarding() as forwarder:
        film, camera, second, third = (Publisher() for _ in range(4))
        viewer = Viewer()
        told: list[bool] = []
        forwarder.watch(lambda room_id, state: told.append(state.live))
        await film.publish(forwarder, gives_way=True)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        await until(lambda: len(viewer.frames) > 10)
        begun = forwarder.state(ROOM).since_ms
        told.clear()
        await camera.publish(forwarder)
        await until(lambda: told[-1:] == [True])
        # The film's end, then the camera's first packets; and never the film again.
        assert told == [False, True]
        seen = len(viewer.frames)
        await until(lambda: len(viewer.frames) > seen + 30)
        assert viewer.pc.connectionState == "connected"
        assert forwarder.counters.publishers == 1
        assert (forwarder.state(ROOM).since_ms or 0) > (begun or 0)
        await until(lambda: film.pc.connectionState == "closed")
        # Neither a film nor a second camera displaces a camera.
        assert await refusal(second, forwarder, gives_way=True) == "publisher_present"
        assert await refusal(third, forwarder) == "publisher_present"
        await viewer.close()
        for one in (camera, second, third, film):
            await one.vanish()


async def test_of_two_cameras_that_meet_at_a_film_one_is_refused() -> None:
    """Both see the film when they begin; only one may still see it when its answer is made."""
    async with forwarding() as forwarder:
        film, cameras = Publisher(), [Publisher(), Publisher()]
        await film.publish(forwarder, gives_way=True)
        ended = await asyncio.gather(
            *(one.publish(forwarder) for one in cameras), return_exceptions=True
        )
        assert sorted(type(one).__name__ for one in ended) == ["Session", "VideoError"]
        assert forwarder.counters.publishers == 1
        for one in (film, *cameras):
            await one.vanish()


async def test_whoever_comes_back_replaces_only_their_own_session() -> None:
    """Another camera that came in between stays, though the first was one's own to replace."""
    async with forwarding() as forwarder:
        mine, again, theirs = Publisher(), Publisher(), Publisher()
        own: Session = await mine.publish(forwarder)
        await theirs.publish(forwarder, take_over=True)
        over = frozenset({own.id})
        assert await refusal(again, forwarder, over=over) == "publisher_present"
        assert forwarder.counters.publishers == 1
        for one in (mine, again, theirs):
            await one.vanish()
