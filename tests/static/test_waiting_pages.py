"""The waiting list in the room's real page: in line, moving up, one's turn, passed on, closed.

Invariant: no server runs; every call of the page is remembered, so that polling would be seen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_room_page import (
    CARD,
    FLASH_ID,
    MAIN,
    RESERVATION,
    STILL,
    Server,
    open_room,
    pass_time,
    wait_for_state,
)
from tests.support.axe import find_faults
from tests.support.browser import wait_for

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route, WebSocketRoute

pytestmark = pytest.mark.pages

ENTRY = {"id": "e1", "sale": FLASH_ID, "qty": 1, "state": "waiting", "place": 4, "waiting": 4}
OFFER = RESERVATION | {"id": "h9", "expires_in_ms": 84_000}
CHANCE = "#chance-sheet dialog"
PASS = "#chance-sheet [data-ref=pass]"
PAY = "#chance-sheet [data-ref=pay]"
# For so long the sheet ignores presses that were meant for what lay below it.
DEAF_MS = 400
# For so long the card says that a unit came back.
NOTE_MS = 5_000


class List:
    """A waiting list behind the room's stand-in server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.entries: list[dict[str, Any]] = []
        self.refusal: dict[str, Any] | None = None
        self.joins: list[str] = []
        self.version = 100
        self._answer_call, self._take = server.answer_call, server.take
        server.answer_call = self.answer_call  # type: ignore[method-assign]
        server.take = self.take  # type: ignore[method-assign]

    async def answer_call(self, route: Route, method: str, path: str) -> None:
        if (method, path) == ("GET", "/api/waiting-list"):
            self.server.calls.append((method, path, ""))
            await route.fulfill(json={"entries": self.entries})
        elif method == "DELETE":
            self.server.calls.append((method, path, ""))
            self.server.held, self.entries = [], []
            await route.fulfill(json={})
        else:
            await self._answer_call(route, method, path)

    def take(self, socket: WebSocketRoute, frame: list[Any]) -> None:
        if frame[0] != "q" or frame[2] != "join_waiting_list":
            self._take(socket, frame)
            return
        self.joins.append(frame[4])
        if self.refusal:
            socket.send(json.dumps(["e", frame[1], self.refusal]))
            return
        self.entries = [ENTRY]
        socket.send(json.dumps(["r", frame[1], {"entry": ENTRY}]))

    def say(self, stock: list[int], waiting: list[int]) -> None:
        """Tell the room its stock and its line."""
        self.version += 1
        keys = {f"stock:{FLASH_ID}": stock, f"waiting:{FLASH_ID}": waiting}
        self.server.send(["K", 7, {key: [self.version, value] for key, value in keys.items()}])

    def offer(self, waiting: int = 3) -> None:
        """Let it be this person's turn."""
        self.server.held = [OFFER]
        self.entries = [ENTRY | {"state": "offered", "reservation": "h9", "place": None}]
        self.server.send(["D", "offer.made", {"reservation": OFFER, "entry": "e1", "waiting": 3}])
        self.say([0, 8, 92], [waiting, 1])

    def asked(self) -> int:
        """Return how often the page has asked for its entries."""
        return [path for _, path, _ in self.server.calls].count("/api/waiting-list")


@asynccontextmanager
async def open_held_out(
    browser: Browser, **options: Any
) -> AsyncIterator[tuple[Page, Server, List]]:
    """Yield a room whose units are all held, with three people in line."""
    async with open_room(browser, **options) as (page, server):
        line = List(server)
        line.say([0, 8, 92], [3, 0])
        await wait_for_state(page, "refused-held_out")
        yield page, server, line


async def join(page: Page) -> None:
    await page.click(MAIN)
    await wait_for_state(page, "waiting")


async def test_who_is_held_out_joins_and_leaves(browser: Browser) -> None:
    async with open_held_out(browser) as (page, server, line):
        assert await page.inner_text(MAIN) == "Join the waiting list · 4th in line"
        assert "No one can pay to skip." in await page.inner_text(CARD)
        await join(page)
        assert "You are 4th in line" in await page.inner_text(CARD)
        assert await page.inner_text("#own-news") == "You are 4th in line"
        await page.wait_for_timeout(DEAF_MS)
        await page.get_by_role("button", name="Leave the list").click()
        await wait_for_state(page, "refused-held_out")
        await wait_for(page, lambda: ("DELETE", "/api/waiting-list/e1", "") in server.calls)
        assert len(line.joins) == 1
        assert line.joins[0]


