"""My orders in Chromium: what one waits for, one's place, and the way out of the line.

Invariant: no server runs; every call of the page is remembered.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from server.routes.pages import CONTENT_SECURITY_POLICY
from tests.static.test_room_page import FLASH_ID, ROOT, SITE, STATIC, USER, make_state
from tests.support.browser import wait_until
from tests.support.page_server import answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

ENTRY = {
    "id": "e1",
    "sale": FLASH_ID,
    "qty": 1,
    "state": "waiting",
    "place": 4,
    "waiting": 6,
    "room": "demo",
}
OFFERED = ENTRY | {"id": "e2", "state": "offered", "place": None, "reservation": "h9"}
ROW = ".waiting-row"


class Server:
    """Answers the page; a number is a status without a body.

    `answers` are by method and path, those with a query before those without.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.told: list[tuple[str, str, str]] = []
        self.answers: dict[str, Any] = {
            "GET /api/orders": {"orders": []},
            "GET /api/reservations": {"reservations": []},
            "GET /api/waiting-list": {"entries": [ENTRY, OFFERED]},
            "GET /api/coupons": {"claims": []},
            "POST /api/quotes": 404,
            "GET /api/rooms/demo": make_state(),
            "DELETE /api/waiting-list/e1": {"entry": ENTRY | {"state": "left"}},
        }

    def render(self) -> str:
        texts = json.loads((STATIC / "i18n" / f"{self.language}.json").read_text("utf-8"))
        pages = Environment(
            loader=FileSystemLoader(STATIC / "html"), autoescape=True, undefined=StrictUndefined
        )
        language = "zh-Hans" if self.language == "zh" else "en"
        return pages.get_template("orders.html").render(
            lang=self.language, html_lang=language, t=texts, user=USER
        )

    async def answer(self, route: Route) -> None:
        request = route.request
        path = urlsplit(request.url).path
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        if path == "/orders":
            await route.fulfill(body=self.render(), content_type="text/html", headers=headers)
        elif path.startswith("/static/"):
            kind = mimetypes.guess_type(path)[0] or "text/plain"
            kind = "text/javascript" if path.endswith(".js") else kind
            await route.fulfill(body=(ROOT / path[1:]).read_bytes(), content_type=kind)
        else:
            key = request.headers.get("idempotency-key", "")
            self.told.append((request.method, path, key))
            query = f"{request.method} {path}?{urlsplit(request.url).query}"
            given = self.answers.get(query, self.answers.get(f"{request.method} {path}"))
            status = given if isinstance(given, int) else 200
            await route.fulfill(status=status, json={} if isinstance(given, int) else given)


@asynccontextmanager
async def open_orders(
    browser: Browser, language: str = "en", **answers: Any
) -> AsyncIterator[tuple[Page, Server]]:
    """Yield the page and its server; a breach of the security policy or a script error fails."""
    complaints: list[str] = []
    server = Server(language)
    server.answers |= answers
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    page = await context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await answer_page(page, server.answer)
    await page.goto(f"{SITE}/orders")
    await page.locator(ROW).first.wait_for()
    yield page, server
    await context.close()
    assert complaints == []


async def test_a_place_in_line_is_shown_and_left(browser: Browser) -> None:
    async with open_orders(browser) as (page, server):
        assert await page.locator(ROW).count() == 1
        said = await page.inner_text(ROW)
        await page.get_by_role("button", name="Leave the list").click()
        await page.locator(ROW).get_by_text("You have left the list.").wait_for()
        left = [told for told in server.told if told[0] == "DELETE"]
    assert "No. 3 Kiln-change tea bowl" in said
    assert "You are 4th in line" in said
    assert [path for _, path, _ in left] == ["/api/waiting-list/e1"]
    assert left[0][2]


async def test_leaving_that_failed_can_be_pressed_again(browser: Browser) -> None:
    async with open_orders(browser, **{"DELETE /api/waiting-list/e1": 503}) as (page, server):
        leave = page.get_by_role("button", name="Leave the list")
        await leave.click()
        await page.locator(ROW).get_by_text("That did not work. Try again.").wait_for()
        server.answers["DELETE /api/waiting-list/e1"] = {"entry": {}}
        await leave.click()
        await page.locator(ROW).get_by_text("You have left the list.").wait_for()
        keys = {key for method, _, key in server.told if method == "DELETE"}
    assert len(keys) == 1


async def test_a_room_that_cannot_be_read_leaves_the_place(browser: Browser) -> None:
    async with open_orders(browser, **{"GET /api/rooms/demo": 404}) as (page, _):
        assert "You are 4th in line" in await page.inner_text(ROW)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_place_in_line_fits(browser: Browser, language: str) -> None:
    async with open_orders(browser, language) as (page, _):
        for width in (320, 390, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            box = await page.locator(f"{ROW} button").bounding_box()
            assert box is not None
            assert box["height"] >= 44
            picture = await page.locator(f"{ROW} .good-picture").bounding_box()
            assert picture is not None
            assert picture["width"] == picture["height"] == 60


DRAWN_LINE = {
    "sku": "tea-bowl",
    "title": "Kiln-change tea bowl",
    "picture": None,
    "no": 3,
    "qty": 1,
    "unit_price_minor": 19_900,
    "reservation": "h1",
    "sale": FLASH_ID,
    "origin": "draw",
}
ORDER: dict[str, Any] = {
    "id": "o1",
    "state": "cancelled",
    "total_minor": 19_900,
    "currency": "CNY",
    "created_at_ms": 1_795_346_577_966,
    "paid_at_ms": None,
    "room": "demo",
    "lines": [DRAWN_LINE],
}
MINE = f"GET /api/sales/{FLASH_ID}/entries/mine"


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "Drawn: place 12 of 4,031"), ("zh", "抽签第 12 位，共 4,031 人")],
)
async def test_an_order_says_its_place_in_the_draw(
    browser: Browser, language: str, said: str
) -> None:
    pressed = ORDER | {"id": "o2", "lines": [DRAWN_LINE | {"origin": "walk_in", "sale": "s2"}]}
    receipt = {"entry": "n1", "sale": FLASH_ID, "state": "won", "rank": 12, "of": 4_031}
    orders = {"orders": [ORDER, ORDER | {"id": "o3"}, pressed]}
    answers = {"GET /api/orders": orders, MINE: receipt}
    async with open_orders(browser, language, **answers) as (page, server):
        await page.locator(".order-card").get_by_text(said).first.wait_for()
        assert await page.locator("[data-drawn]").count() == 2
        asked = [path for _, path, _ in server.told if "entries" in path]
    assert asked == [f"/api/sales/{FLASH_ID}/entries/mine"]


