"""Give realtime tests a house and gateways that serve it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.realtime.house import House, Served, serve
from tests.integration.realtime.valkey import Valkey


@pytest.fixture
def house() -> House:
    """A shop in memory."""
    return House()


@pytest.fixture
async def served(house: House, redis_url: str, redis_prefix: str) -> AsyncIterator[Served]:
    """One gateway."""
    async with serve(house, redis_url, redis_prefix) as one:
        yield one


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="hubbub-") as folder:
        server = Valkey(Path(folder))
        server.start()
        yield server
        server.kill()


@pytest.fixture
async def fragile(house: House, valkey: Valkey) -> AsyncIterator[Served]:
    """A gateway on the server that will be mistreated."""
    async with serve(house, valkey.url, "t:") as served:
        yield served
