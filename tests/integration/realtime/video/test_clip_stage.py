"""A demo's film is on while nobody else is, and a camera always wins."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from realtime.video.clip import Clip
from realtime.video.clip_publisher import (
    ClipPublication,
    ClipStage,
    PublisherPresentError,
    Signal,
)
from tests.support.media.film import make_film
from tests.support.media.loopback import only_loopback
from tests.support.media.signalling import WhipClient, serve
from tests.support.media.stock import StockForwarder
from tests.support.media.verifier import Verifier


@pytest.fixture(scope="module")
def film() -> Clip:
    """A second of a small film."""
    return make_film("H264", size=(320, 180), bits_per_s=300_000, seconds=1)


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """An answerer's address."""
    forwarder = StockForwarder()
    with only_loopback():
        async with serve(forwarder) as url:
            yield url
            await forwarder.close()


@contextlib.asynccontextmanager
async def run_stage(film: Clip, address: str) -> AsyncIterator[list[str]]:
    """Keep the film on; yields what became of each attempt."""
    attempts: list[str] = []

    async def open_signal() -> Signal:
        client = WhipClient(f"{address}/whip/r")

        async def post(offer: str) -> str:
            try:
                answer = await client(offer)
            except httpx.HTTPStatusError as error:
                attempts.append("taken")
                raise PublisherPresentError from error
            attempts.append("on")
            return answer

        return post

    task = asyncio.create_task(ClipStage(film, open_signal, retry_s=0.05).run())
    try:
        yield attempts
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(attempts: list[str], wanted: str, count: int = 1) -> None:
    """Wait until so many attempts ended like this."""
    async with asyncio.timeout(60):
        while attempts.count(wanted) < count:
            await asyncio.sleep(0.01)


async def see(address: str, frames: int = 1) -> None:
    """Decode so many pictures of the room."""
    verifier = Verifier()
    await verifier.start(WhipClient(f"{address}/whep/r"))
    await verifier.wait_frames(frames)
    await verifier.close()


async def test_a_viewer_sees_the_film(film: Clip, address: str) -> None:
    async with run_stage(film, address) as attempts:
        await until(attempts, "on")
        # More than one round of it: the second follows the first without a stop.
        await see(address, frames=45)


async def test_a_camera_takes_the_stage_and_the_film_comes_back(film: Clip, address: str) -> None:
    async with run_stage(film, address) as attempts:
        await until(attempts, "on")
        await see(address)
        host, signal = ClipPublication(film), WhipClient(f"{address}/whip/r?take_over=1")
        await host.start(signal)
        # The film comes again and again, and is never let onto the stage.
        await until(attempts, "taken", 3)
        assert attempts.count("on") == 1
        assert host.connection.connectionState == "connected"
        await host.close()
        await signal.end()
        await until(attempts, "on", 2)


async def test_it_waits_longer_for_a_server_that_is_away(film: Clip) -> None:
    loop = asyncio.get_running_loop()
    tried_s: list[float] = []

    async def open_signal() -> Signal:
        tried_s.append(loop.time())
        raise OSError("nobody listens")

    task = asyncio.create_task(ClipStage(film, open_signal, retry_s=0.02, retry_s_max=0.1).run())
    async with asyncio.timeout(30):
        while len(tried_s) < 4:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    # Doubled waits add up to 0.02 + 0.04 + 0.08 at the least.
    assert tried_s[3] - tried_s[0] >= 0.14


async def test_it_offers_no_address_but_those_it_is_bound_to(film: Clip) -> None:
    offers: list[str] = []

    async def keep(offer: str) -> str:
        offers.append(offer)
        raise PublisherPresentError

    with pytest.raises(PublisherPresentError):
        await ClipPublication(film, bind_addresses=("127.0.0.1",)).start(keep)

    (candidate,) = {line.split()[4] for line in offers[0].splitlines() if "candidate:" in line}
    assert candidate == "127.0.0.1"
