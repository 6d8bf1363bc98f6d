"""Chromium that publishes a fake camera and plays over 127.0.0.1, asked by its own statistics."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from tests.support.browser import FLAGS

MEDIA_FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    # A name in place of the address is for other people's networks.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    # Pages that nobody looks at go on drawing.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
)


@contextlib.asynccontextmanager
async def open_browsers(executable: str, count: int = 2) -> AsyncIterator[list[Browser]]:
    """Start so many browsers, each a process of its own, with a camera and without a network."""
    async with async_playwright() as playwright:
        browsers = []
        try:
            for _ in range(count):
                browsers.append(
                    await playwright.chromium.launch(
                        executable_path=executable, args=[*FLAGS, *MEDIA_FLAGS]
                    )
                )
            yield browsers
        finally:
            for browser in browsers:
                await browser.close()


async def open_page(browser: Browser, address: str, name: str) -> Page:
    """Open a test page of the signalling at `address`; a script error fails the next call."""
    page = await browser.new_page(viewport={"width": 1280, "height": 720})
    await page.goto(f"{address}/page/{name}")
    return page


async def call(page: Page, function: str, **options: Any) -> Any:
    """Call one of the page's functions."""
    return await page.evaluate(f"options => {function}(options)", options)
