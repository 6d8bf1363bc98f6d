"""A sale that is drawn, in the room's real page: enter, take back, drawn, held, lost, checked.

Invariant: no server runs; every frame and call of the page is remembered.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_room_page import (
    CARD,
    FLASH_ID,
    MAIN,
    NOW_MS,
    RESERVATION,
    STILL,
    Server,
    make_state,
    open_room,
    pass_time,
    wait_for_state,
)
from tests.support.axe import find_faults

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route, WebSocketRoute

pytestmark = pytest.mark.pages

ENTRY = {"id": "n1", "sale": FLASH_ID, "qty": 1, "state": "entered"}
RECEIPT = {"entry": "n1", "sale": FLASH_ID, "qty": 1, "state": "entered", "rank": None, "of": None}
MINE = f"/api/sales/{FLASH_ID}/entries/mine"
CLOSES_MS = NOW_MS + 100_000
TOLD = {"seed": "5eed", "digest": "d19e", "entries": 4_031, "winners": 10}
PROMISE = {"en": "In the order drawn", "zh": "先按抽签顺序"}
TITLE, NOTE = (f"{CARD} [data-ref=message-{part}]" for part in ("title", "note"))
ROW = "live-bag .bag-row[aria-current]"
DEAF_MS = 400  # So long the card ignores presses that were meant for what it was before.


class Draw:
    """A draw behind the room's stand-in server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.mine: dict[str, Any] | None = None
        self.refusal: dict[str, Any] | None = None
        self.late: dict[str, Any] | None = None
        self.line: list[dict[str, Any]] = []
        self.wishes: list[list[Any]] = []
        self.offset = 7
        self._answer_call, self._take = server.answer_call, server.take
        server.answer_call = self.answer_call  # type: ignore[method-assign]
        server.take = self.take  # type: ignore[method-assign]

    async def answer_call(self, route: Route, method: str, path: str) -> None:
        if path == MINE:
            self.server.calls.append((method, path, ""))
            if method == "DELETE" and self.late:
                await route.fulfill(status=409, json={"error": self.late})
                return
            if self.mine is None:
                await route.fulfill(json={"entry": None})
                return
            await route.fulfill(json=self.mine)
            if method == "DELETE":
                self.mine = None
        elif path == "/api/waiting-list":
            self.server.calls.append((method, path, ""))
            await route.fulfill(json={"entries": self.line})
        else:
            await self._answer_call(route, method, path)

    def take(self, socket: WebSocketRoute, frame: list[Any]) -> None:
        if frame[0] != "q" or frame[2] != "enter_draw":
            self._take(socket, frame)
            return
        self.wishes.append(frame)
        if self.refusal:
            socket.send(json.dumps(["e", frame[1], self.refusal]))
            return
        self.mine = RECEIPT
        socket.send(json.dumps(["r", frame[1], {"entry": ENTRY}]))

    def arm(self, **change: Any) -> None:
        """Arm the sale anew, to be drawn."""
        draw = {"commit": "c0ff", "entry_closes_at_ms": CLOSES_MS, "entries": 1}
        sale = make_state()["sales"][-1] | {"fairness": "draw", "draw": draw} | change
        sale["stock"] = change.get("stock", [10, 0, 0])
        self.say("flash.armed", {"sale": sale})

    def say(self, event: str, payload: dict[str, Any]) -> None:
        """Tell the room an event."""
        self.offset += 1
        self.server.send(["S", self.offset, [[event, payload, NOW_MS]]])

    def draw(self, stock: list[int]) -> None:
        """Let the sale be drawn."""
        self.say("flash.drawn", {"sale": FLASH_ID, **TOLD})
        self.server.send(["K", 7, {f"stock:{FLASH_ID}": [500, stock]}])

    def win(self) -> None:
        """Let this person be drawn."""
        self.server.held = [RESERVATION]
        self.mine = RECEIPT | {"state": "won", "rank": 7, "of": 4_031, "reservation": "h1"}
        won = {"reservation": RESERVATION, "entry": "n1", "rank": 7, "of": 4_031}
        self.server.send(["D", "draw.won", won])
        self.draw([0, 10, 0])

    def lose(self, waiting: int | None) -> None:
        """Let this person not be drawn."""
        self.mine = RECEIPT | {"state": "lost", "rank": 12, "of": 4_031}
        lost = {"sale": FLASH_ID, "entry": "n1", "rank": 12, "of": 4_031, "waiting": waiting}
        self.server.send(["D", "draw.lost", lost])
        self.draw([0, 10, 0])

    def asked(self) -> int:
        """Return how often the page has asked for its own entry."""
        return [call[:2] for call in self.server.calls].count(("GET", MINE))


