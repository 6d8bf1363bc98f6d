"""Campaign prices on the console's real page: set one, see it, withdraw it, and what is refused.

Invariant: no server runs; every command the page sends is remembered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.static.test_console_page import (
    HOST,
    MINUTE_MS,
    MODERATOR,
    NOW_MS,
    Server,
    make_sale,
    make_state,
    open_console,
    wait_told,
)
from tests.support.browser import wait_until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

FORM = "live-campaign-form"
PRICE = f"{FORM} input[name=price]"
SET = "/api/skus/sku-3/campaign-prices"
HOUR_MS = 60 * MINUTE_MS
CAMPAIGN = {
    "id": "c3",
    "price_minor": 24_900,
    "from_ms": NOW_MS - MINUTE_MS,
    "until_ms": NOW_MS + HOUR_MS,
}


class PriceServer(Server):
    """Answers a campaign price that is set, or refuses it with `refused`."""

    refused: dict[str, Any] | None = None

    async def answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(self.site)
        if not path.endswith("/campaign-prices"):
            await super().answer(route)
            return
        self.told.append((route.request.method, path, route.request.post_data_json))
        if self.refused:
            await route.fulfill(status=409, json={"error": self.refused})
        else:
            await route.fulfill(status=201, json={"campaign_price": {**CAMPAIGN, "sku": "sku-3"}})


def refuse(code: str, **detail: Any) -> PriceServer:
    """Return a server that refuses; its status is the one complaint the browser has."""
    server = PriceServer(HOST, "en")
    server.refused = {"code": code, "message": "", "retryable": False, "detail": detail}
    server.excused = "409"
    return server


def tell_price(server: Server, campaign: dict[str, Any] | None, offset: int = 2) -> None:
    """Tell the console, as the room does at an offset, of the third item's campaign price."""
    sale = make_sale(3) | ({"campaign_price": campaign} if campaign else {})
    changed = {"bag": make_state()["bag"], "sales": [make_sale(1), make_sale(2), sale]}
    server.socket.send(json.dumps(["S", offset, [["bag.changed", changed]]]))


async def select_third(page: Page) -> None:
    await page.locator(".run-row").nth(2).click()


@pytest.mark.parametrize(
    ("language", "says", "done"),
    [
        ("en", "¥299 from now until", "No. 3 at ¥299 until"),
        ("zh", "现在起 ¥299", "3 号 ¥299"),
    ],
)
async def test_a_price_is_set_from_now_and_taken_back(
    browser: Browser, language: str, says: str, done: str
) -> None:
    server = PriceServer(HOST, language)
    async with open_console(browser, language=language, server=server) as (page, _):
        await select_third(page)
        await page.keyboard.press("d")
        await wait_until(page, "document.activeElement.closest('live-campaign-form')")
        await page.fill(PRICE, "299")
        await page.fill(f"{FORM} input[name=hours]", "2")
        await page.fill(f"{FORM} input[name=minutes]", "30")
        assert says in await page.inner_text(f"{FORM} [data-ref=says]")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        await page.locator(".undo-text").get_by_text(done).wait_for()
        await page.keyboard.press("u")
        await wait_told(page, server, 2)
    (_, path, body), back = server.told
    assert path == SET
    assert abs(body.pop("until_ms") - NOW_MS - 150 * MINUTE_MS) < MINUTE_MS
    assert body == {"price_minor": 29_900, "guard": {"max_cut_percent": 40}}
    assert back == ("POST", "/api/campaign-prices/c3/withdraw", {})


