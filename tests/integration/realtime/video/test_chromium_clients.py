"""The pages of the tests publish and watch for real, each codec, by Chromium's own statistics."""

from __future__ import annotations

import statistics

import pytest

from tests.support.media.chromium import call, open_browsers, open_page
from tests.support.media.loopback import only_loopback
from tests.support.media.signalling import serve
from tests.support.media.stock import StockForwarder

pytestmark = pytest.mark.slow


async def test_a_second_chromium_reads_the_time_that_the_first_draws(chromium: str) -> None:
    forwarder = StockForwarder()
    with only_loopback():
        async with serve(forwarder) as address, open_browsers(chromium) as (one, other):
            host = await open_page(one, address, "host")
            await call(host, "publish", url=f"{address}/whip/r", codec="VP8", source="code")
            guest = await open_page(other, address, "guest")
            shown_ms = await call(guest, "watch", url=f"{address}/whep/r")
            found = await call(guest, "glassToGlass", count=20)
            figures = await call(guest, "figures")
            await forwarder.close()

    assert 0 < shown_ms < 15_000
    # The clock is shared, so a delay below zero would be a misread code.
    assert 0 < statistics.median(found["delays"]) < 5_000
    assert figures["codec"] == "video/VP8"
    assert figures["video"]["framesDecoded"] > 20
