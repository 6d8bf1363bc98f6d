"""The console's delivery light says what was measured and no more, and lists it on a press."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_console_page import MODERATOR, NOW_MS, open_console

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.pages


def make_delivery(asked: int, acked: int, within_400: int) -> dict[str, Any]:
    """What the console call says of a last minute with one event."""
    event = {"offset": 9, "type": "flash.opened", "at_ms": NOW_MS, "p50_ms": 40, "p99_ms": 350}
    event |= {"asked": asked, "acked": acked, "within_400": within_400}
    unknown = {**event, "offset": 8, "type": "group.formed", "p99_ms": None}
    return {
        "share": within_400 / asked if asked else None,
        "within_ms": 400,
        "window_s": 60,
        "p50_ms": 40 if asked else None,
        "p99_ms": 350 if within_400 * 100 >= asked * 99 > 0 else None,
        "asked": asked,
        "reports": acked,
        "within_400": within_400,
        "viewers": acked,
        "recent_events": 1,
        "events": [event, unknown] if asked else [],
    }


@pytest.mark.parametrize(
    ("figures", "state", "words"),
    [
        ((1000, 1000, 992), "fine", "Delivery 99.2 % within 400 ms"),
        ((1000, 1000, 971), "late", "Delivery 97.1 % within 400 ms, slow for 1 in 34"),
        ((100, 98, 88), "bad", "Delivery 88.0 % within 400 ms, too slow for 1 in 8"),
        ((100, 90, 88), "bad", "Delivery 88.0 % within 400 ms, 1 in 8 late or silent"),
        ((19, 19, 19), "none", "Delivery Not enough reports yet"),
        ((0, 0, 0), "none", "Delivery No sale event in the last minute"),
    ],
)
async def test_the_light_says_what_was_measured_and_no_more(
    browser: Browser, figures: tuple[int, int, int], state: str, words: str
) -> None:
    async with open_console(browser, delivery=make_delivery(*figures)) as (page, _):
        light = page.locator(f"live-delivery-light .light[data-state={state}]", has_text=words[9:])
        await light.wait_for()
        assert (await light.inner_text()).strip() == words
        said = await light.get_attribute("title")
    assert said is not None
    assert ("99 % within 350 ms" in said) == (state == "fine")


async def test_a_press_lists_the_newest_events(browser: Browser) -> None:
    facts = make_delivery(1000, 1000, 992)
    async with open_console(browser, user=MODERATOR, delivery=facts) as (page, _):
        await page.locator("live-delivery-light .light[data-state=fine]").press("Enter")
        sheet = page.locator("live-delivery-light dialog")
        await sheet.wait_for(state="visible")
        heads = await sheet.locator("thead th[scope=col]").all_inner_texts()
        first, second = await sheet.locator("tbody tr").all()
        cells = [text.strip() for text in await first.locator("th, td").all_inner_texts()]
        assert "group.formed" in await second.inner_text()
        assert "over 2 s" in await second.inner_text()
        await page.keyboard.press("Escape")
        assert await page.evaluate("document.activeElement.classList.contains('light')")
    assert heads == ["Event", "In 400 ms", "Half by", "99 % by", "Reports"]
    assert cells[0].startswith("Flash sale open")
    assert cells[1:] == ["99.2 %", "40 ms", "350 ms", "1,000 of 1,000"]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_longest_words_fit(browser: Browser, language: str) -> None:
    facts = make_delivery(10_000, 9_000, 8_800)
    for size in ((1440, 860), (1180, 860), (820, 1100), (360, 740)):
        async with open_console(browser, size=size, language=language, delivery=facts) as (page, _):
            await page.locator("live-delivery-light .light[data-state=bad]").wait_for()
            assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
            await page.locator("live-delivery-light .light").press("Enter")
            sheet = page.locator("live-delivery-light .sheet-body")
            await sheet.wait_for(state="visible")
            assert await sheet.evaluate("one => one.scrollWidth <= one.clientWidth")
