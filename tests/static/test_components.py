"""Open the test sheet in Chromium: every component in every state, under the pages' strict CSP.

Invariant: no server runs; files are handed to the browser from the tree, and nothing else is.
"""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from server.routes.pages import CONTENT_SECURITY_POLICY
from tests.support.browser import wait_until
from tests.support.page_server import answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

ROOT = Path(__file__).parents[2]
SITE = "http://hubbub.invalid"
TARGET_PX = 44
DEAF_MS = 350
ROW_STATES = {"pinned", "soon", "none", "over"}


async def hand_out(route: Route) -> None:
    """Answer a request with a file of the tree."""
    path = ROOT / route.request.url.removeprefix(SITE).split("?")[0].split("#")[0].lstrip("/")
    if not path.is_file():
        await route.fulfill(status=404, body="")
        return
    kind = mimetypes.guess_type(path.name)[0] or "text/plain"
    await route.fulfill(
        body=path.read_bytes(),
        content_type="text/javascript" if path.suffix == ".js" else kind,
        headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY},
    )


@asynccontextmanager
async def open_sheet(browser: Browser, **options: Any) -> AsyncIterator[Page]:
    """Yield the test sheet; anything the browser complains about fails the test."""
    complaints: list[str] = []
    context = await browser.new_context(viewport={"width": 1200, "height": 900}, **options)
    page = await context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await answer_page(page, hand_out)
    await page.goto(f"{SITE}/tests/static/index.html")
    await wait_until(page, "window.sheet && window.sheet.isReady")
    # Elements draw in the next microtask; a frame later everything is in place.
    await page.evaluate("new Promise(requestAnimationFrame)")
    yield page
    await context.close()
    assert complaints == []


