"""The media clients of the tests can be believed: tried against aiortc's own relay."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from realtime.video.clip import Clip
from realtime.video.clip_publisher import ClipPublication
from realtime.video.ways import SEGMENT_SIZE, SOL_UDP, UDP_SEGMENT
from tests.support.media.film import make_film
from tests.support.media.loopback import only_loopback
from tests.support.media.loss import lose
from tests.support.media.signalling import WhipClient, serve
from tests.support.media.stock import StockForwarder
from tests.support.media.verifier import Verifier
from tests.support.media.viewer import UDP_GRO, Viewer

SMALL = {"size": (320, 180), "bits_per_s": 300_000, "seconds": 1}


@pytest.fixture(scope="module")
def film() -> Clip:
    """A second of H.264, small enough to encode again for each viewer."""
    return make_film("H264", **SMALL)


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """An answerer's address."""
    forwarder = StockForwarder()
    with only_loopback():
        async with serve(forwarder) as url:
            yield url
            await forwarder.close()


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_a_verifier_decodes_what_a_publisher_sends(address: str, codec: str) -> None:
    publication, verifier = ClipPublication(make_film(codec, **SMALL)), Verifier()
    await publication.start(WhipClient(f"{address}/whip/r"))
    try:
        await verifier.start(WhipClient(f"{address}/whep/r"))
        await verifier.wait_frames(20)
        assert verifier.size == (320, 180)
        assert verifier.sounds > 0
    finally:
        await verifier.close()
        await publication.close()


async def test_a_viewer_counts_and_decodes_nothing(address: str, film: Clip) -> None:
    publication, viewer = ClipPublication(film), Viewer()
    await publication.start(WhipClient(f"{address}/whip/r"))
    try:
        await viewer.start(WhipClient(f"{address}/whep/r"))
        await asyncio.wait_for(viewer.first_packet.wait(), 30)
        async with asyncio.timeout(30):
            while viewer.video.frames < 20 or viewer.audio.packets < 20:
                await asyncio.sleep(0.02)
        assert viewer.video.missing == 0
        assert viewer.video.packets >= viewer.video.frames
    finally:
        await viewer.close()
        await publication.close()


@pytest.mark.skipif(sys.platform != "linux", reason="datagrams are cut by Linux alone")
@pytest.mark.parametrize("takes_whole", [True, False])
async def test_a_viewer_counts_the_datagrams_of_one_call(takes_whole: bool) -> None:
    """As they were sent, or one by one; the last of them is smaller."""
    viewer = Viewer(("video",))
    viewer._by_payload_type = {96: viewer.video}
    headers = (
        bytes([0x80, 96 | last << 7, 0, 7 + n]) + bytes(8) for n, last in enumerate([0, 0, 1])
    )
    packets = [header + bytes(size) for header, size in zip(headers, (90, 90, 30), strict=True)]
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth,
    ):
        ear.bind(("127.0.0.1", 0))
        ear.setblocking(False)
        ear.setsockopt(SOL_UDP, UDP_GRO, takes_whole)
        segments = [(SOL_UDP, UDP_SEGMENT, SEGMENT_SIZE.pack(102))]
        mouth.sendmsg(packets, segments, 0, ear.getsockname())
        viewer._drain(ear, None)
    seen = viewer.video
    assert (seen.packets, seen.frames, seen.size_bytes) == (3, 1, 102 + 102 + 42)
    assert (seen.first_sequence, seen.highest, seen.missing) == (7, 9, 0)
    await viewer.connection.close()


async def test_a_publisher_hears_that_it_was_ended(address: str, film: Clip) -> None:
    signal = WhipClient(f"{address}/whip/r")
    publication = ClipPublication(film)
    await publication.start(signal)
    try:
        with pytest.raises(httpx.HTTPStatusError, match="409"):
            await ClipPublication(film).start(WhipClient(f"{address}/whip/r"))
        await signal.end()
        await asyncio.wait_for(publication.wait_ended(), 30)
    finally:
        await publication.close()


async def test_loss_strikes_media_both_ways_and_nothing_else(address: str, film: Clip) -> None:
    publication, verifier = ClipPublication(film), Verifier()
    await publication.start(WhipClient(f"{address}/whip/r"))
    try:
        await verifier.start(WhipClient(f"{address}/whep/r"))
        await verifier.wait_frames(1)
        inwards, outwards = lose(verifier.connection, 0.2)
        async with asyncio.timeout(60):
            while inwards.passed < 100 or outwards.lost < 1:
                await asyncio.sleep(0.02)
        share = inwards.lost / (inwards.lost + inwards.passed)
        assert 0.05 < share < 0.4
        assert verifier.connection.connectionState == "connected"
    finally:
        await verifier.close()
        await publication.close()