async def test_a_place_is_asked_for_only_when_the_line_moves(browser: Browser) -> None:
    async with open_held_out(browser) as (page, _, line):
        await join(page)
        asked = line.asked()
        for count in (5, 6, 7, 8):
            line.say([0, 8, 92], [count, 0])
        # Longer than the fourth in line would wait before asking.
        await page.wait_for_timeout(5_500)
        assert line.asked() == asked
        line.entries = [ENTRY | {"place": 2}]
        for count in (7, 6, 5, 4, 3):
            line.say([0, 8, 92], [count, 0])
        # Nobody is further back than the line is long: that needs no question.
        await page.locator(CARD).get_by_text("You are 3rd in line").wait_for()
        await page.locator(CARD).get_by_text("You are 2nd in line").wait_for()
        assert line.asked() == asked + 1


def count_reads(server: Server) -> dict[str, int]:
    """Return how often the page has read its own things, by path."""
    return Counter(path for method, path, _ in server.calls if method == "GET")


async def come_back(page: Page, server: Server) -> None:
    """Lose the line and come back; what one holds is asked for each time."""
    before, reads = len(server.sockets), count_reads(server)["/api/reservations"]
    server.send(["b", 4200, 10])
    await server.sockets[-1].close(code=4200)
    await wait_for(page, lambda: len(server.sockets) > before)
    await wait_for(page, lambda: count_reads(server)["/api/reservations"] > reads)
    assert len(server.sockets) == before + 1
    await page.wait_for_timeout(100)


async def come_back_and_ask(page: Page, server: Server, line: List) -> None:
    """Lose the line and come back; one's place is asked for as well, once."""
    asked = line.asked()
    await come_back(page, server)
    await wait_for(page, lambda: line.asked() > asked)
    assert line.asked() == asked + 1


async def test_who_waits_for_nothing_asks_for_no_place(browser: Browser) -> None:
    """A room that comes back as one asks for what it holds, and for no place in a line."""
    async with open_room(browser) as (page, server):
        List(server)
        for _ in range(5):
            await come_back(page, server)
        reads = count_reads(server)
    assert reads["/api/reservations"] >= 6
    assert reads["/api/waiting-list"] == 0


async def test_others_who_wait_cost_nothing_to_who_comes_back(browser: Browser) -> None:
    async with open_held_out(browser) as (page, server, line):
        for _ in range(5):
            await come_back(page, server)
        assert line.asked() == 0


async def test_who_waits_asks_at_every_return_and_after_a_reload(browser: Browser) -> None:
    """Also while the room as the page came says nothing of a line."""
    async with open_held_out(browser) as (page, server, line):
        await join(page)
        for _ in range(2):
            await come_back_and_ask(page, server, line)
        await page.reload()
        await wait_for_state(page, "waiting")
        line.entries = []
        await come_back(page, server)
        await page.wait_for_selector(f"{CARD}:not([data-state=waiting])")
        asked = line.asked()
        for _ in range(2):
            await come_back(page, server)
        assert line.asked() == asked


async def test_units_that_came_free_meanwhile_are_asked_for(browser: Browser) -> None:
    async with open_held_out(browser) as (page, server, line):
        line.refusal = {"code": "not_held_out", "message": "", "retryable": True}
        await page.click(MAIN)
        await wait_for_state(page, "held")
        assert len(server.reserve_keys()) == 1


async def test_a_full_list_is_said_in_words(browser: Browser) -> None:
    async with open_held_out(browser) as (page, _, line):
        line.refusal = {"code": "list_full", "message": "", "detail": {"waiting": 5_000}}
        await page.click(MAIN)
        await page.locator(CARD).get_by_text("The waiting list is full").wait_for()
        assert "5,000 people wait already" in await page.inner_text(CARD)


async def test_ones_turn_comes_up_once_and_survives_a_reload(browser: Browser) -> None:
    async with open_held_out(browser, script=STILL) as (page, server, line):
        await join(page)
        line.offer()
        await page.locator(CHANCE).wait_for()
        assert "One came back and is yours for 1:24" in await page.inner_text(CHANCE)
        assert await page.inner_text(PASS) == "No thanks, pass it on (3 waiting)"
        assert "Your turn. One came back" in await page.inner_text("#own-news")
        assert "Your turn" in await page.title()
        await page.reload()
        await page.locator(CHANCE).wait_for()
        await page.keyboard.press("Escape")
        await page.locator(CHANCE).wait_for(state="hidden")
        await wait_for_state(page, "offered")
        assert "Still yours." in await page.inner_text("#news")
        await page.reload()
        await wait_for_state(page, "offered")
        assert not await page.locator(CHANCE).is_visible()
        assert ("DELETE", "/api/reservations/h9", "") not in server.calls


