"""Give realtime tests a house and gateways that serve it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.realtime.house import House, Served, serve


@pytest.fixture
def house() -> House:
    """A shop in memory."""
    return House()


@pytest.fixture
async def served(house: House, redis_url: str, redis_prefix: str) -> AsyncIterator[Served]:
    """One gateway."""
    async with serve(house, redis_url, redis_prefix) as one:
        yield one
