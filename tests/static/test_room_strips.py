"""A phone with all that can be on at once: the face stays free, the chat keeps its place.

Invariant: no server runs; every frame and call of the page is remembered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.static import test_room_page as room
from tests.static.test_coupon_halt_pages import COUPON, DROP, CouponRoom
from tests.static.test_room_page import FLASH_ID, NOW_MS
from tests.static.test_teams_pages import make_campaign
from tests.static.test_unlock_pages import make_threshold
from tests.support.axe import find_faults
from tests.support.browser import wait_until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

LONG = "Ten times too much off, sorry. " * 3
TITLES = {
    "title": "Hand-thrown kiln-change tenmoku tea bowl with a silver lip, box and cloth",
    "title_zh": "建盏窑变天目手工茶盏银边款配木盒与茶巾礼盒装收藏级限量",
}
SMALL = {"width": 360, "height": 740}
PHONE = {"width": 390, "height": 844}
# The face ends at 38 % of the stage; the chin may touch the chat on the smallest phones.
FACE_PART, CHIN_PART = 0.38, 0.32
# Two lines of the chat, whose second may be how much of it is shown.
CHAT_PX, LINE_PX = 46, 20
TEAM = "live-group-buy [data-ref=main]"
BOXES = """() => ['.strips', '.card', '.chat', '.chat-scroll'].map((part) => {
  const { top, bottom } = document.querySelector(part).getBoundingClientRect();
  return [top, bottom];
})"""
LAST_LINE = """() => {
  const line = [...document.querySelectorAll('.chat-line')].at(-1)?.getBoundingClientRect();
  const list = document.querySelector('.chat-scroll').getBoundingClientRect();
  return line !== undefined && line.top >= list.top - 1 && line.bottom <= list.bottom + 1;
}"""


class UnclaimedRoom(CouponRoom):
    """Its coupon is of many words, and not claimed yet."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        coupon = COUPON | {"percent": 12, "max_minor": 5_000}
        self.more = {"drops": [DROP | {"coupon": coupon}]}

    async def answer_call(self, route: Route, method: str, path: str) -> None:
        if path == "/api/coupons":
            await route.fulfill(json={"claims": []})
        else:
            await super().answer_call(route, method, path)


class Busy:
    """A room in which a coupon, a group buy and a threshold are on, all under long names."""

    def __init__(self, server: CouponRoom) -> None:
        self.server = server
        self.offset = 7
        server.more |= {"bag": [item | TITLES for item in server.make_state()["bag"]]}

    def tell(self, kind: str, payload: dict[str, Any]) -> None:
        """Tell the room an event."""
        self.offset += 1
        self.server.send(["S", self.offset, [[kind, payload, NOW_MS]]])

    def chat(self, first: int, count: int) -> None:
        """Have so many lines said; of more than four at once not all are shown, which is said."""
        numbers = range(first, first + count)
        lines = [[f"c{n}", "u-1", "Sofia", f"line {n}", [], NOW_MS + n] for n in numbers]
        self.server.send(["L", self.offset, lines, 0])

    def sell(self, left: int, held: int) -> None:
        """Tell how many are left and held of a hundred."""
        stock = [left, held, 100 - left - held]
        self.server.send(["K", self.offset, {f"stock:{FLASH_ID}": [99, stock]}])


@asynccontextmanager
async def open_busy(
    browser: Browser, language: str = "en", server: CouponRoom | None = None
) -> AsyncIterator[tuple[Page, Busy]]:
    """Yield a small phone on which everything is on, the coupon claimed unless `server` says."""
    is_claimed = server is None
    server = server or CouponRoom(language)
    busy = Busy(server)
    options = {"language": language, "server": server, "viewport": SMALL}
    async with room.open_room(browser, **options) as (page, _):
        busy.tell("flash.armed", {"sale": make_threshold()})
        busy.tell("group_buy.opened", {"sale": make_campaign()})
        await expect(page.locator("live-group-buy")).to_be_visible()
        mark = "[data-tone=good]" if is_claimed else "[data-ref=claim]"
        await expect(page.locator(f"live-drop {mark}")).to_be_visible()
        yield page, busy


