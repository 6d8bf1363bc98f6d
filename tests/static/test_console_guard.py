"""The guard against misprices in the console's form: a deep cut, and the host's floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.static.test_console_page import open_console, wait_told

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.pages


async def test_a_deep_cut_is_armed_only_when_its_price_is_typed_twice(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.locator(".run-row").nth(2).click()
        await page.keyboard.press("f")
        form = page.locator("live-arm-form")
        await form.locator("input[name=price]").fill("19")
        await page.keyboard.press("Enter")
        await page.wait_for_timeout(200)
        assert server.told == []
        await form.locator("input[name=repeat]").fill("19")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
    _, path, body = server.told[0]
    assert path == "/api/rooms/demo/flash-sales"
    assert body["price_minor"] == 1_900
    assert body["sku"] == "sku-3"


@pytest.mark.parametrize(("language", "why"), [("en", "Below the floor of"), ("zh", "低于底价")])
async def test_a_floor_guards_this_sale_and_the_next_one_of_its_item(
    browser: Browser, language: str, why: str
) -> None:
    async with open_console(browser, language=language) as (page, server):
        await page.locator(".run-row").nth(2).click()
        form = page.locator("live-arm-form")
        await page.keyboard.press("f")
        await form.locator("input[name=price]").fill("280")
        await form.locator("input[name=floor]").fill("250")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        await page.keyboard.press("f")
        assert await form.locator("input[name=floor]").input_value() == "250"
        await form.locator("input[name=price]").fill("228")
        await page.keyboard.press("Enter")
        assert why in await form.locator("[data-ref=guard]").inner_text()
        assert len(server.told) == 1
        await form.locator("input[name=repeat]").fill("228")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 2)
    first, second = (body for _, _, body in server.told)
    assert first["guard"] == second["guard"] == {"max_cut_percent": 40, "floor_minor": 25_000}
    assert "confirm_price_minor" not in first
    assert second["confirm_price_minor"] == 22_800
    assert "floor_minor" not in second
