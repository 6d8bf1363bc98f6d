"""The host's console in a browser, as far as several tests go the same way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect


async def open_selling_console(open_page: Callable[..., Awaitable[Page]], url: str) -> Page:
    """Sign in as the demo's host, start the show, pin the tea bowl."""
    page = await open_page(f"{url}/console/demo", 1440, 900)
    await page.fill("#login-name", "host")
    await page.fill("#login-password", "demo-host")
    await page.click("#login-go")
    await page.click("#start-show")
    # Only a show that is live takes keys that sell.
    await expect(page.locator("#start-show")).to_be_hidden()
    bowl = page.locator(".run-item", has_text="Kiln-change tea bowl")
    await bowl.locator(".run-row").click()
    await page.keyboard.press("p")
    await expect(page.locator("live-now-panel h2")).to_have_text("Kiln-change tea bowl")
    return page
