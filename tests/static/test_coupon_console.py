"""The console's form of a coupon drop: opened by its key, and good for what its host chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.e2e.test_accessibility import find_faults
from tests.static.test_console_page import MODERATOR, open_console, wait_told

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.pages

FORM = "live-drop-desk form"


@pytest.mark.parametrize(
    ("language", "label", "terms"),
    [
        ("en", "Everything in this room", {}),
        ("en", "Everything in every room", {"scope": "shop"}),
        ("en", "Only No. 1 Thing 1, in every room", {"scope": "shop", "skus": ["sku-1"]}),
        ("zh", "全店所有直播间", {"scope": "shop"}),
        ("zh", "仅限 1 号 Thing 1（所有直播间）", {"scope": "shop", "skus": ["sku-1"]}),
    ],
)
async def test_a_drop_is_good_for_what_its_host_chose(
    browser: Browser, language: str, label: str, terms: dict[str, Any]
) -> None:
    """The item is the pinned one: a coupon never moves with a later pin."""
    async with open_console(browser, language=language, size=(1280, 800)) as (page, server):
        await page.keyboard.press("q")
        await page.locator(FORM).get_by_label(label, exact=True).check()
        assert await find_faults(page) == []
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        [(method, path, body), *_] = server.told
        assert (method, path) == ("POST", "/api/rooms/demo/coupons")
        assert {name: body[name] for name in ("scope", "skus") if name in body} == terms


async def test_the_key_is_the_hosts_alone(browser: Browser) -> None:
    async with open_console(browser, user=MODERATOR) as (page, _):
        await page.keyboard.press("q")
        await expect(page.locator(FORM)).to_be_hidden()
