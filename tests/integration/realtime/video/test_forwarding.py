"""A picture and a sound reach viewers who decode them, from hosts who come, go and come back."""

from __future__ import annotations

import threading

import msgspec
import pytest

from realtime.video.config import Mode
from realtime.video.ports import VideoState
from tests.integration.realtime.video.people import (
    LOOPBACK,
    ROOM,
    Publisher,
    Viewer,
    forwarding,
    until,
)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@pytest.mark.parametrize("mode", ["fast", "plain", "packet"])
async def test_a_viewer_decodes_what_is_published(codec: str, mode: Mode) -> None:
    """Five seconds at the publisher's rate, with sound, and no decoder thread in the forwarder."""
    async with forwarding(msgspec.structs.replace(LOOPBACK, mode=mode)) as forwarder:
        host, viewer = Publisher(codec=codec), Viewer()
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        assert threading.active_count() <= 4  # The host's encoders; nothing decodes.
        await viewer.play(forwarder)
        await until(lambda: len(viewer.frames) > 60)
        first = viewer.frames[0][0]
        await until(lambda: viewer.frames[-1][0] - first > 5)
        assert viewer.share(4) > 0.9
        assert viewer.sounds > 200
        state = forwarder.state(ROOM)
        assert (state.live, state.codec, state.viewers) == (True, codec, 1)
        assert state.bits_per_s > 10_000
        assert forwarder.counters.dropped_out == 0
        await viewer.close()
        await host.vanish()


async def test_states_are_told_to_watchers() -> None:
    """Live, the viewers and the end of it."""
    told: list[tuple[str, VideoState]] = []
    async with forwarding() as forwarder:
        forwarder.watch(lambda room, state: told.append((room, state)))
        host, viewer = Publisher(), Viewer()
        await host.publish(forwarder)
        await until(lambda: told and told[-1][1].live)
        await viewer.play(forwarder)
        await until(lambda: told[-1][1].viewers == 1 and viewer.frames)
        await host.vanish()
        await until(lambda: not told[-1][1].live)
        assert told[-1] == (ROOM, VideoState(viewers=1))
        await viewer.close()
        await until(lambda: told[-1][1].viewers == 0)