async def test_a_price_is_set_for_a_time(browser: Browser) -> None:
    server = PriceServer(HOST, "en")
    async with open_console(browser, server=server) as (page, _):
        await select_third(page)
        await page.locator(".run-item").nth(2).get_by_role("button", name="Price").click()
        starts = page.get_by_label("Day and time")
        assert not await starts.is_visible()
        await page.get_by_label("At a time").check()
        await page.keyboard.press("Enter")
        assert "A day and a time, please." in await page.inner_text(FORM)
        assert await starts.get_attribute("aria-invalid") == "true"
        await starts.fill("2020-01-01T10:00")
        assert "That moment has passed." in await page.inner_text(FORM)
        assert server.told == []
        from_ms = await page.evaluate(
            """(now_ms) => { const at = new Date(now_ms + 86_400_000); at.setHours(10, 0, 0, 0);
                 return at.getTime(); }""",
            NOW_MS,
        )
        local = await page.evaluate(
            """(ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000)
                 .toISOString().slice(0, 16)""",
            from_ms,
        )
        await starts.fill(local)
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
    body = server.told[0][2]
    assert (body["from_ms"], body["until_ms"]) == (from_ms, from_ms + 24 * HOUR_MS)


@pytest.mark.parametrize(("language", "why"), [("en", "40 % down"), ("zh", "降价超过 40%")])
async def test_a_deep_cut_is_typed_twice(browser: Browser, language: str, why: str) -> None:
    server = PriceServer(HOST, language)
    async with open_console(browser, language=language, server=server) as (page, _):
        await select_third(page)
        await page.keyboard.press("d")
        await page.fill(PRICE, "19")
        await page.keyboard.press("Enter")
        assert why in await page.inner_text(f"{FORM} [data-ref=guard]")
        assert await page.get_attribute(f"{FORM} input[name=repeat]", "aria-invalid") == "true"
        assert server.told == []
        await page.fill(f"{FORM} input[name=repeat]", "19")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
    assert server.told[0][2]["confirm_price_minor"] == 1_900


async def test_a_price_that_the_server_doubts_is_typed_once_more(browser: Browser) -> None:
    doubt = {"price_minor": 29_900, "list_price_minor": 99_900, "cut_percent": 70}
    server = refuse("price_needs_confirmation", **doubt)
    async with open_console(browser, server=server) as (page, _):
        await select_third(page)
        await page.keyboard.press("d")
        await page.fill(PRICE, "299")
        await page.keyboard.press("Enter")
        ask = page.locator("live-ask")
        await ask.get_by_text("70 % below the usual price.").wait_for()
        server.refused = None
        await ask.locator("textarea").fill("299")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 2)
    assert [body.get("confirm_price_minor") for _, _, body in server.told] == [None, 29_900]


@pytest.mark.parametrize(
    ("language", "says"), [("en", "has a campaign price already"), ("zh", "已有活动价")]
)
async def test_a_second_price_is_refused_in_words(
    browser: Browser, language: str, says: str
) -> None:
    server = refuse("campaign_price_exists", campaign_price="c9", until_ms=NOW_MS + HOUR_MS)
    server.language = language
    async with open_console(browser, language=language, server=server) as (page, _):
        await select_third(page)
        await page.keyboard.press("d")
        await page.fill(PRICE, "299")
        await page.keyboard.press("Enter")
        await page.locator(".undo[data-state=wrong]").get_by_text(says).wait_for()


@pytest.mark.parametrize(
    ("language", "withdraw", "row", "back"),
    [
        ("en", "Withdraw", "Campaign ¥249 until", "at its list price"),
        ("zh", "撤下", "活动价 ¥249", "恢复原价"),
    ],
)
async def test_the_running_one_is_shown_and_withdrawn_and_set_again(
    browser: Browser, language: str, withdraw: str, row: str, back: str
) -> None:
    server = PriceServer(HOST, language)
    async with open_console(browser, language=language, server=server) as (page, _):
        tell_price(server, CAMPAIGN)
        line = page.locator(".run-item").nth(2).locator(".run-campaign")
        await line.wait_for()
        assert row in await line.inner_text()
        await select_third(page)
        await page.keyboard.press("d")
        assert "¥249" in await page.inner_text(f"{FORM} [data-ref=present]")
        assert not await page.locator(PRICE).is_visible()
        # Enter leaves: one that holds is not ended by a press too many.
        await page.keyboard.press("Enter")
        await wait_until(page, "!document.querySelector('dialog[open]')")
        assert server.told == []
        await page.keyboard.press("d")
        await page.locator(FORM).get_by_role("button", name=withdraw).click()
        await wait_told(page, server, 1)
        await page.locator(".undo-text").get_by_text(back).wait_for()
        tell_price(server, None, 3)
        await line.wait_for(state="hidden")
        await page.keyboard.press("u")
        await wait_told(page, server, 2)
    again = {"price_minor": 24_900, "until_ms": CAMPAIGN["until_ms"]}
    guard = {"max_cut_percent": 40}
    assert server.told == [
        ("POST", "/api/campaign-prices/c3/withdraw", {}),
        ("POST", SET, {**again, "confirm_price_minor": 24_900, "guard": guard}),
    ]