@asynccontextmanager
async def open_draw(browser: Browser, **options: Any) -> AsyncIterator[tuple[Page, Draw]]:
    """Yield a room whose sale is drawn and takes entries."""
    async with open_room(browser, **options) as (page, server):
        draw = Draw(server)
        draw.arm()
        await wait_for_state(page, "enter")
        yield page, draw


async def enter(page: Page) -> None:
    await page.click(MAIN)
    await wait_for_state(page, "entered")
    await page.wait_for_timeout(DEAF_MS)


async def has_buy_button(page: Page) -> bool:
    acts = f"{CARD} [data-act=buy], {ROW} [data-act=buy]"
    return await page.locator(acts).count() > 0


@pytest.mark.parametrize(
    ("language", "button", "title", "count", "back"),
    [
        ("en", "Enter the draw", "You are in. Drawn at ", "4,031 people", "Withdraw"),
        ("zh", "参加抽签", "已报名，", "4,031 人已报名", "撤回报名"),
    ],
)
async def test_people_enter_and_take_their_entry_back(
    browser: Browser, language: str, button: str, title: str, count: str, back: str
) -> None:
    async with open_draw(browser, language=language) as (page, draw):
        assert await page.inner_text(MAIN) == button
        assert not await has_buy_button(page)
        await enter(page)
        assert title in await page.inner_text(TITLE)
        assert title in await page.inner_text("#own-news")
        draw.server.send(["K", 7, {f"entries:{FLASH_ID}": [3, 4_031]}])
        await page.locator(NOTE, has_text=count).wait_for()
        assert not await has_buy_button(page)
        await page.get_by_role("button", name=back, exact=True).click()
        await wait_for_state(page, "enter")
        await page.wait_for_timeout(DEAF_MS)
        await enter(page)
    first, second = draw.wishes
    assert first[3] == second[3] == {"sale": FLASH_ID, "qty": 1}
    assert first[4]
    assert first[4] != second[4]
    assert ("DELETE", MINE, "") in draw.server.calls


