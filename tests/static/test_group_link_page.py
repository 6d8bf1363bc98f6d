"""The page of a team's shared link in Chromium: what it offers, and what it says to a refusal.

Invariant: no server runs; the page gets a team, and the answer to a press.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playwright.async_api import expect

from server.routes.pages import CONTENT_SECURITY_POLICY, embed_json
from server.routes.previews import Preview
from tests.static.test_console_page import HOST, ROOT, SITE, STATIC
from tests.support.axe import find_faults
from tests.support.page_server import answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

PATH = "/g/team-a"
JOIN = "#group-join"
NO_MORE = {
    "en": "Nobody can join it or open a new team now.",
    "zh": "现在不能参团，也不能开新团。",
}


def make_team(**changes: Any) -> dict[str, Any]:
    """Return a team of three that has a seat free, as the server tells it."""
    team = {"id": "team-a", "sale": "g1", "room": "demo", "sku": "cup", "title": "Cup"}
    team |= {"picture": "/static/img/goods/moon-cups.svg", "currency": "CNY", "leader": "A***"}
    prices = {"price_minor": 24_900, "normal_price_minor": 32_900}
    counts = {"need": 3, "joined": 2, "paid": 2, "ends_in_ms": 600_000, "deadline_ms": 1}
    flags = {"state": "forming", "is_open": True, "can_open": True}
    return team | prices | counts | flags | changes


def render(team: dict[str, Any], language: str, user: dict[str, Any] | None) -> str:
    """Return the page as the server fills it for somebody, or for whoever is not signed in."""
    texts = json.loads((STATIC / "i18n" / f"{language}.json").read_text("utf-8"))
    pages = Environment(
        loader=FileSystemLoader(STATIC / "html"), autoescape=True, undefined=StrictUndefined
    )
    return pages.get_template("group.html").render(
        lang=language,
        html_lang="zh-Hans" if language == "zh" else "en",
        t=texts,
        user=user,
        group=team,
        preview=Preview("Cup", "¥249", "Needs 1 more", "Needs 1 more.", "/a.svg", PATH),
        state_json=embed_json({"group": team}),
    )


@asynccontextmanager
async def open_link(
    browser: Browser,
    team: dict[str, Any],
    *,
    refused: str = "",
    language: str = "en",
    answers: dict[str, Any] | None = None,
    user: dict[str, Any] | None = HOST,
) -> AsyncIterator[Page]:
    """Yield the page of a team; whoever presses is refused with a code.

    `answers` are what the server says instead, by method and path.
    """
    told = {"GET /api/groups": {"seats": []}, "GET /api/reservations": {"reservations": []}}
    told |= answers or {}

    async def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path == PATH:
            headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
            body = render(team, language, user)
            await route.fulfill(body=body, content_type="text/html", headers=headers)
        elif path.startswith("/static/"):
            kind = mimetypes.guess_type(path)[0] or "text/plain"
            kind = "text/javascript" if path.endswith(".js") else kind
            await route.fulfill(body=(ROOT / path[1:]).read_bytes(), content_type=kind)
        elif f"{route.request.method} {path}" in told:
            await route.fulfill(json=told[f"{route.request.method} {path}"])
        elif route.request.method == "POST":
            error = {"code": refused, "message": "No.", "retryable": False}
            await route.fulfill(status=409, json={"error": error})
        else:
            await route.fulfill(json={"group": team})

    page = await browser.new_page(viewport={"width": 360, "height": 740})
    await answer_page(page, answer)
    await page.goto(f"{SITE}{PATH}")
    yield page
    await page.close()


@pytest.mark.parametrize(
    ("team", "offer"),
    [
        ({}, "Join this team"),
        ({"can_open": False}, "Join this team"),
        ({"is_open": False, "state": "formed", "joined": 3, "paid": 3}, "Open a new team"),
        ({"is_open": False, "state": "failed", "reason": "deadline"}, "Open a new team"),
    ],
)
async def test_a_link_offers_its_team_or_else_a_new_one(
    browser: Browser, team: dict[str, Any], offer: str
) -> None:
    async with open_link(browser, make_team(**team)) as page:
        await expect(page.locator(JOIN)).to_have_text(offer)
        await expect(page.locator("#group-time")).not_to_contain_text(NO_MORE["en"])


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("state", ["forming", "formed", "failed"])
async def test_a_link_offers_nothing_that_its_group_buy_has_not_any_more(
    browser: Browser, language: str, state: str
) -> None:
    """Ended, halted or cancelled: there is neither a seat nor a new team to be had."""
    team = make_team(state=state, is_open=False, can_open=False)
    async with open_link(browser, team, language=language) as page:
        await expect(page.locator("#group-time")).to_contain_text(NO_MORE[language])
        await expect(page.locator(JOIN)).to_be_hidden()
        assert await find_faults(page) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("group_full", "This team is full."),
        ("permit_required", "This group buy is joined in the room: go to the show."),
        ("halted", "The host stopped this for now."),
        ("slow_down", "Too fast, or too many holds of yours ended unpaid."),
        ("not_present_long_enough", "Stay in the room a little longer, then join."),
        ("no_such_word", "That did not work. Try again."),
    ],
)
async def test_a_refusal_says_what_it_means(browser: Browser, code: str, words: str) -> None:
    async with open_link(browser, make_team(), refused=code) as page:
        await page.click(JOIN)
        await expect(page.locator("#group-problem")).to_contain_text(words)


SEAT = {"id": "r1", "sale": "g1", "qty": 1, "unit_price_minor": 24_900, "currency": "CNY"}
SEAT |= {"state": "held", "expires_in_ms": 300_000}
PARTS = {"subtotal_minor": 24_900, "discounts": [], "shipping_minor": 1_200}
PARTS |= {"tax_minor": 0, "tax_included": True}
ANSWERS = {
    "POST /api/sales/g1/groups": {"group": "team-a", "reservation": SEAT},
    "POST /api/quotes": {"quote": {"parts": PARTS, "total_minor": 26_100}, "coupons": []},
    "POST /api/orders": {"order": {"id": "o1"}, "payment": {"url": f"{SITE}{PATH}#paying"}},
}


async def test_nothing_is_ordered_before_its_whole_price_was_shown(browser: Browser) -> None:
    """A team's price is without shipping: the page to pay at must not be the first to say."""
    async with open_link(browser, make_team(), answers=ANSWERS) as page:
        ordered: list[Any] = []
        page.on("request", lambda one: "orders" in one.url and ordered.append(one.post_data_json))
        await page.click(JOIN)
        sheet = page.locator("#checkout-sheet")
        await expect(sheet.locator("[data-ref=shipping]")).to_have_text("¥12.00")
        await expect(sheet.locator("[data-ref=pay]")).to_have_text("Pay ¥261.00")
        await expect(sheet.locator("[data-ref=foot]")).to_contain_text("only when the team is full")
        assert await find_faults(page) == []
        await page.keyboard.press("Escape")
        # Whoever closes it has the seat all the same, and comes back to it.
        await expect(page.locator(JOIN)).to_have_text("Pay ¥249")
        assert ordered == []
        await page.click(JOIN)
        await sheet.locator("[data-ref=pay]").click()
        await page.wait_for_url("**#paying")
        assert ordered == [{"reservations": ["r1"]}]


