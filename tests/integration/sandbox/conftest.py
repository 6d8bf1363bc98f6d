"""A till on the test's own database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.till import Till, open_till


@pytest.fixture
async def till(database_url: str) -> AsyncIterator[Till]:
    """The sandbox provider with a shop behind it."""
    async with open_till(database_url) as till:
        yield till