async def look(page: Page, size: dict[str, int]) -> None:
    """See that face, chat, strips and card have their places in a window."""
    await page.set_viewport_size({"width": size["width"], "height": size["height"]})
    await wait_until(page, LAST_LINE)
    strips, card, chat, lines = await page.evaluate(BOXES)
    height = size["height"]
    assert strips[0] >= height * FACE_PART
    assert chat[0] >= height * CHIN_PART
    assert chat[1] - chat[0] >= CHAT_PX
    assert lines[1] - lines[0] >= LINE_PX
    assert lines[1] <= chat[1] <= strips[0] < strips[1] <= card[0]
    assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_whatever_is_on_the_chat_keeps_two_lines_and_the_face_is_free(
    browser: Browser, language: str
) -> None:
    async with open_busy(browser, language) as (page, busy):
        busy.chat(0, 6)
        for size in (SMALL, PHONE):
            await look(page, size)
        busy.tell("coupon.halted", {"coupon": "c1", "reason": LONG})
        await expect(page.locator("live-drop .drop-note")).to_contain_text("Ten times")
        busy.sell(left=0, held=8)
        await room.wait_for_state(page, "refused-held_out")
        for size in (SMALL, PHONE):
            await look(page, size)
        assert "249" in await page.inner_text("live-group-buy [data-ref=price]")
        assert "199" in await page.inner_text(".card .price")
        assert await find_faults(page) == []


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_coupon_of_many_words_stays_low_beside_its_button(
    browser: Browser, language: str
) -> None:
    async with open_busy(browser, language, UnclaimedRoom(language)) as (page, busy):
        busy.chat(0, 4)
        for size in (SMALL, PHONE):
            await look(page, size)
        drop = page.locator("live-drop")
        box = await drop.bounding_box()
        assert box is not None
        assert box["height"] <= 80
        for number in ("12", "50", "80"):
            assert number in await drop.inner_text()
        await drop.locator("[data-ref=claim]").click()
        await expect(drop.locator("[data-tone=good]")).to_be_visible()
        await look(page, SMALL)


async def test_a_hold_under_a_long_name_leaves_the_chat_its_lines(browser: Browser) -> None:
    async with open_busy(browser) as (page, busy):
        busy.chat(0, 6)
        await page.click(room.MAIN)
        await room.wait_for_state(page, "held")
        await look(page, SMALL)


async def test_two_strips_beside_a_tall_card_share_a_row_and_a_press_brings_the_other(
    browser: Browser,
) -> None:
    """Nothing is hidden for good: what shows of the second strip is pressed, or tabbed to."""
    async with open_busy(browser) as (page, _):
        drop = await page.locator("live-drop").bounding_box()
        team = await page.locator("live-group-buy").bounding_box()
        assert drop is not None
        assert team is not None
        assert drop["y"] == team["y"]
        assert SMALL["width"] - team["x"] >= 40
        is_in = f"() => document.querySelector('{TEAM}').getBoundingClientRect().right <= 360"
        assert not await page.evaluate(is_in)
        await page.mouse.click(team["x"] + 20, team["y"] + 20)
        await wait_until(page, is_in)
        assert await page.locator(TEAM).is_visible()
        await page.mouse.click(8, team["y"] + 20)
        await wait_until(page, "() => document.querySelector('.strips').scrollLeft === 0")
        await page.focus(TEAM)
        await wait_until(page, is_in)


async def test_beside_a_low_card_two_strips_lie_one_above_the_other(browser: Browser) -> None:
    async with open_busy(browser) as (page, busy):
        busy.tell("flash.closed", {"sale": FLASH_ID, "state": "ended", "ends_at_ms": NOW_MS})
        busy.tell("show.pinned", {"item": None})
        await room.wait_for_state(page, "none")
        drop = await page.locator("live-drop").bounding_box()
        team = await page.locator("live-group-buy").bounding_box()
    assert drop is not None
    assert team is not None
    assert drop["y"] + drop["height"] <= team["y"]
    assert drop["width"] == team["width"] == 336


async def test_a_card_that_grows_while_lines_come_does_not_stop_the_chat(browser: Browser) -> None:
    """A list that becomes lower between a scroll and its event was not scrolled by a person."""
    async with open_busy(browser) as (page, busy):
        busy.chat(0, 6)
        await wait_until(page, LAST_LINE)
        await page.evaluate("""() => {
          const list = document.querySelector('.chat-scroll');
          list.scrollTop -= 1;
          list.style.setProperty('max-height', '24px');
        }""")
        await wait_until(page, LAST_LINE)
        busy.chat(6, 1)
        await page.locator(".chat-line", has_text="line 6").wait_for()
        await wait_until(page, LAST_LINE)
        assert not await page.locator(".chat-new").is_visible()


async def test_a_phone_on_its_side_keeps_the_button_in_the_window(browser: Browser) -> None:
    async with open_busy(browser) as (page, busy):
        await page.set_viewport_size({"width": 844, "height": 390})
        busy.chat(0, 4)
        busy.sell(left=0, held=8)
        await room.wait_for_state(page, "refused-held_out")
        main = await page.locator(room.MAIN).bounding_box()
        bar = await page.locator(".bar").bounding_box()
        assert main is not None
        assert bar is not None
        assert main["y"] + main["height"] <= bar["y"]
        # Whatever of the rest has no place is one scroll away, and the chat lies over nothing.
        reach = "one => one.scrollHeight - one.clientHeight"
        assert await page.locator("#card").evaluate(reach) > 0
        chat = await page.locator(".chat").bounding_box()
        assert chat is not None
        assert chat["y"] + chat["height"] <= bar["y"] + 1
        assert await page.evaluate("document.documentElement.scrollWidth") <= 844
