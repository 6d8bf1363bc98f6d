"""The ways to a replay, from the lobby and from the console of a show that is over.

Invariant: no server runs; a link is there only where a recording is.
"""

from __future__ import annotations

import json
import mimetypes
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playwright.async_api import expect

from server.routes.pages import CONTENT_SECURITY_POLICY, embed_json
from tests.static.test_console_layout import EDGES
from tests.static.test_console_page import (
    MODERATOR,
    NOW_MS,
    ROOT,
    SITE,
    STATIC,
    Server,
    make_state,
    open_console,
)
from tests.static.test_room_overflow import look
from tests.support.axe import find_faults
from tests.support.browser import wait_for
from tests.support.page_server import answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

LINK = {"en": "Watch the replay", "zh": "看回放"}
REPLAY = "/api/shows/s/replay"
PLACE = "/r/demo/replay/s"
PAST = {"show": "s", "title": "Autumn kiln opening", "started_at_ms": NOW_MS, "length_ms": 65_000}


def room(slug: str, **more: Any) -> dict[str, Any]:
    """Return a room of the lobby in which nothing is on."""
    host = {"id": "h", "name": "Xiaoman", "avatar": None}
    shared = {"title": "Kiln", "poster": "/static/img/scene/kiln.svg", "host": host, "viewers": 0}
    return {"room": slug, **shared, "show": None, "next_show": None, "next_event": None, **more}


async def open_lobby(browser: Browser, rooms: list[dict[str, Any]], **options: Any) -> Page:
    """Open the lobby with these rooms; a complaint of the browser's raises in its page."""
    language = options.pop("language", "en")
    texts = json.loads((STATIC / "i18n" / f"{language}.json").read_text("utf-8"))
    pages = Environment(
        loader=FileSystemLoader(STATIC / "html"), autoescape=True, undefined=StrictUndefined
    )
    body = pages.get_template("lobby.html").render(
        lang=language,
        html_lang="zh-Hans" if language == "zh" else "en",
        t=texts,
        user=None,
        rooms=rooms,
        state_json=embed_json({"rooms": rooms}),
    )

    async def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path == "/":
            headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
            await route.fulfill(body=body, content_type="text/html", headers=headers)
        elif path.startswith("/static/"):
            kind = mimetypes.guess_type(path)[0] or "text/plain"
            kind = "text/javascript" if path.endswith(".js") else kind
            await route.fulfill(body=(ROOT / path[1:]).read_bytes(), content_type=kind)
        else:
            await route.fulfill(json={"rooms": rooms})

    page = await browser.new_page(**options)
    await answer_page(page, answer)
    await page.goto(f"{SITE}/")
    return page


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_the_lobby_has_a_card_for_each_past_show_that_was_recorded(
    browser: Browser, language: str, width: int
) -> None:
    rooms = [room("bare", replay=None), room("older"), room("demo", replay=PAST)]
    viewport = {"width": width, "height": 844}
    page = await open_lobby(browser, rooms, language=language, viewport=viewport)
    card = page.locator(".lobby-past li")
    await expect(card).to_have_count(1)
    await expect(card).to_contain_text("1:05")
    link = card.get_by_role("link")
    await expect(link).to_have_text(LINK[language])
    assert await link.get_attribute("href") == PLACE
    await look(page, f"lobby-{language}-{width}")
    assert await find_faults(page) == []
    await page.close()


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_lobby_fits_the_narrowest_phones(browser: Browser, language: str) -> None:
    """Neither does the page scroll sideways, nor lies a word over the next thing."""
    viewport = {"width": 320, "height": 640}
    page = await open_lobby(
        browser, [room("older")], language=language, viewport=viewport, has_touch=True
    )
    await expect(page.locator(".theme-switch")).to_be_visible()
    for width in (320, 360, 390):
        await page.set_viewport_size({"width": width, "height": 640})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        edges = await page.locator(".site-mark, .site-head-end > *").evaluate_all(EDGES)
        assert all(right <= left for (_, right), (left, _) in pairwise(edges))
    await page.close()


async def test_a_lobby_without_recordings_has_no_such_cards(browser: Browser) -> None:
    page = await open_lobby(browser, [room("bare", replay=None), room("older")])
    await expect(page.locator(".lobby-live")).to_be_visible()
    await expect(page.locator(".lobby-past")).to_have_count(0)
    await page.close()


def end_show(server: Server) -> None:
    """Tell the console that its show is over."""
    state = make_state()
    state["show"] |= {"status": "ended"}
    server.socket.send(json.dumps(["Z", "e", 2, state]))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("user", [None, MODERATOR], ids=["host", "moderator"])
async def test_the_console_of_a_show_that_is_over_links_its_replay(
    browser: Browser, language: str, user: dict[str, Any] | None
) -> None:
    people = {} if user is None else {"user": user}
    reads = {REPLAY: [{"recording": {"state": "complete"}}]}
    async with open_console(browser, language=language, reads=reads, **people) as (page, server):
        link = page.locator("#replay-link")
        await expect(link).to_be_hidden()
        end_show(server)
        await expect(link).to_be_visible()
        await expect(link).to_have_text(LINK[language])
        assert await link.get_attribute("href") == PLACE
        await look(page, f"console-{language}-{'host' if user is None else 'moderator'}")
        for width in (1180, 390, 360):
            await page.set_viewport_size({"width": width, "height": 844})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            box = await link.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= width


async def test_a_console_without_a_recording_has_no_link(browser: Browser) -> None:
    class Unrecorded(Server):
        excused = "404"

    async with open_console(
        browser,
        server=Unrecorded({"id": "h", "name": "X", "role": "host"}, "en"),
        reads={REPLAY: [404]},
    ) as (page, server):
        end_show(server)
        await expect(page.locator("#plan-show")).to_be_visible()
        await wait_for(page, lambda: bool(server.asked))
        await expect(page.locator("#replay-link")).to_be_hidden()
