"""The replay's real page in Chromium: it plays, jumps, and chat, pins and bag follow.

Invariant: no server runs; a stand-in has a film recorded a moment ago, and hands out its ranges.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playwright.async_api import expect

from commerce.shows.recordings.model import Pin
from commerce.shows.recordings.rules import chapters_of, length_ms, placed
from realtime.video.recording.files import RecordingFolder
from realtime.video.recording.rules import MEDIA_TYPES, playlist
from server.recording.keeper import recorded
from server.routes.pages import CONTENT_SECURITY_POLICY, embed_json
from tests.static.test_room_page import PHONE, SITE, make_state
from tests.support.axe import find_faults
from tests.support.filming import WALL_MS, Studio, frames, make_folder
from tests.support.page_server import answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
SHOW = "01a2030b-0000-7000-8000-000000000001"
USER = {"id": "u-mika", "name": "Mika", "role": "guest"}
RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@pytest.fixture(scope="module", params=["H264", "VP8"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: Any) -> RecordingFolder:
    """A show's recording of two parts, 10 s and 4 s."""
    folder = make_folder(tmp_path_factory.mktemp("recordings"))
    codec = request.param
    later = frames(4.0, codec=codec, at_ms=70_000, size=(320, 240))
    Studio(folder).record(frames(10.0, codec=codec), later)
    return folder


class Recorded:
    """Answers the page from a recording, a log (an event a page) and a chat."""

    excused = "nothing"  # A word in what Chromium complains of when a test wants a refusal.
    log_refusals = 0
    playlist_refusals = 0

    def __init__(self, folder: RecordingFolder, *, language: str, user: Any) -> None:
        self.folder = folder
        self.language = language
        self.user = user
        self.calls: list[tuple[str, str]] = []
        self.parts = [part for no in folder.numbers() if (part := folder.read(no)) is not None]

    def replay(self) -> dict[str, Any]:
        rows = [recorded(one.number, one.head, one.pieces[-1].end_ms, 0) for one in self.parts]
        item = make_state()["bag"][0]
        pins = [
            Pin(item["item"], item["no"], item["title"], item["title_zh"], WALL_MS + 6_000, None)
        ]
        sold = {name: item[name] for name in ("item", "no", "sku", "title", "title_zh", "picture")}
        sold |= {"sale": "s-now", "kind": "regular", "price_minor": 29_900, "currency": "CNY"}
        sold |= {"available": 7, "has_rules": False}
        gone = sold | {"item": "i-gone", "no": 9, "sale": None, "price_minor": None}
        return {
            "show": {"id": SHOW, "room": "demo", "title": "Kiln", "started_at_ms": WALL_MS},
            "recording": {
                "state": "complete",
                "playlist": f"/hls/demo/{SHOW}/index.m3u8",
                "length_ms": length_ms(rows),
                "parts": [
                    msgspec.to_builtins(row) | {"start_ms": start} for start, row in placed(rows)
                ],
            },
            "chapters": msgspec.to_builtins(chapters_of(rows, pins)),
            "bag": [sold, gone | {"available": 0}],
        }

    def render(self) -> str:
        texts = json.loads((STATIC / "i18n" / f"{self.language}.json").read_text("utf-8"))
        pages = Environment(
            loader=FileSystemLoader(STATIC / "html"), autoescape=True, undefined=StrictUndefined
        )
        state, replay = make_state(), self.replay()
        return pages.get_template("replay.html").render(
            lang=self.language,
            html_lang="zh-Hans" if self.language == "zh" else "en",
            t=texts,
            user=self.user,
            state=state,
            replay=replay,
            state_json=embed_json({"replay": replay, "host": state.get("host")}),
        )

    def log(self) -> list[list[Any]]:
        state = make_state()
        shown = {name: state[name] for name in ("show", "bag", "sales")}
        first = shown | {"pinned": None, "announcement": None, "drops": []}
        item = state["bag"][0]["item"]
        return [
            [1, "room.state", first, WALL_MS],
            [2, "show.pinned", {"item": item}, WALL_MS + 6_000],
        ]

    async def answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        self.calls.append((route.request.method, path))
        if path.startswith("/r/demo/replay/"):
            await route.fulfill(body=self.render(), content_type="text/html", headers=headers)
        elif path.startswith("/static/"):
            kind = mimetypes.guess_type(path)[0] or "text/plain"
            kind = "text/javascript" if path.endswith(".js") else kind
            await route.fulfill(body=(ROOT / path[1:]).read_bytes(), content_type=kind)
        elif path.endswith("index.m3u8") and self.playlist_refusals:
            self.playlist_refusals -= 1
            await route.fulfill(status=503)
        elif path.endswith("index.m3u8"):
            await route.fulfill(body=playlist(self.parts, is_over=True))
        elif path.startswith("/hls/"):
            await self.answer_range(route, path)
        else:
            await self.answer_call(route, path)

    async def answer_range(self, route: Route, path: str) -> None:
        found = RANGE.fullmatch(route.request.headers.get("range", ""))
        assert found is not None, "the player asks for ranges alone"
        data = (self.folder.path / path.rpartition("/")[2]).read_bytes()
        kind = MEDIA_TYPES[path.rpartition(".")[2]]
        body = data[int(found[1]) : int(found[2]) + 1]
        await route.fulfill(status=206, body=body, content_type=kind)

    async def answer_call(self, route: Route, path: str) -> None:
        if path.endswith("/replay/log"):
            await self.answer_log(route)
        elif path.endswith("/replay/chat"):
            lines = [
                ["l1", "u1", "Lena", "Is it heavy?", [], WALL_MS + 2_000],
                ["l2", "u2", "Tom", "I take two", [], WALL_MS + 8_000],
            ]
            await route.fulfill(json={"lines": lines, "next": None})
        elif path.endswith("/reservations"):
            await route.fulfill(status=201, json={"reservation": {"id": "h1"}})
        elif path == "/api/orders":
            order = {"order": {"id": "o1"}, "payment": {"url": "/pay/here"}}
            await route.fulfill(status=201, json=order)
        else:
            await route.fulfill(json={})

    async def answer_log(self, route: Route) -> None:
        (after,) = parse_qs(urlsplit(route.request.url).query)["after"]
        events = self.log()
        if int(after) and self.log_refusals:
            self.log_refusals -= 1
            await route.fulfill(status=503, json={"error": {"code": "database_unavailable"}})
            return
        page = [event for event in events if event[0] > int(after)][:1]
        is_last = page[-1] == events[-1]
        await route.fulfill(json={"events": page, "next": None if is_last else page[-1][0]})


