"""The misprice guard and the kill switch, on the console and in the room that hears of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.static import test_room_page as room
from tests.static.test_console_page import FLASH, open_console, wait_told
from tests.support.browser import wait_until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.pages

SHOTS = os.environ.get("HUBBUB_SHOTS")
DOUBT = {
    "price_minor": 1_990,
    "list_price_minor": 32_900,
    "cut_percent": 94,
    "floor_minor": 10_000,
}


async def shoot(page: Page, name: str) -> None:
    """Keep a picture for whoever asks for pictures."""
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"{name}.png")


# Not by a route: a browser writes every 409 of the network into its console, as a complaint.
DOUBT_FIRST = """error => {
  const real = window.fetch;
  window.fetch = (path, how) => String(path).endsWith('/flash-sales')
    && !how.body.includes('confirm_price_minor')
    ? Promise.resolve(new Response(JSON.stringify({ error }), { status: 409 }))
    : real(path, how);
}"""


async def doubt_first(page: Page) -> None:
    """Let the server take the first price for a mistake."""
    error = {"code": "price_needs_confirmation", "message": "", "retryable": False, "detail": DOUBT}
    await page.evaluate(DOUBT_FIRST, error)


async def arm(page: Page, price: str) -> None:
    """Arm a flash sale of the third item."""
    await page.locator(".run-row").nth(2).click()
    await page.keyboard.press("f")
    await page.locator("live-arm-form input[name=price]").fill(price)
    await page.keyboard.press("Enter")


async def test_every_flash_sale_is_armed_under_the_guard(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.locator(".run-row").nth(2).click()
        await page.keyboard.press("f")
        form = page.locator("live-arm-form")
        await form.locator("input[name=price]").fill("19")
        await form.locator("input[name=repeat]").fill("19")
        await form.locator("[data-ref=reference]").check()
        await shoot(page, "arm-form")
        await form.locator("[data-ref=now]").click()
        await wait_told(page, server, 1)
        await page.keyboard.press("f")
        await form.locator("input[name=price]").fill("250")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 2)
    deep, plain = (body for _, _, body in server.told)
    assert deep["guard"] == plain["guard"] == {"max_cut_percent": 40}
    assert (deep["confirm_price_minor"], deep["show_reference"]) == (1_900, True)
    assert not {"confirm_price_minor", "show_reference"} & set(plain)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_price_in_doubt_is_shown_beside_the_usual_one_and_typed_again(
    browser: Browser, language: str
) -> None:
    async with open_console(browser, language=language) as (page, server):
        await doubt_first(page)
        await arm(page, "250")
        dialog = page.locator("live-ask dialog")
        await dialog.wait_for(state="visible")
        sizes = await dialog.locator(".ask-prices").evaluate(
            "one => [...one.children].map((part) => getComputedStyle(part).fontSize)"
        )
        said = await dialog.inner_text()
        await shoot(page, f"guard-{language}")
        assert server.told == []
        await page.keyboard.type("250")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
    assert sizes == ["32px", "32px"]
    assert "94" in said
    assert "¥19.90" in said
    assert "¥329" in said
    assert server.told[0][2]["confirm_price_minor"] == 25_000


async def test_a_price_that_is_typed_wrong_arms_nothing(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await doubt_first(page)
        await arm(page, "250")
        await page.locator("live-ask dialog").wait_for(state="visible")
        await page.keyboard.type("25")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".undo[data-state=wrong]")
        assert "not typed again" in await page.locator("live-undo-bar").inner_text()
        assert server.told == []


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_stopping_a_sale_asks_why_and_leaves_the_holds(
    browser: Browser, language: str
) -> None:
    async with open_console(browser, language=language) as (page, server):
        await page.keyboard.press("e")
        dialog = page.locator("live-ask dialog")
        await dialog.wait_for(state="visible")
        said = await dialog.inner_text()
        await page.keyboard.press("Enter")
        assert await dialog.is_visible(), "a reason is needed"
        await page.keyboard.type("A wrong price")
        await shoot(page, f"halt-{language}")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        await page.wait_for_selector(".undo:visible")
        await page.keyboard.press("u")
        await wait_told(page, server, 2)
    assert "42" in said
    assert "41" in said
    halt = {"reason": "A wrong price", "release_holds": False}
    assert server.told == [
        ("POST", "/api/sales/f1/halt", halt),
        ("POST", "/api/sales/f1/resume", {}),
    ]


async def test_holds_are_released_only_when_that_is_ticked(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.click("live-now-panel [data-ref=halt]")
        await page.locator("live-ask dialog").wait_for(state="visible")
        await page.keyboard.type("A wrong price")
        await page.locator("live-ask [data-ref=chosen]").check()
        await page.click("live-ask [data-ref=yes]")
        await wait_told(page, server, 1)
    assert server.told[0][2]["release_holds"] is True


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_halted_sale_says_so_on_the_console_until_it_is_resumed(
    browser: Browser, language: str
) -> None:
    async with open_console(browser, language=language) as (page, server):
        event = ["flash.halted", {"sale": FLASH["id"], "reason": "A <wrong> price"}, 1]
        server.socket.send(json.dumps(["S", 2, [event]]))
        halted = page.locator("live-now-panel [data-ref=halted]")
        await halted.wait_for(state="visible")
        assert "A <wrong> price" in await halted.inner_text()
        await shoot(page, f"console-halted-{language}")
        await page.keyboard.press("e")
        await wait_told(page, server, 1)
    assert server.told == [("POST", "/api/sales/f1/resume", {})]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_room_reads_why_the_sale_was_stopped_and_sees_it_go_on(
    browser: Browser, language: str
) -> None:
    async with room.open_room(browser, language=language) as (page, server):
        halted = {"sale": room.FLASH_ID, "reason": "A wrong price"}
        server.send(["S", 8, [["flash.halted", halted, 1]]])
        await room.wait_for_state(page, "refused-halted")
        said = await page.inner_text(room.CARD)
        await wait_until(page, "document.querySelector('#news').textContent.includes('wrong')")
        await shoot(page, f"room-halted-{language}")
        unhalted = {"sale": room.FLASH_ID, "state": "open"}
        server.send(["S", 9, [["flash.unhalted", unhalted, 2]]])
        await room.wait_for_state(page, "open")
    texts = {
        "en": ("The host stopped this sale: A wrong price.", "Paid orders stand."),
        "zh": ("主播停止了这场：A wrong price", "已付款的订单照常"),
    }
    for text in texts[language]:
        assert text in said


async def test_a_halted_regular_sale_offers_no_way_to_buy_it(browser: Browser) -> None:
    async with room.open_room(browser) as (page, server):
        halts = [
            ["flash.halted", {"sale": id, "reason": "A crack"}, 1]
            for id in ("sale-r3", room.FLASH_ID)
        ]
        server.send(["S", 8, halts])
        await room.wait_for_state(page, "refused-halted")
        assert await page.get_attribute(room.MAIN, "data-act") == "see-bag"
        await page.click("#bag-button")
        row = page.locator(".bag-row")
        await row.wait_for()
        assert "Stopped by the host" in await row.inner_text()
        assert await row.locator(".bag-button").is_hidden()
    assert server.reserve_keys() == []


@pytest.mark.parametrize(
    ("reference", "struck"),
    [(26_800, "¥268"), (19_900, ""), (18_000, "")],
)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_reference_is_struck_through_with_its_days_or_nothing_is(
    browser: Browser, language: str, reference: int, struck: str
) -> None:
    """A price that is no lower than the 30-day low is no reduction, whatever the list says."""
    sale = room.make_state()["sales"][-1]
    sale |= {"reference_minor": reference, "reference_days": 30}
    async with room.open_room(browser, language=language) as (page, server):
        server.send(["S", 8, [["flash.armed", {"sale": sale}, 1]]])
        card = page.locator(room.CARD)
        await wait_until(
            page,
            "want => document.querySelector('live-sale-card s').textContent === want",
            arg=struck,
        )
        said = await card.inner_text()
        await shoot(page, f"room-reference-{language}-{reference}")
    assert ({"en": "30-day low", "zh": "30 天最低"}[language] in said) == bool(struck)
