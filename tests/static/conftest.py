"""One Chromium for all page tests of a process: starting one costs as much as half a test.

What a test opens is closed after it, whatever became of it; a browser that died is started again.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.support.browser import CAMERA_FLAGS, FLAGS
from tests.support.page_server import PageServer, lend

if TYPE_CHECKING:
    from playwright.async_api import Browser

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in one loop, in which the browser lives."""
    for item in items:
        if item.path.parent == HERE and inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def page_server() -> AsyncIterator[PageServer]:
    """What answers the pages of this process."""
    server = PageServer()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def start_browser(
    chromium: str, page_server: PageServer
) -> AsyncIterator[Callable[[], Awaitable[Browser]]]:
    """Return how to get the session's browser, which is started when none is running."""
    from playwright.async_api import async_playwright

    running: list[Browser] = []
    async with async_playwright() as playwright:

        async def get() -> Browser:
            if not (running and running[-1].is_connected()):
                running.append(
                    await playwright.chromium.launch(
                        executable_path=chromium, args=[*FLAGS, *CAMERA_FLAGS, page_server.flag]
                    )
                )
                lend(running[-1], page_server)
            return running[-1]

        yield get
        for browser in running:
            await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(
    start_browser: Callable[[], Awaitable[Browser]], page_server: PageServer
) -> AsyncIterator[Browser]:
    """The browser of this process; make one context a person."""
    instance = await start_browser()
    yield instance
    for context in list(instance.contexts):
        await context.close()
    assert page_server.forget() == []