async def until(page: Page, condition: str) -> None:
    """Wait until a condition of the `video` holds; the page's policy lets no text be evaluated."""
    for _ in range(600):
        if await page.evaluate(
            f"({{ holds: (video) => {condition} }}).holds(document.querySelector('video'))"
        ):
            return
        await asyncio.sleep(0.05)
    words = await page.locator("#problem").text_content()
    raise AssertionError(f"{condition} did not come true; the page says {words!r}")


@asynccontextmanager
async def open_replay(
    browser: Browser,
    folder: RecordingFolder,
    *,
    language: str = "en",
    place: str = "",
    **more: Any,
) -> AsyncIterator[tuple[Page, Recorded]]:
    """Yield the replay's page; a script error or a breach of the policy fails.

    `more` is set on its server.
    """
    server = Recorded(folder, language=language, user=USER)
    for name, value in more.items():
        setattr(server, name, value)
    context = await browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    problems: list[str] = []
    page = await context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda one: problems.append(one.text) if one.type == "error" else None)
    head = server.parts[0].head
    kind = f'{MEDIA_TYPES[head.kind]}; codecs="{head.codecs}"'
    plays = await page.evaluate("(kind) => MediaSource.isTypeSupported(kind)", kind)
    assert plays, f"{kind} is not played; HUBBUB_CHROMIUM can name a Chromium with H.264"
    await answer_page(page, server.answer)
    await page.goto(f"{SITE}/r/demo/replay/{SHOW}{place}")
    await until(page, "video.readyState >= 2")
    yield page, server
    assert [text for text in problems if server.excused not in text] == []
    await context.close()