async def test_each_card_shows_its_state(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        shown = await page.evaluate(
            """() => [...document.querySelectorAll('[data-case]')].map((figure) =>
                 [figure.dataset.case, figure.querySelector('.card').dataset.state])"""
        )
    assert len(shown) == 26
    assert [case for case, state in shown if case != state] == []


async def test_each_card_says_something_and_offers_one_thing(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        cards = await page.evaluate(
            """() => [...document.querySelectorAll('[data-case]')].map((figure) => ({
                 name: figure.dataset.case,
                 title: figure.querySelector('.card-title').textContent,
                 message: figure.querySelector('.card-message').textContent,
                 button: figure.querySelector('.card-main').innerText,
                 lime: figure.querySelectorAll('.card-main[data-tone=lime]').length,
               }))"""
        )
    for card in cards:
        assert card["title"], card
        assert card["button"], card
        assert card["lime"] <= 1, card
        if card["name"].startswith("refused-") and card["name"] != "refused-not_open":
            assert card["message"], card


async def test_main_button_keeps_its_place(browser: Browser) -> None:
    """A thumb that waits presses the right thing: bottom edge and height never move."""
    async with open_sheet(browser) as page:
        places = await page.evaluate(
            """() => [...document.querySelectorAll('[data-case]')].map((figure) => {
                 const card = figure.querySelector('.card').getBoundingClientRect();
                 const main = figure.querySelector('.card-main').getBoundingClientRect();
                 return [figure.dataset.case, Math.round(card.bottom - main.bottom),
                         Math.round(main.height), Math.round(card.right - main.right)];
               })"""
        )
    full = {tuple(place) for case, *place in places if case not in ROW_STATES}
    assert len(full) == 1


async def test_a_press_is_told_with_its_sale(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        await page.evaluate(
            "document.addEventListener('live:card', (event) => (window.heard = event.detail))"
        )
        for case, act in [("open", "buy"), ("armed", "early"), ("held", "pay")]:
            await page.click(f"[data-case='{case}'] .card-main")
            assert await page.evaluate("window.heard") == {"act": act, "sale": "f"}
        await page.click("[data-case='held'] .card-let-go")
        assert await page.evaluate("window.heard.act") == "let-go"


async def test_a_double_tap_does_not_press_what_comes_after(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        acts = await page.evaluate(
            """async (deaf_ms) => {
                 const heard = [];
                 document.addEventListener('live:card', (event) => heard.push(event.detail.act));
                 const card = document.querySelector('[data-case="asking"] live-sale-card');
                 card.press();
                 card.facts = window.sheet.cards.held;
                 await null; await null;
                 card.press();
                 const early = heard.length;
                 await new Promise((resolve) => setTimeout(resolve, deaf_ms + 50));
                 card.press();
                 return [early, heard];
               }""",
            DEAF_MS,
        )
    assert acts == [0, ["pay"]]


async def test_text_of_people_stays_text(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        assert await page.locator("live-chat-list img, live-chat-list script").count() == 0
        assert "<script>" in await page.inner_text("live-chat-list")
        assert "<b>" in await page.inner_text("#banners")


async def test_reading_back_freezes_the_chat(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        await page.evaluate(
            """() => {
                 const { startFlow, lines } = window.sheet;
                 const many = Array.from({ length: 60 },
                   (_, i) => [`n${i}`, 'u', 'u', `line ${i}`, [], i]);
                 const list = document.querySelector('live-chat-list');
                 list.rows = startFlow([...lines, ...many.slice(0, 50)]).rows;
                 window.later = startFlow([...lines, ...many]).rows;
               }"""
        )
        await page.evaluate("document.querySelector('.chat-scroll').scrollTop = 40")
        # A frame tells the list that somebody scrolled; another, and it is through with that.
        await page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        await page.evaluate("document.querySelector('live-chat-list').rows = window.later")
        chip = page.locator(".chat-new")
        await chip.wait_for(state="visible")
        assert await chip.inner_text() == "10 new ↓"
        assert await page.evaluate("document.querySelector('.chat-scroll').scrollTop") == 40
        await page.evaluate(
            """() => {
                 const rows = window.later.map(
                   (row) => (row.id === 'n3' ? { ...row, state: 'removed' } : row));
                 document.querySelector('live-chat-list').rows = rows;
               }"""
        )
        assert "line 3\n" not in await page.inner_text(".chat-lines")
        await chip.click()
        assert "line 59" in await page.inner_text(".chat-line:last-child")
        assert not await chip.is_visible()


async def test_a_sheet_takes_the_focus_and_gives_it_back(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        await page.focus("#opener")
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.closest('dialog') !== null")
        await page.keyboard.press("Escape")
        assert await page.evaluate("document.activeElement.id") == "opener"
        assert not await page.evaluate("document.querySelector('#sheet').isOpen")


async def test_a_sheet_that_is_opened_again_at_once_is_not_ended_by_its_end(
    browser: Browser,
) -> None:
    """A dialog tells of its end a moment later, when the next question may be in it."""
    async with open_sheet(browser) as page:
        told = await page.evaluate(
            """async () => {
              const sheet = document.querySelector('live-sheet');
              const ends = [];
              sheet.addEventListener('live:sheet-closed', () => ends.push(sheet.isOpen));
              const isOver = () => new Promise((told) =>
                sheet.querySelector('dialog').addEventListener('close', told, { once: true }));
              sheet.open();
              let over = isOver();
              sheet.close();
              sheet.open();
              await over;
              over = isOver();
              sheet.close();
              await over;
              return ends;
            }"""
        )
    assert told == [False], "told once, of the end that was one"


async def test_a_refused_composer_keeps_what_was_typed(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        field = page.locator("live-composer:nth-of-type(3) input")
        await field.fill("still here")
        await field.press("Enter")
        assert await field.input_value() == "still here"


async def test_narrow_screens_need_no_sideways_scroll(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        for width in (320, 360):
            await page.set_viewport_size({"width": width, "height": 780})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_targets_are_large_enough(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        await page.set_viewport_size({"width": 360, "height": 780})
        small = await page.evaluate(
            """(least) => [...document.querySelectorAll('button, input, a')].filter((one) => {
                 const { width, height } = one.getBoundingClientRect();
                 return width > 0 && (height < least || width < least);
               }).map((one) => one.outerHTML)""",
            TARGET_PX,
        )
    assert small == []


async def test_bars_and_rings_have_words(browser: Browser) -> None:
    async with open_sheet(browser) as page:
        bar = page.locator("[data-case='open'] [role=img]").first
        names = await page.evaluate(
            """() => [...document.querySelectorAll('[data-case=open] [role=img]')]
                 .map((one) => one.ariaLabel)"""
        )
        assert "17 left, 42 held, 41 paid" in names
        assert await bar.count() == 1
        ring = page.locator("[data-case='held'] .ring-time")
        assert await ring.get_attribute("aria-label") == "Reserved for you, 4:52 left"


async def test_reduced_motion_keeps_the_sweep_still(browser: Browser) -> None:
    async with open_sheet(browser, reduced_motion="reduce") as page:
        duration = await page.evaluate(
            """() => getComputedStyle(document.querySelector('[data-case=asking] .card-main > i'))
                 .animationIterationCount"""
        )
    assert duration == "1"