async def test_the_coming_one_is_shown(browser: Browser) -> None:
    coming = CAMPAIGN | {"from_ms": NOW_MS + HOUR_MS, "until_ms": NOW_MS + 2 * HOUR_MS}
    async with open_console(browser) as (page, server):
        tell_price(server, coming)
        await page.locator(".run-campaign").get_by_text("Campaign ¥249 from").wait_for()
        await select_third(page)
        await page.keyboard.press("d")
        assert "¥249 from" in await page.inner_text(f"{FORM} [data-ref=present]")
        assert await page.get_by_role("button", name="Withdraw").is_visible()


@pytest.mark.parametrize(
    ("language", "says"),
    [("en", "campaign ¥249, was ¥329"), ("zh", "活动价 ¥249，原价 ¥329")],
)
async def test_what_is_on_now_has_the_price_that_holds(
    browser: Browser, language: str, says: str
) -> None:
    async with open_console(browser, language=language) as (page, server):
        tell_price(server, CAMPAIGN)
        server.socket.send(json.dumps(["S", 3, [["show.pinned", {"item": "i3"}, NOW_MS]]]))
        line = page.locator("live-now-panel [data-ref=line]")
        await expect(line).to_contain_text(says)
        tell_price(server, CAMPAIGN | {"from_ms": NOW_MS + HOUR_MS}, 4)
        await expect(line).not_to_contain_text("249")
        await expect(line).to_contain_text("¥329")


async def test_the_units_of_the_pinned_item_lead_to_its_price(browser: Browser) -> None:
    async with open_console(browser) as (page, _):
        await page.keyboard.press("a")
        button = page.locator("live-units-form").get_by_role("button", name="Campaign price")
        await button.press("Enter")
        assert "Campaign price of No. 1 Thing 1" in await page.inner_text(f"{FORM} h2")
        assert await page.evaluate("document.activeElement.name") == "price"


async def test_a_moderator_sets_no_price(browser: Browser) -> None:
    async with open_console(browser, user=MODERATOR) as (page, server):
        await page.keyboard.press("d")
        await page.wait_for_timeout(200)
        assert await page.locator(FORM).count() == 0
        assert server.told == []


@pytest.mark.parametrize("size", [(1440, 900), (1180, 860), (320, 700)])
async def test_the_row_and_the_form_fit(browser: Browser, size: tuple[int, int]) -> None:
    async with open_console(browser, size=size) as (page, server):
        tell_price(server, CAMPAIGN)
        await page.locator(".run-campaign").nth(2).wait_for(state="attached")
        if size[0] < 1180:
            await page.locator('.console-tab[data-tab="show"]').click()
        await select_third(page)
        fits = await page.evaluate(
            """() => { const row = document.querySelector('.run-item[data-selected]');
                 const right = row.getBoundingClientRect().right;
                 return [...row.querySelectorAll('.run-acts button')]
                   .every((one) => one.getBoundingClientRect().right <= right); }"""
        )
        tell_price(server, None, 3)
        await page.locator(".run-item").nth(2).locator("[data-act=campaign]").click()
        await page.fill(PRICE, "19")
        width = await page.evaluate("document.documentElement.scrollWidth")
        box = await page.locator(f"{FORM} dialog").bounding_box()
    assert fits
    assert width <= size[0]
    assert box is not None
    assert box["width"] <= size[0]