WORDS = {
    "en": ("Nothing was pinned at this moment.", "at that time", "Not on sale right now"),
    "zh": ("这一刻没有讲解商品。", "当时", "现在没有在卖"),
}


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_jump_to_a_chapter_brings_picture_chat_and_pin(
    browser: Browser, folder: RecordingFolder, language: str
) -> None:
    nothing, then, not_sold = WORDS[language]
    async with open_replay(browser, folder, language=language) as (page, _):
        await expect(page.locator("#then-item")).to_have_text(nothing)
        await expect(page.locator(".chat-line")).to_have_count(0)
        duration = await page.evaluate("document.querySelector('#video').duration")
        assert duration == pytest.approx(14.0, abs=0.2)
        await page.locator(".chapter").click()
        await expect(page.locator("#then-item")).to_contain_text(then)
        await expect(page.locator(".chat-line")).to_have_count(1)
        await expect(page.locator(".chat-line")).to_contain_text("Is it heavy?")
        await expect(page.locator(".chapter")).to_have_attribute("aria-current", "true")
        await page.evaluate("document.querySelector('#video').currentTime = 9")
        await expect(page.locator(".chat-line")).to_have_count(2)
        # Back again: what had not happened yet is gone.
        await page.evaluate("document.querySelector('#video').currentTime = 1")
        await expect(page.locator(".chat-line")).to_have_count(0)
        await expect(page.locator("#then-item")).to_have_text(nothing)
        await expect(page.locator(".replay-row").nth(1)).to_contain_text(not_sold)
        assert await find_faults(page) == []


async def test_a_log_that_does_not_come_is_asked_for_again(
    browser: Browser, folder: RecordingFolder
) -> None:
    """Else the pins would be missing for good, and nothing would say so."""
    refused = {"log_refusals": 2, "excused": "503"}
    async with open_replay(browser, folder, place="#t=7.5", **refused) as (page, server):
        await expect(page.locator("#then-item")).to_contain_text("at that time")
        assert server.log_refusals == 0


async def test_a_playlist_that_does_not_come_is_asked_for_again(
    browser: Browser, folder: RecordingFolder
) -> None:
    """Else the page would say for ever that it tries again, and not do it."""
    refused = {"playlist_refusals": 1, "excused": "503"}
    async with open_replay(browser, folder, **refused) as (page, server):
        await expect(page.locator("#problem")).to_be_hidden()
    assert len([path for _, path in server.calls if path.endswith("index.m3u8")]) == 2


async def test_it_plays_over_the_seam_of_two_parts(
    browser: Browser, folder: RecordingFolder
) -> None:
    async with open_replay(browser, folder) as (page, _):
        await page.evaluate(
            "async () => { const v = document.querySelector('#video'); v.muted = true;"
            " v.currentTime = 9; await v.play(); }"
        )
        await until(page, "video.currentTime > 11.5")
        width = await page.evaluate("document.querySelector('#video').videoWidth")
        assert width == 320


async def test_a_link_begins_at_its_second(browser: Browser, folder: RecordingFolder) -> None:
    async with open_replay(browser, folder, place="#t=7.5") as (page, _):
        await expect(page.locator("#then-item")).to_contain_text("at that time")
        at_s = await page.evaluate("document.querySelector('#video').currentTime")
        assert at_s == pytest.approx(7.5, abs=0.1)


async def test_the_bag_sells_at_todays_price(browser: Browser, folder: RecordingFolder) -> None:
    async with open_replay(browser, folder) as (page, server):
        row = page.locator(".replay-row").first
        await expect(row).to_contain_text("299")
        await row.get_by_role("button").click()
        await page.wait_for_url("**/pay/here")
        posts = [path for method, path in server.calls if method == "POST"]
        assert posts == ["/api/sales/s-now/reservations", "/api/orders"]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_goods_of_the_bag_can_be_read_at_any_width(
    browser: Browser, folder: RecordingFolder, language: str
) -> None:
    """A long button goes below what it buys."""
    async with open_replay(browser, folder, language=language) as (page, _):
        for width in (320, 360, 899, 1440):
            await page.set_viewport_size({"width": width, "height": 780})
            words = page.locator(".replay-sold").first
            assert await words.evaluate("one => one.clientWidth") >= 130
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
