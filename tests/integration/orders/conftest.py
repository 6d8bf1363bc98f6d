"""Localstripe and a till whose money goes by it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.stripe_fake import StripeSide, run_localstripe
from tests.support.till import Till, open_till


@pytest.fixture(scope="module")
def localstripe() -> Iterator[str]:
    """One fake Stripe for this file; objects of one test are nobody else's."""
    with run_localstripe() as base:
        yield base


@pytest.fixture
async def stripe_side(localstripe: str) -> AsyncIterator[StripeSide]:
    """The provider with its wires, and the other users of the fake."""
    side = StripeSide(localstripe)
    yield side
    await side.close()


@pytest.fixture
async def stripe_till(database_url: str, stripe_side: StripeSide) -> AsyncIterator[Till]:
    """A till whose new payments go to Stripe."""
    async with open_till(database_url, {"stripe": stripe_side.provider}) as till:
        yield till
