"""The whole HTTP application over the test's own database, without sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from server.settings import Settings
from server.wiring.gateway import GatewayProcess, build_gateway
from server.wiring.seed import seed_demo
from tests.integration.server.video_stage import VideoStage, open_stage
from tests.support import databases

URL = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def demo_template(database_server_url: str, database_template: str) -> Iterator[str]:
    """The name of a database with the demo shop: hashing its passwords once is enough."""
    url = databases.clone(database_server_url, database_template)
    databases.run_apart(seed_demo(Settings(database_url=url)))
    yield urlsplit(url).path.strip("/")
    databases.drop(database_server_url, url)


@pytest.fixture
def settings(
    database_server_url: str, demo_template: str, redis_url: str, redis_prefix: str, tmp_path: Path
) -> Iterator[Settings]:
    """Settings of a demo shop of this test's own."""
    url = databases.clone(database_server_url, demo_template)
    yield Settings(
        database_url=url, redis_url=redis_url, redis_prefix=redis_prefix, data=tmp_path, demo=True
    )
    databases.drop(database_server_url, url)


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[GatewayProcess]:
    """One gateway process's parts over the demo shop."""
    parts = await build_gateway(settings, "g1")
    yield parts
    await parts.shutdown()


@pytest.fixture
async def http(gateway: GatewayProcess) -> AsyncIterator[httpx.AsyncClient]:
    """A client without anybody's session."""
    transport = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield client


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[VideoStage]:
    """A gateway and a media process with a forwarder that remembers; the show is live."""
    async with open_stage(settings) as opened:
        yield opened


@pytest.fixture
def press_clock(gateway: GatewayProcess) -> list[int]:
    """Milliseconds on the clock of the presses' paces, which stands unless a test turns it.

    However slow the machine, presses of one second are of one second.
    """
    now = [0]
    services = gateway.app.state.services
    for gate in (services.inventory._gate, services.drops._gate):
        for buckets in (gate._users, gate._addresses):
            buckets._monotonic_ms = lambda: now[0]
    return now
