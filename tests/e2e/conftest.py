"""People with browsers over a running program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.support.browser import MUST_COME_S

OpenPage = Callable[..., Awaitable[Page]]

# A refused call answers with a status; the browser reports each as an error of its own.
REFUSED_CALL = "Failed to load resource"


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[OpenPage]:
    """Return `open_page(address, width, height)`: a new person's page.

    A script error, or a breach of the security policy, fails the test that the page is of.
    """
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and REFUSED_CALL not in message.text:
            problems.append(message.text)

    async def open_one(address: str, width: int = 390, height: int = 844) -> Page:
        context = await browser.new_context(
            viewport={"width": width, "height": height}, locale="en-US"
        )
        context.set_default_timeout(MUST_COME_S * 1000)
        contexts.append(context)
        page = await context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.goto(address)
        return page

    yield open_one
    for context in contexts:
        await context.close()
    assert problems == []
