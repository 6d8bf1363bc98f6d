"""Chromium's camera goes through the forwarder to another Chromium, which decodes it.

Proved by the browsers' own statistics. Two people, two processes, one room.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from realtime.video.config import VideoConfig
from realtime.video.forwarder import BuiltinForwarder
from tests.support.media.chromium import call, open_browsers, open_page
from tests.support.media.loopback import LOOPBACK, only_loopback
from tests.support.media.signalling import serve

FRAMES = 40  # Two seconds of Chromium's own camera, which gives 20 a second.
TIMEOUT_S = 60.0


@pytest.fixture(params=["fast", "plain", "packet"])
async def address(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The address of a forwarder, in each of its modes."""
    config = VideoConfig(bind_addresses=(LOOPBACK,), mode=request.param)
    forwarder = BuiltinForwarder(config, wall_ms=lambda: time.time_ns() // 1_000_000)
    with only_loopback():
        async with serve(forwarder) as url:
            yield url
            await forwarder.close()


@pytest.fixture
async def two_browsers(chromium: str) -> AsyncIterator[list[Browser]]:
    """A host's and a guest's."""
    async with open_browsers(chromium) as browsers:
        yield browsers


async def figures_where(page: Page, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the page's figures once this holds of them."""
    seen: dict[str, Any] = {}
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not holds(seen):
                await asyncio.sleep(0.1)
                seen = await call(page, "figures")
    except TimeoutError:
        raise AssertionError(f"it did not come to that: {seen}") from None
    return seen


def decoded(figures: dict[str, Any]) -> int:
    """Pictures that the page has decoded."""
    return int(figures.get("video", {}).get("framesDecoded", 0))


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_second_chromium_decodes_what_the_first_films(
    address: str, two_browsers: list[Browser], codec: str
) -> None:
    host = await open_page(two_browsers[0], address, "host")
    guest = await open_page(two_browsers[1], address, "guest")

    await call(host, "publish", url=f"{address}/whip/r", codec=codec, source="camera")
    await call(guest, "watch", url=f"{address}/whep/r")
    seen = await figures_where(guest, lambda figures: decoded(figures) >= FRAMES)
    sent = await call(host, "figures")

    assert seen["codec"] == sent["codec"] == f"video/{codec}"
    # Chromium takes fewer pixels where the processor is busy.
    assert seen["video"]["frameWidth"] >= 640
    assert seen["video"]["keyFramesDecoded"] >= 1
    assert seen["video"]["packetsLost"] == 0
    assert seen["audio"]["jitterBufferEmittedCount"] > 0


async def test_a_cut_publisher_comes_back_and_viewers_stay(
    address: str, two_browsers: list[Browser]
) -> None:
    host = await open_page(two_browsers[0], address, "host")
    guest = await open_page(two_browsers[1], address, "guest")
    await call(host, "publish", url=f"{address}/whip/r", codec="VP8", source="camera")
    await call(guest, "watch", url=f"{address}/whep/r")
    before = decoded(await figures_where(guest, lambda figures: decoded(figures) >= FRAMES))

    await call(host, "cut")
    url = f"{address}/whip/r?take_over=1"
    await call(host, "publish", url=url, codec="VP8", source="camera")
    after = await figures_where(guest, lambda figures: decoded(figures) >= before + FRAMES)

    assert after["state"] == "connected"
    # The same stream as before, to the viewer: only its publisher has changed.
    assert after["video"]["keyFramesDecoded"] >= 2


async def test_the_first_picture_comes_soon_however_late_one_joins(
    address: str, two_browsers: list[Browser]
) -> None:
    host = await open_page(two_browsers[0], address, "host")
    await call(host, "publish", url=f"{address}/whip/r", codec="H264", source="code")
    await figures_where(host, lambda figures: figures.get("video", {}).get("framesEncoded", 0) > 60)
    guest = await open_page(two_browsers[1], address, "guest")

    # `make bench-video` says how soon; here it is that no keyframe needs to be waited for.
    assert await call(guest, "watch", url=f"{address}/whep/r") < 5_000
