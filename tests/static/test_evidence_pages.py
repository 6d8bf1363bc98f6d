"""Evidence of an order in Chromium: on the console, and for the buyer on the order's own page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from server.routes.pages import CONTENT_SECURITY_POLICY
from tests.static.test_console_page import HOSTILE, NOW_MS, open_console
from tests.static.test_orders_page import Server
from tests.static.test_room_page import SITE, STATIC, USER
from tests.support.axe import find_faults
from tests.support.page_server import answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

AT = NOW_MS - 60_000
PATH = "/api/orders/o1/evidence"
TITLE = {"title": "Kiln-change tea bowl", "title_zh": "窑变天目盏"}
ORDER = {
    "id": "o1",
    "state": "paid",
    "total_minor": 19_900,
    "currency": "CNY",
    "created_at_ms": AT + 4_000,
    "paid_at_ms": AT + 9_000,
    "room": "demo",
    "lines": [
        {
            **TITLE,
            "sku": "demo-tea-bowl",
            "picture": "/static/img/goods/tea-bowl.svg",
            "qty": 1,
            "unit_price_minor": 19_900,
            "reservation": "r1",
            "sale": "s1",
            "no": 3,
        }
    ],
    "payment": {"id": "p1", "state": "captured", "url": None, "attempt": 1},
}
LINE = {
    **TITLE,
    "no": 3,
    "press": {
        "reservation": "r1",
        "at_ms": AT,
        "sale": "s1",
        "qty": 1,
        "origin": "walk_in",
        "asked_at_ms": None,
        "log_offset": 41,
        "stock": {"total": 20, "claimed": 17, "free": 3},
        "draw": None,
    },
    "pin": {
        "item": "i9",
        "no": 5,
        "title": "Tea towel",
        "title_zh": "茶巾",
        "since_ms": AT - 30_000,
        "is_this_item": False,
    },
    "card": {
        **TITLE,
        "at_ms": AT - 40_000,
        "sale": {
            "price_minor": 19_900,
            "normal_price_minor": 32_900,
            "stock": [20, 0, 0],
        },
    },
    "price": {"unit_price_minor": 19_900},
    "terms": {"version": 3, "fields": {"per_buyer": 1, "quantity": 20}},
    "events": [
        {"offset": 40, "at_ms": AT - 10_000, "type": "flash.opened", "payload": {}},
        {
            "offset": 41,
            "at_ms": AT - 5_000,
            "type": "announcement",
            "payload": {"text": "Blue ones only"},
        },
    ],
    "clip_at": {"show": "w1", "offset_ms": 900_000},
    "clip": None,
}
PAYMENT = {
    "id": "p1",
    "provider": "sandbox",
    "provider_ref": "sp_81",
    "amount_minor": 19_900,
    "state": "captured",
    "created_at_ms": AT + 4_000,
    "authorised_at_ms": AT + 8_000,
    "updated_at_ms": AT + 9_000,
}


def make_line(id: str, at_ms: int, name: str, text: str, **marks: Any) -> dict[str, Any]:
    """Return a line of chat as the bundle has it."""
    plain = {"user": name, "flags": [], "is_buyer": False, "is_host": False, "removed": None}
    return {"id": id, "at_ms": at_ms, "name": name, "text": text} | plain | marks


def make_bundle(view: str = "staff") -> dict[str, Any]:
    """Return the evidence of a paid order: another item was pinned when the button was pressed."""
    lines = [
        make_line("c1", AT - 20_000, "Lena", "Is this the blue one?", is_buyer=True),
        make_line("c2", AT - 12_000, "Xiaoman", "Yes, the blue one, 199", is_host=True),
        make_line("c3", AT - 3_000, HOSTILE, HOSTILE, removed={"at_ms": AT, "by": "m"}),
    ]
    return {
        "format": "hubbub-evidence/2",
        "view": view,
        "made_at_ms": AT + 600_000,
        "order": {
            **{name: ORDER[name] for name in ("id", "state", "room", "total_minor", "currency")},
            "created_at_ms": ORDER["created_at_ms"],
            "buyer": {"id": "u1", "name": "Lena"},
        },
        "show": {"id": "w1", "title": "Monday from the kiln", "started_at_ms": AT - 900_000},
        "lines": [LINE],
        "chat": [
            {
                "at_ms": AT,
                "is_complete": True,
                "is_cut": True,
                "lines": lines if view == "staff" else lines[:2],
            }
        ],
        "money": {
            "payments": [PAYMENT],
            "refunds": [],
        },
        "digest": "sha256:" + "5f" * 32,
    }


class OrderServer(Server):
    """Answers the page of one order."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self.answers |= {
            "GET /api/orders/o1": {"order": ORDER},
            f"GET {PATH}": make_bundle("buyer"),
        }

    async def answer(self, route: Route) -> None:
        """Answer the page itself, else as the list's server does."""
        if urlsplit(route.request.url).path != "/orders/o1":
            await super().answer(route)
            return
        texts = json.loads((STATIC / "i18n" / f"{self.language}.json").read_text("utf-8"))
        pages = Environment(
            loader=FileSystemLoader(STATIC / "html"), autoescape=True, undefined=StrictUndefined
        )
        html = pages.get_template("order.html").render(
            lang=self.language,
            html_lang="zh-Hans" if self.language == "zh" else "en",
            t=texts,
            user=USER,
        )
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        await route.fulfill(body=html, content_type="text/html", headers=headers)