@pytest.mark.parametrize(
    ("seat", "reservations", "offer"),
    [
        ({"state": "held"}, [SEAT], "Pay ¥249"),
        ({"state": "paying", "order": "o1"}, [SEAT | {"state": "paying"}], "See the order"),
        ({"state": "sold", "order": "o1"}, [], "See the order"),
        ({"state": "released", "order": "o1"}, [], "Join this team"),
    ],
)
async def test_who_is_in_the_team_is_not_asked_to_join_it(
    browser: Browser, seat: dict[str, Any], reservations: list[Any], offer: str
) -> None:
    """A leader looks at the link before sending it, and a member at who has come since."""
    own = {"group": {"id": "team-a"}, "reservation": "r1"} | seat
    answers = {
        "GET /api/groups": {"seats": [own]},
        "GET /api/reservations": {"reservations": reservations},
    }
    async with open_link(browser, make_team(), answers=ANSWERS | answers) as page:
        await expect(page.locator(JOIN)).to_have_text(offer)


async def test_a_new_team_is_shown_and_found_again_by_its_own_address(browser: Browser) -> None:
    """A reload, and whoever is sent this address, must not come to the full one."""
    full = make_team(is_open=False, state="formed", joined=3, paid=3)
    answers = ANSWERS | {
        "POST /api/sales/g1/groups": {"group": "team-b", "reservation": SEAT},
        "GET /api/groups/team-b": {"group": make_team(id="team-b", joined=1, paid=0)},
    }
    async with open_link(browser, full, answers=answers) as page:
        await page.click(JOIN)
        await expect(page.locator("#checkout-sheet [data-ref=pay]")).to_have_text("Pay ¥261.00")
        await expect(page.locator("#group-state")).to_contain_text("2 more")
        assert urlsplit(page.url).path == "/g/team-b"


