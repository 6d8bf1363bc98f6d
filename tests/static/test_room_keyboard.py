"""The room by keyboard alone: each sheet takes the focus, keeps it, and gives it back.

Invariant: no server runs; every frame and call of the page is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.static import test_room_page as room
from tests.static.test_draw_pages import enter, open_draw
from tests.static.test_orders_page import ORDER
from tests.static.test_room_page import MAIN, NOW_MS, RESERVATION, USER
from tests.static.test_teams_pages import open_group_buy

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

# More than any sheet has, so that the walk comes round.
STOPS = 14
# Where the focus is: in the sheet and ringed, on the sheet, at the browser's own bar, or lost.
WHERE = """sheet => {
  const one = document.activeElement;
  if (one === document.body) return 'browser';
  if (!one.closest(`${sheet} dialog`)) return `out: ${one.outerHTML}`;
  const style = getComputedStyle(one);
  if (one.matches('.sheet-body, dialog')) return 'sheet';
  const hasRing = style.outlineStyle === 'solid' && parseInt(style.outlineWidth) >= 2;
  return hasRing ? 'ring' : `bare: ${one.outerHTML}`;
}"""


async def walk(page: Page, sheet: str, opener: str, *, press: str | None = "Enter") -> None:
    """Open a sheet from what opens it, go round in it, and leave it by Escape."""
    await page.focus(opener)
    if press:
        await page.keyboard.press(press)
    await expect(page.locator(f"{sheet} dialog")).to_be_visible()
    assert await page.evaluate(WHERE, sheet) in {"ring", "sheet"}
    seen = []
    for _ in range(STOPS):
        await page.keyboard.press("Tab")
        seen.append(await page.evaluate(WHERE, sheet))
    assert set(seen) <= {"ring", "sheet", "browser"}
    assert "ring" in seen
    await page.keyboard.press("Escape")
    await expect(page.locator(f"{sheet} dialog")).to_be_hidden()
    assert await page.locator(opener).evaluate("one => one === document.activeElement")
    assert await page.locator("dialog[open]").count() == 0


async def test_bag_check_out_and_what_the_room_is(browser: Browser) -> None:
    async with room.open_room(browser) as (page, _):
        await walk(page, "#bag-sheet", "#bag-button")
        await walk(page, "#proof-sheet", "#host-open")
        await page.focus(MAIN)
        await page.keyboard.press("Enter")
        await room.wait_for_state(page, "held")
        await expect(page.locator(MAIN)).to_be_focused()
        await page.wait_for_timeout(400)  # So long the card ignores presses after an answer.
        await walk(page, "#checkout-sheet", MAIN)


async def test_a_wide_and_low_window_has_its_bag_in_a_sheet(browser: Browser) -> None:
    """Where the style sheet has no column for it."""
    async with room.open_room(browser, viewport={"width": 1200, "height": 470}) as (page, _):
        await walk(page, "#bag-sheet", "#bag-button")


async def test_the_name_is_asked_for_and_what_wanted_it_goes_on(browser: Browser) -> None:
    async with room.open_room(browser, user=None) as (page, _):
        await walk(page, "#name-sheet", "#like-button")
        await walk(page, "#name-sheet", MAIN)
        await page.keyboard.press("Enter")
        await expect(page.locator("#sign-in-name")).to_be_focused()
        await page.keyboard.type("Mika")
        await page.keyboard.press("Enter")
        await room.wait_for_state(page, "held")
        await expect(page.locator(MAIN)).to_be_focused()


async def test_the_teams(browser: Browser) -> None:
    async with open_group_buy(browser) as (page, host):
        host.open_team("t1", 2, "M***")
        more = "live-group-buy [data-ref=more]"
        await expect(page.locator(more)).to_be_visible()
        await walk(page, "#team-sheet", more)
        await page.keyboard.press("Enter")
        await page.locator("#team-sheet .team-list button").focus()
        await page.keyboard.press("Enter")
        # The button is gone with its list; the focus stays in the sheet.
        await expect(page.locator("#team-sheet [data-ref=pay]")).to_be_visible()
        assert await page.evaluate(WHERE, "#team-sheet") != "browser"
        await page.keyboard.press("Escape")
        await walk(page, "#team-sheet", more)


async def test_how_it_was_drawn(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        await enter(page)
        draw.lose(waiting=None)
        await room.wait_for_state(page, "lost")
        await walk(page, "#draw-sheet", ".card-how")


async def test_what_opens_by_itself_gives_the_focus_back(browser: Browser) -> None:
    """One's turn and a receipt come while somebody writes: after them the line goes on."""

    class Till(room.Server):
        async def answer_call(self, route: Route, method: str, path: str) -> None:
            if path.startswith("/api/orders/"):
                await route.fulfill(json={"order": PAID})
            else:
                await super().answer_call(route, method, path)

    server = Till(user=USER, language="en")
    async with room.open_room(browser, server=server) as (page, _):
        await page.focus("#chat-field")
        await page.keyboard.type("half a li")
        offer = {"reservation": RESERVATION | {"offer": True}, "entry": "w1", "waiting": 3}
        server.send(["D", "offer.made", offer])
        await walk(page, "#chance-sheet", "#chat-field", press=None)
        server.send(["D", "order.paid", {"order": {"id": "o1"}}])
        await expect(page.locator("#receipt-sheet dialog")).to_be_visible()
        await page.get_by_role("button", name="Back to the show").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#chat-field")).to_be_focused()
        await page.keyboard.type("ne")
        assert await page.input_value("#chat-field") == "half a line"


PAID: dict[str, Any] = ORDER | {"state": "paid", "paid_at_ms": NOW_MS}
