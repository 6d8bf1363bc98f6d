"""The strips above the card on a phone: whatever is on at once, the host's face stays free."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.static import test_room_page as room
from tests.static.test_coupon_halt_pages import CouponRoom
from tests.static.test_room_page import NOW_MS
from tests.static.test_teams_pages import make_campaign

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.pages

LONG = "Ten times too much off, sorry. " * 3
# The face ends at 38 % of the stage; the chin may touch a strip on the smallest phones.
FACE_PART = 0.3
BOXES = """() => ['live-drop', 'live-group-buy', '.card', '.chat-scroll'].map((part) => {
  const { top, bottom } = document.querySelector(part).getBoundingClientRect();
  return [top, bottom];
})"""


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_stopped_coupon_and_a_team_leave_the_face_free(
    browser: Browser, language: str
) -> None:
    """Beside a tall card each is short, and nothing of the chat lies over them."""
    server = CouponRoom(language)
    async with room.open_room(browser, language=language, server=server) as (page, _):
        await page.set_viewport_size({"width": 360, "height": 740})
        server.send(["S", 8, [["group_buy.opened", {"sale": make_campaign()}, NOW_MS]]])
        server.send(["S", 9, [["coupon.halted", {"coupon": "c1", "reason": LONG}, NOW_MS]]])
        await expect(page.locator("live-group-buy")).to_be_visible()
        await expect(page.locator("live-drop .drop-note")).to_contain_text("Ten times")
        state = await page.get_attribute(".card", "data-state")
        drop, team, card, chat = await page.evaluate(BOXES)
        price = await page.inner_text("live-group-buy [data-ref=price]")
    assert state == "open"
    assert drop[0] >= 740 * FACE_PART
    assert chat[1] <= drop[0] < drop[1] <= team[0] < team[1] <= card[0]
    assert "249" in price