async def test_a_receipt_that_cannot_be_read_leaves_the_word(browser: Browser) -> None:
    answers = {"GET /api/orders": {"orders": [ORDER]}, MINE: 503}
    async with open_orders(browser, **answers) as (page, _):
        assert await page.locator("[data-drawn]").inner_text() == "Came by a draw"


def page_of(first: int, count: int) -> dict[str, Any]:
    """Return a page of orders, numbered from `first`."""
    return {"orders": [ORDER | {"id": f"o{first + n}", "lines": []} for n in range(count)]}


OLDER = {
    "GET /api/orders": page_of(0, 200),
    "GET /api/orders?before=o199": page_of(200, 200),
    "GET /api/orders?before=o399": page_of(400, 3),
}


@pytest.mark.parametrize(
    ("language", "button", "end"),
    [
        ("en", "Older orders", "These are all your orders."),
        ("zh", "更早的订单", "订单都在这里了"),
    ],
)
async def test_older_orders_are_read_page_by_page(
    browser: Browser, language: str, button: str, end: str
) -> None:
    """By keyboard: what is shown stays put, and the focus goes on at the first that came."""
    async with open_orders(browser, language, **OLDER) as (page, _):
        cards = page.locator(".order-card")
        await page.get_by_role("button", name=button).focus()
        place = await page.evaluate("scrollY")
        await page.keyboard.press("Enter")
        await page.locator("[href='/orders/o399']").wait_for()
        assert await page.evaluate("document.activeElement.getAttribute('href')") == "/orders/o200"
        assert await page.evaluate("scrollY") == place
        await page.get_by_role("button", name=button).click()
        await page.get_by_text(end).wait_for()
        assert await cards.count() == 403
        assert not await page.get_by_role("button", name=button).is_visible()
        assert await page.evaluate("document.activeElement.getAttribute('href')") == "/orders/o400"
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_older_orders_that_cannot_be_read_are_asked_for_again(browser: Browser) -> None:
    failing = OLDER | {"GET /api/orders?before=o199": 503}
    async with open_orders(browser, **failing) as (page, server):
        older = page.get_by_role("button", name="Older orders")
        await older.click()
        await page.get_by_text("They could not be read. Press again.").wait_for()
        server.answers |= OLDER
        await older.click()
        await page.locator("[href='/orders/o200']").wait_for()


async def test_whoever_comes_back_finds_the_list_as_it_was_left(browser: Browser) -> None:
    async with open_orders(browser, **OLDER) as (page, _):
        await page.get_by_role("button", name="Older orders").click()
        await page.locator("[href='/orders/o250']").scroll_into_view_if_needed()
        place = await page.evaluate("scrollY")
        await wait_until(page, "place => history.state?.y === place", arg=place)
        await page.reload()
        await page.locator("[href='/orders/o399']").wait_for()
        await wait_until(page, "place => scrollY === place", arg=place)


@pytest.mark.parametrize(("language", "heading"), [("en", "Orders"), ("zh", "订单")])
async def test_orders_below_what_one_waits_for_have_a_heading(
    browser: Browser, language: str, heading: str
) -> None:
    async with open_orders(browser, language, **{"GET /api/orders": page_of(0, 1)}) as (page, _):
        headings = await page.locator("#orders h2").all_inner_texts()
    assert headings[-1] == heading
    assert len(headings) == 2


async def test_a_short_list_has_no_older_orders(browser: Browser) -> None:
    async with open_orders(browser, **{"GET /api/orders": page_of(0, 199)}) as (page, _):
        await page.locator("[href='/orders/o198']").wait_for()
        assert not await page.get_by_role("button", name="Older orders").is_visible()


HELD = {"id": "h1", "sale": FLASH_ID, "qty": 2, "unit_price_minor": 19_900, "currency": "CNY"}
HELD |= {"expires_in_ms": 200_000, "state": "held", "room": "demo"}


@pytest.mark.parametrize(
    ("language", "what"), [("en", "No. 3 Kiln-change tea bowl × 2"), ("zh", "3 号 窑变天目盏 × 2")]
)
async def test_a_hold_says_what_it_is_of_beside_a_button_that_stands_out(
    browser: Browser, language: str, what: str
) -> None:
    answers = {"GET /api/reservations": {"reservations": [HELD]}}
    async with open_orders(browser, language, **answers) as (page, _):
        await page.emulate_media(color_scheme="light")
        row = page.locator("[data-hold=h1]")
        assert what in await row.inner_text()
        ground = "one => getComputedStyle(one).backgroundColor.match(/\\d+/g).map(Number)"
        button = await row.locator("[data-pay]").evaluate(ground)
        assert sum(await row.evaluate(ground)) > 700
        assert sum(button) < 200
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
