"""The room's page acknowledges what it drew, when it is asked, and never what it did not draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_room_page import NOW_MS, Server, open_room
from tests.support.browser import wait_for

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.pages


UNPINNED = ["show.unpinned", {"item": "item-3"}, NOW_MS - 90]
ANNOUNCED = ["announcement", {"text": "Kiln open"}, NOW_MS - 40]
HIDE = """isHidden => {
  Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


async def wait_sent(page: Page, server: Server, kind: str, count: int) -> list[list[Any]]:
    """Wait until the page has sent so many frames of a type; return them."""

    def sent() -> list[list[Any]]:
        return [frame for frame in server.frames if frame[0] == kind]

    await wait_for(page, lambda: len(sent()) >= count)
    return sent()


async def test_a_page_that_is_asked_says_when_it_drew_the_newest_event(browser: Browser) -> None:
    async with open_room(browser, is_asking=True) as (page, server):
        # Without a synced clock `ms` is null: wait for the last round trip and its answer.
        await wait_sent(page, server, "q", 5)
        await page.evaluate("new Promise(requestAnimationFrame)")
        server.send(["S", 8, [UNPINNED, ANNOUNCED]])
        [[_, offset, ms]] = await wait_sent(page, server, "a", 1)
        assert offset == 9
        assert 0 <= ms < 60_000
        assert "Kiln open" in await page.inner_text("live-banner")


async def test_a_page_that_is_not_asked_says_nothing(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        server.send(["S", 8, [UNPINNED]])
        server.send(["a", True])
        server.send(["S", 9, [ANNOUNCED]])
        assert (await wait_sent(page, server, "a", 1))[0][1] == 9
        server.send(["a", False])
        server.send(["S", 10, [ANNOUNCED]])
        await page.wait_for_timeout(300)
        assert len([frame for frame in server.frames if frame[0] == "a"]) == 1


async def test_what_was_replayed_is_not_acknowledged(browser: Browser) -> None:
    async with open_room(browser, is_asking=True) as (page, server):
        server.send(["S", 7, [UNPINNED]])
        server.send(["S", 8, [ANNOUNCED]])
        assert [frame[1] for frame in await wait_sent(page, server, "a", 1)] == [8]


async def test_a_hidden_page_draws_nothing_and_says_so(browser: Browser) -> None:
    async with open_room(browser, is_asking=True) as (page, server):
        await page.evaluate(HIDE, True)
        assert await wait_sent(page, server, "v", 1) == [["v", False]]
        server.send(["S", 8, [UNPINNED]])
        server.send(["a", True])
        assert await wait_sent(page, server, "v", 2) == [["v", False]] * 2
        await page.evaluate(HIDE, False)
        assert (await wait_sent(page, server, "v", 3))[-1] == ["v", True]
        server.send(["S", 9, [ANNOUNCED]])
        assert [frame[1] for frame in await wait_sent(page, server, "a", 1)] == [9]