async def test_an_offer_is_passed_on(browser: Browser) -> None:
    async with open_held_out(browser, script=STILL) as (page, server, line):
        await join(page)
        line.offer()
        await page.locator(CHANCE).wait_for()
        # A press on its way to the card means nothing here.
        await page.evaluate(f"document.querySelector('{PASS}').click()")
        await page.wait_for_timeout(DEAF_MS)
        assert ("DELETE", "/api/reservations/h9", "") not in server.calls
        await pass_time(page, DEAF_MS)
        await page.click(PASS)
        await wait_for_state(page, "let-go")
        assert "It goes to the next in line." in await page.inner_text(CARD)
        await wait_for(page, lambda: ("DELETE", "/api/reservations/h9", "") in server.calls)


async def test_an_offer_is_paid_like_any_hold(browser: Browser) -> None:
    async with open_held_out(browser, language="zh") as (page, _, line):
        await join(page)
        line.offer(waiting=0)
        await page.locator(CHANCE).wait_for()
        assert await page.inner_text(PASS) == "不要了，放弃这一件"
        await page.wait_for_timeout(DEAF_MS)
        await page.click(PAY)
        await page.locator("#checkout-sheet dialog").wait_for()
        assert not await page.locator(CHANCE).is_visible()


async def test_an_offer_that_ran_out_says_that_nothing_was_charged(browser: Browser) -> None:
    async with open_held_out(browser) as (page, server, line):
        await join(page)
        line.offer()
        await page.locator(CHANCE).wait_for()
        server.held, line.entries = [], []
        server.send(["D", "reservation.expired", {"reservation": "h9", "sale": FLASH_ID}])
        await wait_for_state(page, "gone")
        assert not await page.locator(CHANCE).is_visible()
        assert "Your hold has ended" in await page.inner_text("#own-news")
        assert "Join the waiting list" in await page.inner_text(MAIN)


async def test_a_line_that_closes_says_why(browser: Browser) -> None:
    async with open_held_out(browser) as (page, server, line):
        await join(page)
        line.say([0, 0, 100], [0, 0])
        closed = {"entry": "e1", "sale": FLASH_ID, "reason": "sold_out"}
        server.send(["D", "waiting.closed", closed])
        await wait_for_state(page, "refused-sold_out")
        assert "The waiting list has closed" in await page.inner_text(CARD)
        assert "none can come back" in await page.inner_text("#own-news")


async def test_the_room_hears_that_one_came_back_once_in_a_while(browser: Browser) -> None:
    async with open_held_out(browser, script=STILL) as (page, _, line):
        line.say([0, 8, 92], [2, 1])
        note = page.locator(f"{CARD} .card-note")
        await note.get_by_text("One came back and went to the next in line.").wait_for()
        assert "One came back" in await page.inner_text("#news")
        await page.evaluate("document.querySelector('#news').textContent = ''")
        line.say([0, 8, 92], [1, 2])
        await pass_time(page, NOTE_MS)
        await note.get_by_text("No one can pay to skip.").wait_for()
        assert await page.inner_text("#news") == ""


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_sheet_and_the_line_fit(browser: Browser, language: str) -> None:
    async with open_held_out(browser, language=language) as (page, _, line):
        await join(page)
        for width in (320, 390, 820, 1440):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
        line.offer()
        await page.locator(CHANCE).wait_for()
        for width in (320, 390, 820, 1440):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.wait_for_timeout(400)
            box = await page.locator(PASS).bounding_box()
            assert box is not None
            assert box["height"] >= 44
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


async def test_the_line_and_the_sheet_have_no_serious_fault(browser: Browser) -> None:
    async with open_held_out(browser) as (page, _, line):
        await join(page)
        faults = await find_faults(page)
        line.offer()
        await page.locator(CHANCE).wait_for()
        await page.wait_for_timeout(DEAF_MS)
        faults += await find_faults(page)
    assert faults == []