async def test_the_keyboard_enters(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        await page.keyboard.press("b")
        await wait_for_state(page, "entered")
        await page.keyboard.press("b")
        assert len(draw.wishes) == 1


async def test_an_armed_draw_says_beforehand_that_it_is_one(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        draw.arm(state="armed", opens_at_ms=CLOSES_MS - 12_000, stock=[1, 0, 0])
        await wait_for_state(page, "armed")
        assert "Entries open" in await page.inner_text(MAIN)
        terms = await page.inner_text(f"{CARD} [data-ref=terms]")
        assert "Drawn among all who enter in the first 12 s · 1 piece ·" in terms


async def test_a_winner_holds_as_after_a_press(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        await enter(page)
        draw.win()
        await wait_for_state(page, "held")
        assert "Drawn: place 7 of 4,031" in await page.inner_text(CARD)
        assert await page.get_attribute(MAIN, "data-act") == "pay"
        assert "Reserved for you" in await page.inner_text("#own-news")
        await page.reload()
        await wait_for_state(page, "held")


async def test_a_press_on_its_way_as_one_is_drawn_gives_nothing_up(browser: Browser) -> None:
    """Where the bag's button was lies the one that lets the unit go."""
    async with open_draw(browser) as (page, draw):
        await enter(page)
        await page.evaluate("""() => {
          const card = document.querySelector('live-sale-card .card');
          new MutationObserver((_, observer) => {
            if (card.dataset.state !== 'held') return;
            observer.disconnect();
            card.querySelector('[data-ref=let-go]').click();
            window.wasPressed = true;
          }).observe(card, { attributes: true });
        }""")
        draw.win()
        await wait_for_state(page, "held")
        assert await page.evaluate("window.wasPressed")
        await page.wait_for_timeout(DEAF_MS)
        await wait_for_state(page, "held")
        assert [call for call in draw.server.calls if call[0] == "DELETE"] == []
        await page.locator(f"{CARD} [data-ref=let-go]").click()
        await page.wait_for_selector(f"{CARD}:not([data-state=held])")


@pytest.mark.parametrize(
    ("language", "place", "line"),
    [
        ("en", "Place 12 of 4,031", "You are 3rd in line"),
        ("zh", "第 12 位，共 4,031 人", "第 3 位"),
    ],
)
async def test_who_was_not_drawn_learns_place_and_line(
    browser: Browser, language: str, place: str, line: str
) -> None:
    async with open_draw(browser, language=language) as (page, draw):
        await enter(page)
        draw.line = [ENTRY | {"id": "w1", "state": "waiting", "place": 3, "waiting": 9}]
        draw.lose(waiting=3)
        await wait_for_state(page, "lost")
        assert await page.inner_text(TITLE) == place
        assert line in await page.inner_text(NOTE)
        assert await page.inner_text("#own-news") == place
        # The line is found within seconds, and can then be left.
        await wait_for_state(page, "waiting")
        assert await page.inner_text(TITLE) == place
        assert line in await page.inner_text(NOTE)
        assert PROMISE[language] in await page.inner_text(f"{CARD} [data-ref=note-text]")
        await page.wait_for_timeout(DEAF_MS)
        await page.locator(f"{CARD} [data-ref=let-go]").click()
        await wait_for_state(page, "lost")
        assert await page.get_attribute(MAIN, "data-act") == "join"


async def test_who_was_not_drawn_and_does_not_wait_may_join(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        await enter(page)
        draw.lose(waiting=None)
        await wait_for_state(page, "lost")
        assert "order drawn" in await page.inner_text(NOTE)
        assert "Join the waiting list" in await page.inner_text(MAIN)


async def test_after_closing_nothing_is_sold_until_the_draw(browser: Browser) -> None:
    async with open_draw(browser, script=STILL) as (page, draw):
        draw.arm(draw={"commit": "c0ff", "entry_closes_at_ms": NOW_MS + 1_500, "entries": 2})
        await enter(page)
        await pass_time(page, 1_500)
        await wait_for_state(page, "drawing")
        assert "Drawing…" in await page.inner_text(CARD)
        assert "yours is in" in await page.inner_text(NOTE)
        assert not await has_buy_button(page)
        # Units that nobody entered for are sold as any.
        draw.draw([4, 6, 0])
        await wait_for_state(page, "open")
        assert await page.get_attribute(MAIN, "data-act") == "buy"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "code", ["entries_closed", "draw_only", "not_a_draw", "already_entered", "permit_required"]
)
async def test_each_refusal_is_said_in_words(browser: Browser, language: str, code: str) -> None:
    async with open_draw(browser, language=language) as (page, draw):
        rule = {"rule": "present_s", "needed_s": 20} if code == "permit_required" else {}
        draw.refusal = {"code": code, "message": "", "retryable": True, "detail": rule}
        await page.click(MAIN)
        await wait_for_state(page, "refused-other")
        said = await page.inner_text(f"{CARD} [data-ref=message]")
        assert code not in said
        assert said != ""
        assert await page.get_attribute(MAIN, "data-act") == "enter"


async def test_an_entry_that_comes_back_too_late_stands(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        await enter(page)
        draw.late = {"code": "entries_closed", "message": "", "retryable": True}
        await page.locator(f"{CARD} [data-ref=let-go]").click()
        await wait_for_state(page, "refused-other")
        assert "Entries have closed" in await page.inner_text(TITLE)
        assert await page.get_attribute(MAIN, "data-act") == "see-bag"


async def test_a_sale_that_ends_undrawn_says_that_nothing_counts(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        await enter(page)
        closed = {"sale": FLASH_ID, "state": "ended", "ends_at_ms": NOW_MS}
        draw.say("flash.closed", closed)
        await wait_for_state(page, "refused-ended")
        assert "no entry counts" in await page.inner_text(NOTE)


async def test_the_bag_enters_and_takes_back(browser: Browser) -> None:
    async with open_draw(browser) as (page, draw):
        await page.click("#bag-button")
        row = page.locator(f"#bag-sheet {ROW}")
        assert "Draw, 1 has entered" in await row.inner_text()
        await row.get_by_role("button", name="Enter the draw for No.").click()
        await row.get_by_text("You are in. Drawn at ").wait_for()
        await row.get_by_role("button", name="Take back the entry").click()
        await row.get_by_role("button", name="Enter the draw for No.").wait_for()
        assert len(draw.wishes) == 1


@pytest.mark.parametrize(
    ("language", "place"),
    [("en", "Drawn: place 7 of 4,031"), ("zh", "抽签第 7 位，共 4,031 人")],
)
async def test_a_winners_receipt_says_the_place_in_the_draw(
    browser: Browser, language: str, place: str
) -> None:
    line = {"sku": "tea-bowl", "title": "Bowl", "qty": 1, "unit_price_minor": 19_900}
    line |= {"reservation": "h1", "sale": FLASH_ID, "no": 3, "origin": "draw"}
    order = {"id": "o1", "state": "paid", "total_minor": 19_900, "currency": "CNY"}
    order |= {"created_at_ms": NOW_MS, "paid_at_ms": NOW_MS, "room": "demo", "lines": [line]}
    async with open_draw(browser, language=language) as (page, draw):
        answer_call = draw.server.answer_call

        async def answer(route: Route, method: str, path: str) -> None:
            if path == "/api/orders/o1":
                await route.fulfill(json={"order": order})
            else:
                await answer_call(route, method, path)

        draw.server.answer_call = answer  # type: ignore[method-assign]
        await enter(page)
        draw.win()
        await wait_for_state(page, "held")
        draw.server.send(["D", "order.paid", {"order": {"id": "o1"}}])
        await page.locator("#receipt-sheet [data-drawn]", has_text=place).wait_for()


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_everybody_can_look_how_it_was_drawn(browser: Browser, language: str) -> None:
    async with open_draw(browser, language=language) as (page, draw):
        how = page.locator(f"{CARD} .card-how")
        assert not await how.is_visible()
        await enter(page)
        draw.lose(waiting=None)
        await how.click()
        sheet = page.locator("#draw-sheet dialog")
        await sheet.wait_for()
        said = await sheet.inner_text()
        for fact in ("4,031", "10", "c0ff", "5eed", "d19e", "n1"):
            assert fact in said
        assert f"draw.py http://hubbub.invalid {FLASH_ID} --entry n1" in said
        links = await sheet.locator("a").evaluate_all("all => all.map((a) => a.pathname)")
        assert links == [f"/api/sales/{FLASH_ID}/draw", "/static/verify/draw.py"]
        assert await find_faults(page) == []
        await page.keyboard.press("Escape")
        await sheet.wait_for(state="hidden")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_state_fits_and_has_no_serious_fault(browser: Browser, language: str) -> None:
    async with open_draw(browser, language=language) as (page, draw):

        async def check() -> None:
            for width in (320, 390, 820, 1440):
                await page.set_viewport_size({"width": width, "height": 800})
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
                for button in await page.locator(f"{CARD} button:visible").all():
                    box = await button.bounding_box()
                    assert box is not None
                    assert box["height"] >= 44
                    assert box["x"] + box["width"] <= width
            await page.wait_for_timeout(DEAF_MS)
            assert await find_faults(page) == []

        await check()
        await enter(page)
        await check()
        draw.lose(waiting=None)
        await wait_for_state(page, "lost")
        await check()