@asynccontextmanager
async def open_order(
    browser: Browser, language: str = "en", **answers: Any
) -> AsyncIterator[tuple[Page, OrderServer]]:
    """Yield the page of an order and its server; a script error fails the test."""
    complaints: list[str] = []
    server = OrderServer(language)
    server.answers |= answers
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    page = await context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await answer_page(page, server.answer)
    await page.goto(f"{SITE}/orders/o1")
    yield page, server
    await context.close()
    assert complaints == []


async def test_the_host_reads_the_order_s_line_of_time(browser: Browser) -> None:
    """Pin, card, chat, press and money, oldest first; what others wrote is text."""
    async with open_console(browser) as (page, _):
        await page.route(f"**{PATH}", lambda route: route.fulfill(json=make_bundle()))
        await page.locator(".feed-evidence").first.click()
        sheet = page.locator("live-evidence")
        await sheet.locator("[data-kind=press]").wait_for()
        kinds = await sheet.locator("li[data-kind]").evaluate_all(
            "rows => rows.map((row) => row.dataset.kind)"
        )
        press = await sheet.locator("[data-kind=press]").inner_text()
        card = await sheet.locator("[data-kind=card]").inner_text()
        pin = await sheet.locator("[data-kind=pin]").inner_text()
        removed = await sheet.locator("[data-mark=removed]").inner_text()
        link = sheet.locator("a[download]")
        assert await link.get_attribute("href") == f"{PATH}?download=1"
        assert await page.locator("img[src=x]").count() == 0
        assert "only the lines nearest" in await sheet.inner_text()
        await page.keyboard.press("Escape")
        assert not await sheet.locator("dialog").evaluate("dialog => dialog.open")
        focused = await page.evaluate("document.activeElement.className")
    expected = ["start", "card", "pin", "chat", "chat", "event", "said", "chat", "press"]
    assert kinds == [*expected, "ordered", "payment", "payment", "payment"]
    assert "1 × Kiln-change tea bowl at" in press
    assert "3 free just before · 15:00 into the show" in press
    assert "Rules, version 3" in press
    assert "329" in card
    assert "Another item than the one bought" in pin
    assert HOSTILE in removed
    assert "removed later" in removed
    assert "feed-evidence" in focused


async def test_the_button_works_by_keyboard_and_has_a_name(browser: Browser) -> None:
    async with open_console(browser) as (page, _):
        await page.route(f"**{PATH}", lambda route: route.fulfill(json=make_bundle()))
        button = page.locator(".feed-evidence").first
        assert (await button.get_attribute("aria-label") or "").startswith("Evidence of ")
        await button.focus()
        await page.keyboard.press("Enter")
        await page.locator("live-evidence [data-kind=press]").wait_for()


