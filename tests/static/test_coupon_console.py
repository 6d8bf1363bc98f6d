"""The console's form of a coupon drop: opened by its key, and good for what its host chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.static.test_console_page import HOST, MODERATOR, Server, open_console, wait_told
from tests.support.axe import find_faults

if TYPE_CHECKING:
    from playwright.async_api import Browser, Route

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


class Maker(Server):
    """Makes every coupon that it is asked for."""

    async def answer(self, route: Route) -> None:
        """Answer a new coupon with its id, and everything else as before."""
        request = route.request
        if request.method != "POST" or not request.url.endswith("/coupons"):
            await super().answer(route)
            return
        self.told.append(("POST", "/coupons", request.post_data_json))
        await route.fulfill(status=201, json={"coupon": {"coupon": {"id": "c1"}}})


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_drop_has_the_limits_that_its_host_adds(browser: Browser, language: str) -> None:
    """A budget and a time are the coupon's, the age of a name and a pace the drop's."""
    maker = Maker(HOST, language)
    async with open_console(browser, language=language, server=maker) as (page, server):
        await page.keyboard.press("q")
        await page.locator(f"{FORM} summary").click()
        more = {"valid_h": "48", "budget": "500", "min_age_min": "10", "claims_per_address_s": "3"}
        for name, value in more.items():
            await page.fill(f"{FORM} input[name={name}]", value)
        assert await find_faults(page) == []
        await page.keyboard.press("Enter")
        await wait_told(page, server, 2)
    (_, _, coupon), (_, path, drop) = server.told
    assert (coupon["valid_s"], coupon["budget_minor"]) == (172_800, 50_000)
    assert {"min_age_s", "per_person", "max_minor"}.isdisjoint(coupon)
    assert path == "/api/rooms/demo/drops"
    assert (drop["coupon"], drop["min_age_s"], drop["claims_per_address_s"]) == ("c1", 600, 3)


async def test_a_limit_that_is_wrong_is_shown_and_nothing_is_sent(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.keyboard.press("q")
        await page.locator(f"{FORM} summary").click()
        await page.fill(f"{FORM} input[name=max]", "20")
        await page.locator(f"{FORM} summary").click()
        await page.press(f"{FORM} input[name=off]", "Enter")
        field = page.locator(f"{FORM} input[name=max]")
        await expect(field).to_be_focused()
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(page.locator(f"{FORM} [data-ref=says]")).to_contain_text("with a percentage")
        assert server.told == []
        await page.fill(f"{FORM} input[name=off]", "15%")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        assert server.told[0][2]["max_minor"] == 2_000


async def test_the_key_is_the_hosts_alone(browser: Browser) -> None:
    async with open_console(browser, user=MODERATOR) as (page, _):
        await page.keyboard.press("q")
        await expect(page.locator(FORM)).to_be_hidden()