async def test_whoever_has_a_team_elsewhere_is_led_to_it(browser: Browser) -> None:
    """One open team a buyer: the refusal says so, and the page goes on with that team."""
    mine = make_team(id="team-b", joined=1, paid=0)
    own = {"group": mine, "reservation": "r1", "state": "held"}
    other_sale = {"group": mine | {"id": "team-c", "sale": "g2"}, "reservation": "r2"}
    answers = {
        "GET /api/groups": {"seats": [other_sale | {"state": "held"}, own]},
        "GET /api/reservations": {"reservations": [SEAT]},
        "GET /api/groups/team-b": {"group": mine},
        "POST /api/quotes": ANSWERS["POST /api/quotes"],
    }
    link = open_link(browser, make_team(), refused="already_in_group", answers=answers)
    async with link as page:
        await expect(page.locator(JOIN)).to_have_text("Join this team")
        await page.click(JOIN)
        await expect(page.locator("#group-problem")).to_contain_text("this is it")
        await expect(page.locator(JOIN)).to_have_text("Pay ¥249")
        await expect(page.locator("#group-state")).to_contain_text("2 more")
        assert urlsplit(page.url).path == "/g/team-b"


async def test_a_look_that_was_slow_does_not_take_the_seat_back_from_the_page(
    browser: Browser,
) -> None:
    """The first look knows of no seat; it is answered when the seat has been taken."""
    async with open_link(browser, make_team(), answers=ANSWERS) as page:
        may_answer = asyncio.Event()
        asked = 0

        async def answer_late(route: Route) -> None:
            nonlocal asked
            asked += 1
            await may_answer.wait()
            await route.fulfill(json={"seats": []})

        await page.route("**/api/groups", answer_late)
        await page.reload()
        pay = page.locator("#checkout-sheet [data-ref=pay]")
        await page.click(JOIN)
        await expect(pay).to_have_text("Pay ¥261.00")
        async with page.expect_response("**/api/groups"):
            may_answer.set()
        # By the time that another answer is read that one was, too.
        await page.evaluate("fetch('/api/reservations').then((answer) => answer.text())")
        assert asked == 1
        await page.keyboard.press("Escape")
        await expect(page.locator(JOIN)).to_have_text("Pay ¥249")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_stranger_gives_a_name_and_sees_the_whole_price(
    browser: Browser, language: str
) -> None:
    answers = ANSWERS | {"POST /api/guests": {"user": {"id": "u1", "name": "Cleo"}}}
    link = open_link(browser, make_team(), language=language, answers=answers, user=None)
    async with link as page:
        await page.click(JOIN)
        await page.fill("#sign-in-name", "Cleo")
        await page.locator("live-sign-in button").click()
        pay = page.locator("#checkout-sheet [data-ref=pay]")
        await expect(pay).to_contain_text("¥261.00")
        await expect(page.locator("#name-sheet [data-ref=grab]")).to_be_hidden()
        await pay.click()
        await page.wait_for_url("**#paying")
