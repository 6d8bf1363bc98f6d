"""When a room asks for the own entry in a draw, and what it makes of the answer.

Invariant: no server runs; every frame and call of the page is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.static.test_draw_pages import MINE, RECEIPT, Draw, enter, open_draw
from tests.static.test_room_page import CARD, FLASH_ID, MAIN, NOW_MS, open_room, wait_for_state
from tests.support.browser import wait_for

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.pages


async def test_who_hears_nothing_of_the_own_entry_asks(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        await enter(page)
        asked = draw.asked()
        draw.mine = RECEIPT | {"state": "lost", "rank": 12, "of": 4_031}
        draw.draw([0, 10, 0])
        await page.wait_for_selector(f"{CARD}[data-state=lost]")
        assert draw.asked() == asked + 1


async def test_a_reload_finds_ones_entry_and_asks_once(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        await enter(page)
        draw.server.sockets.clear()
        await page.reload()
        await wait_for(page, lambda: bool(draw.server.sockets))
        asked = draw.asked()
        draw.offset = 7
        draw.arm()
        await wait_for_state(page, "entered")
        assert draw.asked() == asked + 1
        for entries in (5, 6, 7):
            draw.server.send(["K", 7, {f"entries:{FLASH_ID}": [entries, entries]}])
        await page.wait_for_timeout(300)
        assert draw.asked() == asked + 1


async def test_who_never_entered_asks_once_and_may_enter(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        draw.server.sockets.clear()
        await page.reload()
        await wait_for(page, lambda: bool(draw.server.sockets))
        draw.offset = 7
        asked = draw.asked()
        async with page.expect_response(f"**{MINE}") as answered:
            draw.arm()
        assert (await answered.value).ok
        await wait_for_state(page, "enter")
        await enter(page)
        assert draw.asked() == asked + 1


async def test_nobody_asks_for_an_entry_in_a_sale_that_is_not_drawn(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        await page.wait_for_timeout(300)
        assert [path for _, path, _ in server.calls if "entries" in path] == []


async def test_a_draw_that_was_just_armed_asks_nobody(browser: Browser) -> None:
    async with open_draw(browser, user=None) as (page, draw):
        await page.wait_for_timeout(200)
        assert draw.asked() == 0
    async with open_room(browser) as (page, server):
        draw = Draw(server)
        draw.arm(state="armed", opens_at_ms=NOW_MS + 60_000)
        await wait_for_state(page, "armed")
        draw.say("flash.opened", {"sale": FLASH_ID})
        await wait_for_state(page, "enter")
        assert draw.asked() == 0


async def test_who_entered_elsewhere_is_in(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        draw.refusal = {"code": "already_entered", "message": "", "retryable": True}
        draw.mine = RECEIPT
        await page.click(MAIN)
        await wait_for_state(page, "entered")
