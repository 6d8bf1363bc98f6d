"""Draws in the console's real page: armed by hand, entries counted live, drawn.

Invariant: no server runs; every command of the page is remembered.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_console_page import FLASH, NOW_MS, Server, open_console, wait_told
from tests.support.axe import find_faults
from tests.support.browser import wait_until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.pages

LINE = "live-now-panel [data-ref=draw]"
IS_WITHIN = """(width) => {
  const box = document.querySelector('.arm-draw').getBoundingClientRect();
  return innerWidth === width && box.width > 0 && box.left >= 0 && box.right <= width;
}"""
DRAW = {"commit": "c0ff", "entry_closes_at_ms": NOW_MS + 300_000, "entries": 1}


async def open_form(page: Page, *, is_selected: bool = False) -> Any:
    # Pressed again, a row that is selected would be selected no more.
    if not is_selected:
        await page.locator(".run-row").nth(2).click()
    await page.keyboard.press("f")
    form = page.locator("live-arm-form")
    await form.locator("input[name=price]").fill("250")
    return form


async def arm(page: Page, server: Server, offset: int, **change: Any) -> None:
    sale = FLASH | {"fairness": "draw", "draw": DRAW, "stock": [100, 0, 0]} | change
    server.socket.send(json.dumps(["S", offset, [["flash.armed", {"sale": sale}, NOW_MS]]]))
    await page.locator(LINE).wait_for()


@pytest.mark.parametrize(
    ("language", "draw", "problem"),
    [("en", "Draw", "Must be shorter than the sale."), ("zh", "抽签", "要比持续时间短")],
)
async def test_the_host_chooses_a_draw_and_its_window(
    browser: Browser, language: str, draw: str, problem: str
) -> None:
    async with open_console(browser, language=language) as (page, server):
        form = await open_form(page)
        entry_s = form.locator("input[name=entry_s]")
        assert not await entry_s.is_visible()
        await form.get_by_role("radio", name=draw, exact=True).check()
        assert await entry_s.input_value() == "30"
        assert "30" in await form.locator("[data-ref=says]").inner_text()
        await entry_s.fill("180")
        await page.keyboard.press("Enter")
        assert await form.locator("[data-error=entry_s]").inner_text() == problem
        assert server.told == []
        assert await find_faults(page) == []
        await entry_s.fill("45")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        # The next form is first come again, whatever the last one was.
        await open_form(page, is_selected=True)
        await page.keyboard.press("Enter")
        await wait_told(page, server, 2)
    drawn, plain = (body for _, _, body in server.told)
    assert (drawn["fairness"], drawn["entry_s"]) == ("draw", 45)
    assert "fairness" not in plain
    assert "entry_s" not in plain


async def test_the_keyboard_chooses_and_a_kept_plan_stays_a_draw(browser: Browser) -> None:
    async with open_console(browser) as (page, _):
        form = await open_form(page)
        await form.get_by_role("radio", name="First come").focus()
        await page.keyboard.press("ArrowDown")
        await form.locator("input[name=entry_s]").fill("60")
        await form.locator("[data-ref=plan]").click()
        form = await open_form(page, is_selected=True)
        assert await form.get_by_role("radio", name="Draw", exact=True).is_checked()
        assert await form.locator("input[name=entry_s]").input_value() == "60"


async def test_the_now_panel_counts_entries_and_says_how_it_went(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        assert not await page.locator(LINE).is_visible()
        await arm(page, server, 2)
        line = page.locator(LINE)
        await line.get_by_text("1 entry").wait_for()
        assert re.search(r"Drawn in \d:\d\d, at ", await line.inner_text())
        server.socket.send(json.dumps(["K", 2, {"entries:f1": [3, 4_031]}]))
        await line.get_by_text("4,031 entries").wait_for()
        told = {"sale": "f1", "seed": "s", "digest": "d", "entries": 4_032, "winners": 100}
        server.socket.send(json.dumps(["S", 3, [["flash.drawn", told, NOW_MS]]]))
        await line.get_by_text("4,032 entries").wait_for()
        assert "Drawn: 100 won" in await line.inner_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": "armed", "opens_at_ms": NOW_MS + 100_000}, "Drawn at "),
        ({"draw": DRAW | {"entry_closes_at_ms": NOW_MS - 1_000}}, "Drawing…"),
        (
            {"draw": DRAW | {"entry_closes_at_ms": NOW_MS - 1_000}, "state": "halted"},
            "Drawn when the sale goes on",
        ),
        ({"state": "ended", "ends_at_ms": NOW_MS}, "Ended undrawn, no entry counts"),
    ],
)
async def test_the_now_panel_says_where_the_draw_is(
    browser: Browser, change: dict[str, Any], said: str
) -> None:
    async with open_console(browser) as (page, server):
        await arm(page, server, 2, **change)
        await page.locator(LINE).get_by_text(said).wait_for()


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_form_and_panel_fit(browser: Browser, language: str) -> None:
    async with open_console(browser, language=language) as (page, server):
        await arm(page, server, 2)
        assert await find_faults(page) == []
        form = await open_form(page)
        await form.locator("input[value=draw]").check()
        for width in (390, 820, 1440):
            await page.set_viewport_size({"width": width, "height": 900})
            await wait_until(page, IS_WITHIN, width)  # The window is another one a moment later.