async def test_a_record_that_cannot_be_read_is_asked_for_again(browser: Browser) -> None:
    async with open_order(browser, **{f"GET {PATH}": 503}) as (page, server):
        await page.get_by_role("button", name="What was shown when I bought").click()
        sheet = page.locator("live-evidence")
        await sheet.get_by_role("alert").wait_for()
        server.answers[f"GET {PATH}"] = make_bundle("buyer")
        await sheet.get_by_role("button", name="Try again").click()
        await sheet.locator("[data-kind=press]").wait_for()


async def test_a_drawn_unit_was_entered_for_and_not_pressed(browser: Browser) -> None:
    """Nobody pressed a button as the draw was held."""
    draw = {"entered_at_ms": AT - 8_000, "drawn_at_ms": AT, "rank": 2, "of": 40}
    press = LINE["press"] | {"origin": "draw", "asked_at_ms": AT - 8_000, "draw": draw}
    bundle = make_bundle("buyer") | {"lines": [LINE | {"press": press}]}
    async with open_order(browser, **{f"GET {PATH}": bundle}) as (page, _):
        await page.get_by_role("button", name="What was shown when I bought").click()
        entered = await page.locator("live-evidence [data-kind=entered]").inner_text()
        drawn = await page.locator("live-evidence [data-kind=press]").inner_text()
    assert "Entered the draw" in entered
    assert "Drawn by lot: 1 × Kiln-change tea bowl at" in drawn
    assert "Place 2 of 40 in the draw" in drawn
    assert "Pressed" not in drawn


async def test_an_order_that_is_not_there_has_no_record_to_show(browser: Browser) -> None:
    async with open_order(browser, **{"GET /api/orders/o1": 404}) as (page, _):
        await page.get_by_text("No such order.").wait_for()
        assert not await page.locator("#evidence-open").is_visible()


@pytest.mark.parametrize(
    ("language", "name", "note"),
    [
        ("en", "What was shown when I bought", "not those of others"),
        ("zh", "我下单时页面显示了什么", "没有其他人的"),
    ],
)
async def test_the_buyer_reads_theirs_and_it_fits(
    browser: Browser, language: str, name: str, note: str
) -> None:
    async with open_order(browser, language) as (page, _):
        await page.get_by_role("button", name=name).click()
        sheet = page.locator("live-evidence")
        await sheet.locator("[data-kind=press]").wait_for()
        assert note in await sheet.inner_text()
        for width in (320, 390, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            body = sheet.locator("dialog")
            assert await body.evaluate("box => box.scrollWidth <= box.clientWidth")
            box = await sheet.locator("a[download]").bounding_box()
            assert box is not None
            assert box["height"] >= 44


async def test_the_open_sheet_has_no_serious_fault_of_accessibility(browser: Browser) -> None:
    async with open_console(browser) as (page, _):
        await page.route(f"**{PATH}", lambda route: route.fulfill(json=make_bundle()))
        await page.locator(".feed-evidence").first.click()
        await page.locator("live-evidence [data-kind=press]").wait_for()
        await page.locator("live-evidence dialog").evaluate(
            "box => Promise.all(box.getAnimations().map((one) => one.finished)).then(() => null)"
        )
        found = await find_faults(page)
    async with open_order(browser) as (page, _):
        await page.locator("#evidence-open").click()
        await page.locator("live-evidence [data-kind=press]").wait_for()
        found += await find_faults(page)
    assert found == []


@pytest.mark.parametrize(
    ("language", "name", "said"),
    [
        ("en", "What was shown when I bought", "The host stopped the coupon −¥50: "),
        ("zh", "我下单时页面显示了什么", "主播停用了优惠券 −¥50："),
    ],
)
async def test_a_coupon_that_was_stopped_stands_in_the_line_of_time(
    browser: Browser, language: str, name: str, said: str
) -> None:
    bundle = make_bundle("buyer")
    at_ms = bundle["order"]["created_at_ms"] + 1
    coupon = {"id": "c1", "title": "−¥50", "halt": {"at_ms": at_ms, "reason": HOSTILE}}
    bundle["order"] |= {"coupon": coupon}
    async with open_order(browser, language, **{f"GET {PATH}": bundle}) as (page, _):
        await page.get_by_role("button", name=name).click()
        row = page.locator("live-evidence [data-kind=coupon]")
        assert await row.locator("div").inner_text() == said + HOSTILE
        assert await page.locator("img[src=x]").count() == 0
