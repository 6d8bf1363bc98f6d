"""A price that may fall for everybody, in the real pages: the room's card, and the host's form.

Invariant: no server runs; every command of the pages is remembered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.static import test_console_page as console
from tests.static.test_room_page import CARD, FLASH_ID, NOW_MS, RESERVATION, make_state, open_room
from tests.support.axe import find_faults

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.static.test_room_page import Server

pytestmark = pytest.mark.pages

UNLOCK = {"units": 30, "price_minor": 15_900, "plain_minor": 19_900, "otherwise": "charge"}
LINE = f"{CARD} [data-ref=unlock]"
DESK = "live-now-panel"


def make_threshold(**changes: Any) -> dict[str, Any]:
    unlock = UNLOCK | {"state": "open", "promised": 18} | changes
    sale: dict[str, Any] = make_state()["sales"][-1]
    return sale | {"unlock": unlock}


def tell(server: Server, offset: int, kind: str, payload: dict[str, Any]) -> None:
    server.send(["S", offset, [[kind, payload, NOW_MS]]])


@pytest.mark.parametrize(
    ("language", "more", "fallen"),
    [
        ("en", "12 more paid, and everybody pays ¥159. Else ¥199, as agreed.", "Everybody pays"),
        ("zh", "再付款 12 件，全场都付 ¥159。 否则按约定付 ¥199。", "全场都付 ¥159"),
    ],
)
async def test_the_card_counts_down_to_the_lower_price_and_then_has_it(
    browser: Browser, language: str, more: str, fallen: str
) -> None:
    async with open_room(browser, language=language) as (page, server):
        tell(server, 8, "flash.armed", {"sale": make_threshold()})
        await expect(page.locator(LINE)).to_have_text(more)
        server.send(["K", 8, {f"unlock:{FLASH_ID}": [1, [29, 30]]}])
        await expect(page.locator(LINE)).to_contain_text("1")
        assert await find_faults(page) == []
        told = {"sale": FLASH_ID, "price_minor": 15_900, "promised": 30, "units": 30}
        tell(server, 9, "flash.unlocked", told)
        await expect(page.locator(LINE)).to_contain_text(fallen)
        await expect(page.locator(f"{CARD} .price")).to_have_text("¥159")
        assert "¥159" in await page.inner_text("#news")


async def test_a_hold_that_is_not_ordered_gets_cheaper(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        tell(server, 8, "flash.armed", {"sale": make_threshold()})
        server.decide = lambda: None
        server.held = [RESERVATION]
        await page.click(f"{CARD} [data-ref=main]")
        await expect(page.locator(f"{CARD} [data-ref=main]")).to_contain_text("¥199")
        told = {"sale": FLASH_ID, "price_minor": 15_900, "promised": 30, "units": 30}
        tell(server, 9, "flash.unlocked", told)
        await expect(page.locator(f"{CARD} [data-ref=main]")).to_contain_text("¥159")


async def test_what_was_missed_is_said_as_the_host_chose(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        tell(server, 8, "flash.armed", {"sale": make_threshold(otherwise="release")})
        await expect(page.locator(LINE)).to_contain_text("Else nobody is charged.")
        told = {"sale": FLASH_ID, "promised": 18, "units": 30, "otherwise": "release"}
        tell(server, 9, "flash.not_unlocked", told)
        await expect(page.locator(LINE)).to_have_text(
            "The price did not fall: 18 of 30 were paid for. Nobody is charged."
        )
        assert "did not fall. Nobody is charged." in await page.inner_text("#news")


async def test_the_host_opens_one_with_the_form_and_sees_how_far_it_is(browser: Browser) -> None:
    async with console.open_console(browser) as (page, server):
        await page.locator(".run-row").nth(2).click()
        await page.keyboard.press("f")
        form = page.locator("live-arm-form")
        await form.locator("input[name=price]").fill("329")
        await form.locator("[data-ref=unlock] summary").click()
        await form.locator("input[name=unlock_units]").fill("30")
        await form.locator("input[name=unlock_price]").fill("340")
        await page.keyboard.press("Enter")
        problem = form.locator("[data-error=unlock_price]")
        await expect(problem).to_have_text("Must be below the price.")
        assert server.told == []
        await form.locator("input[name=unlock_price]").fill("259")
        await expect(form.locator("[data-ref=says]")).to_contain_text(
            "Once 30 are paid for, everybody pays ¥259; else ¥329."
        )
        assert await find_faults(page) == []
        await page.keyboard.press("Enter")
        await console.wait_told(page, server, 1)
        wanted = {"units": 30, "price_minor": 25_900, "otherwise": "charge"}
        assert server.told[0][2]["unlock"] == wanted
        assert "confirm_price_minor" not in server.told[0][2]
        sale = console.FLASH | {"unlock": UNLOCK | {"state": "open", "promised": 18}}
        event = ["flash.armed", {"sale": sale}, console.NOW_MS]
        server.socket.send(json.dumps(["S", 2, [event]]))
        await expect(page.locator(DESK)).to_contain_text("18 of 30 paid for ¥159")


@pytest.mark.parametrize(
    ("language", "pending", "done"),
    [
        (
            "en",
            "¥40 too much was taken. It goes back to you by itself.",
            "¥40 that was taken too much is back with you.",
        ),
        ("zh", "多扣了 ¥40，会自动退还给你。", "多扣的 ¥40 已退还给你。"),
    ],
)
async def test_a_buyer_hears_of_money_that_was_taken_too_much(
    browser: Browser, language: str, pending: str, done: str
) -> None:
    async with open_room(browser, language=language) as (page, server):
        told = {"order": "o", "amount_minor": 4_000, "currency": "CNY", "state": "pending"}
        server.send(["D", "payment.excess", told])
        await expect(page.locator("#own-news")).to_contain_text(pending)
        server.send(["D", "payment.excess", told | {"state": "done"}])
        await expect(page.locator("#own-news")).to_contain_text(done)
