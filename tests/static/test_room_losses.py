"""The room's stage while the host sends a part of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.static.test_room_picture import LATER, open_stage, stage_is

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.pages


async def test_a_host_without_a_picture_is_heard_without_a_break(browser: Browser) -> None:
    """A camera was unplugged: a new session every few seconds would cut what the host says."""
    async with open_stage(browser, script=LATER) as (page, server):
        await page.click("live-stage [data-ref=sound]")
        await page.evaluate("window.engine.freeze(true)")
        words = page.locator(".stage-note", has_text="Sound without a picture")
        await words.wait_for()
        await page.evaluate("window.later(9_000)")
        await page.wait_for_timeout(2_500)
        assert await words.is_visible()
        assert len(server.posts) == 1
        await page.evaluate("window.engine.freeze(false)")
        await stage_is(page, "playing")
        assert len(server.posts) == 1
