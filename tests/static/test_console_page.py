"""Open the console's real page in Chromium with a server made of answers.

Invariant: no server runs; every command the page sends is remembered.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from server.routes.pages import CONTENT_SECURITY_POLICY, embed_json
from tests.static.test_room_page import STILL
from tests.support.browser import wait_for, wait_until
from tests.support.page_server import answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route, WebSocketRoute

pytestmark = pytest.mark.pages

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
SITE = "http://hubbub.invalid"
NOW_MS = 1_795_346_577_966
MINUTE_MS = 60_000
HOSTILE = "<img src=x onerror=alert(1)>"
HOST = {"id": "h", "name": "Xiaoman", "role": "host"}
MODERATOR = {"id": "m", "name": "Wren", "role": "moderator"}


def make_sale(item: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"r{item}",
        "kind": "regular",
        "sku": f"sku-{item}",
        "price_minor": 32_900,
        "currency": "CNY",
        "state": "open",
        "opens_at_ms": NOW_MS - MINUTE_MS,
        "ends_at_ms": None,
        "per_buyer": None,
        "stock": [90, 0, 2],
        "item": f"i{item}",
        **changes,
    }


FLASH = make_sale(
    1,
    id="f1",
    kind="flash",
    price_minor=19_900,
    normal_price_minor=32_900,
    ends_at_ms=NOW_MS + 10 * MINUTE_MS,
    per_buyer=1,
    stock=[17, 42, 41],
)


def make_item(no: int) -> dict[str, Any]:
    return {
        "item": f"i{no}",
        "no": no,
        "sku": f"sku-{no}",
        "title": HOSTILE if no == 2 else f"Thing {no}",
        "title_zh": None,
        "picture": None,
        "price_minor": 32_900,
        "currency": "CNY",
    }


def make_state() -> dict[str, Any]:
    return {
        "room": "demo",
        "show": {
            "id": "s",
            "title": "Autumn kiln opening",
            "status": "live",
            "starts_at_ms": NOW_MS - 42 * MINUTE_MS,
            "started_at_ms": NOW_MS - 42 * MINUTE_MS,
        },
        "pinned": "i1",
        "bag": [{**make_item(no), "sale": f"r{no}"} for no in (1, 2, 3)],
        "sales": [*(make_sale(no) for no in (1, 2, 3)), FLASH],
        "viewers": 19_204,
        "likes": 0,
        "modes": {},
        "announcement": None,
        "poster": None,
        "host": {"id": "h", "name": "Xiaoman", "avatar": None},
        "chat": [
            ["c1", "u1", "mika", "the blue is unreal", [], NOW_MS],
            ["c2", "u2", HOSTILE, "<script>alert(1)</script>", [], NOW_MS],
        ],
    }


def make_console() -> dict[str, Any]:
    result = {"paid": 2, "gmv_minor": 65_800}
    shared = {"stock": [90, 0, 2], "notes": None, "notes_zh": None, "result": result, "flash": None}
    run = [{**make_item(no), **shared, "status": "to_come"} for no in (1, 2, 3)]
    start_ms = NOW_MS - 42 * MINUTE_MS
    return {
        "room": "demo",
        "show": make_state()["show"],
        "pinned": "i1",
        "pinned_at_ms": NOW_MS - 4 * MINUTE_MS,
        "mutes": [],
        "run": run,
        "now": {
            "sale": FLASH,
            "presses": 126,
            "got": 83,
            "refused": {"not_open": 31, "limit_reached": 12},
            "presses_per_s": [{"at_ms": NOW_MS - 9_000, "count": 48}],
            "holds_ending_60s": 12,
        },
        "figures": {
            **{"gmv_minor": 4_821_600, "refunded_minor": 21_600},
            "orders": 214,
            "buyers": 208,
            "viewers": 19_204,
            "viewers_avg": 11_870,
            "viewers_peak": 19_204,
        },
        "series": {
            "viewers": [[start_ms + step * 10_000, step] for step in range(250)],
            "orders": [[start_ms // MINUTE_MS * MINUTE_MS, 3]],
            "gmv": [[start_ms // MINUTE_MS * MINUTE_MS, 59_700]],
            "pins": [{"no": 1, "item": "i1", "from_ms": start_ms, "to_ms": None}],
            "flash": [{"sale": "f1", "no": 1, "quantity": 100, "from_ms": NOW_MS, "to_ms": None}],
            "groups": [],
        },
        "audit": {"ok": True, "oversold": 0, "at_ms": NOW_MS},
        "orders": [
            {
                "id": "o1",
                "state": "paid",
                "total_minor": 19_900,
                "currency": "CNY",
                "buyer": HOSTILE,
                "at_ms": NOW_MS,
                "title": "Thing 1",
                "title_zh": None,
                "no": 1,
            }
        ],
    }


class Server:
    """Answers the page from the tree and from the facts above; remembers what it was told to do."""

    site, script, backend = SITE, "", "none"
    excused = "nothing"  # A word in what Chromium complains of when a test wants a refusal.

    def __init__(self, user: dict[str, Any], language: str) -> None:
        self.user = user
        self.language = language
        self.told: list[tuple[str, str, Any]] = []
        self.keys: list[str] = []
        self.facts: dict[str, Any] = {}
        self.reads: dict[str, list[Any]] = {}
        """Answers to reads in turn, by path; a number is a status."""
        self.asked: list[str] = []

    def render(self) -> str:
        texts = json.loads((STATIC / "i18n" / f"{self.language}.json").read_text("utf-8"))
        pages = Environment(
            loader=FileSystemLoader(STATIC / "html"), autoescape=True, undefined=StrictUndefined
        )
        return pages.get_template("console.html").render(
            lang=self.language,
            html_lang="zh-Hans" if self.language == "zh" else "en",
            t=texts,
            user=self.user,
            state=make_state(),
            state_json=embed_json(make_state()),
        )

    async def answer(self, route: Route) -> None:
        request = route.request
        path = request.url.removeprefix(self.site).split("?")[0]
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        if path == "/console/demo":
            await route.fulfill(body=self.render(), content_type="text/html", headers=headers)
        elif path.startswith("/static/"):
            kind = mimetypes.guess_type(path)[0] or "text/plain"
            kind = "text/javascript" if path.endswith(".js") else kind
            await route.fulfill(body=(ROOT / path[1:]).read_bytes(), content_type=kind)
        elif request.method == "GET" and path == "/api/rooms/demo/console":
            await route.fulfill(json=make_console() | self.facts)
        elif request.method == "GET" and path == "/api/rooms/demo/video":
            await route.fulfill(json={"backend": self.backend, "picture": None})
        elif request.method == "GET" and path in self.reads:
            self.asked.append(request.url.removeprefix(self.site))
            given = self.reads[path].pop(0)
            status = given if isinstance(given, int) else 200
            await route.fulfill(status=status, json={} if isinstance(given, int) else given)
        else:
            self.told.append((request.method, path, request.post_data_json))
            self.keys.append(request.headers.get("idempotency-key", ""))
            await route.fulfill(json={})

    def greet(self, socket: WebSocketRoute) -> None:
        def take(text: str | bytes) -> None:
            frame = json.loads(text)
            if frame[0] == "q":
                socket.send(json.dumps(["r", frame[1], {"now_ms": NOW_MS}]))
            elif frame[0] == "c":
                self.told.append(("SAY", "", frame[2]))
                socket.send(json.dumps(["r", frame[1], {}]))

        self.socket = socket
        socket.on_message(take)
        hello = {"conn": "g1-1", "user": self.user, "hb_s": 20, "epoch": "e", "offset": 1}
        socket.send(json.dumps(["h", hello | {"now_ms": NOW_MS, "rec": "fresh", "limits": {}}]))
        socket.send(json.dumps(["Z", "e", 1, make_state()]))


@asynccontextmanager
async def open_console(
    browser: Browser,
    *,
    user: dict[str, Any] = HOST,
    language: str = "en",
    size: tuple[int, int] = (1440, 900),
    reads: dict[str, list[Any]] | None = None,
    server: Server | None = None,
    **facts: Any,
) -> AsyncIterator[tuple[Page, Server]]:
    """Yield the console and its server, which answers `facts` too; a complaint fails the test."""
    complaints: list[str] = []
    server = server or Server(user, language)
    server.facts = facts
    server.reads = reads or {}
    context = await browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = await context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    await page.add_init_script(server.script)
    await answer_page(page, server.answer)
    await page.route_web_socket("**/ws/demo*", server.greet)
    await page.goto(f"{server.site}/console/demo")
    await page.wait_for_selector(".chat-line", state="attached")
    if user is HOST:
        await page.wait_for_selector(".feed-row", state="attached")
    yield page, server
    await context.close()
    assert [text for text in complaints if server.excused not in text] == []


async def wait_told(page: Page, server: Server, count: int) -> None:
    """Wait until the page has sent so many commands."""
    await wait_for(page, lambda: len(server.told) >= count)


async def test_the_console_shows_the_sale_in_three_numbers_and_every_press(
    browser: Browser,
) -> None:
    async with open_console(browser) as (page, _):
        panel = page.locator("live-now-panel")
        numbers = [
            await panel.locator(f"[data-ref=units-{part}]").inner_text()
            for part in ("left", "held", "paid")
        ]
        presses = await panel.locator("[data-ref=presses]").inner_text()
    assert numbers == ["17", "42", "41"]
    assert "126 presses" in presses
    assert "43 told why not: 31 too early, 12 had one" in presses


async def test_texts_of_people_reach_the_console_as_text(browser: Browser) -> None:
    async with open_console(browser) as (page, _):
        assert await page.locator("img[src=x]").count() == 0
        assert "<script>" in await page.locator("live-console-chat").inner_text()
        assert HOSTILE in await page.locator("live-run-sheet").inner_text()
        assert HOSTILE in await page.locator("live-order-feed").inner_text()


async def test_next_pins_the_next_item_and_can_be_taken_back(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.keyboard.press("n")
        await wait_told(page, server, 1)
        await page.wait_for_selector(".undo:visible")
        await page.keyboard.press("u")
        await wait_told(page, server, 2)
    pins = [("POST", "/api/rooms/demo/pin", {"item": item}) for item in ("i2", "i1")]
    assert server.told == pins
    assert all(server.keys)


async def test_next_asks_twice_before_it_arms_money(browser: Browser) -> None:
    server = Server(HOST, "en")
    server.script = STILL  # The second press counts for three seconds.
    async with open_console(browser, server=server) as (page, _):
        await page.locator(".run-row").nth(1).click()
        await page.keyboard.press("f")
        await page.click("live-arm-form [data-ref=plan]")
        await page.keyboard.press("n")
        await page.wait_for_timeout(300)
        assert server.told == []
        assert "again" in await page.locator("live-next").inner_text()
        await page.keyboard.press("n")
        await wait_told(page, server, 2)
    paths = [f"/api/rooms/demo/{act}" for act in ("pin", "flash-sales")]
    assert [path for _, path, _ in server.told] == paths


async def test_closing_a_sale_says_what_becomes_of_the_units_first(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        dialog = page.locator("live-ask dialog")
        await page.keyboard.press("x")
        await dialog.wait_for(state="visible")
        said = await page.locator("live-ask").inner_text()
        assert server.told == []
        await page.keyboard.press("Escape")
        await dialog.wait_for(state="hidden")
        await page.keyboard.press("x")
        await dialog.wait_for(state="visible")
        # The dialog gives Enter to its button once that has the focus.
        await wait_until(page, "document.activeElement.closest('live-ask')")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
    for line in ("17 left go back", "42 holds stay valid", "41 orders stand"):
        assert line in said
    assert [path for _, path, _ in server.told] == ["/api/sales/f1/close"]


async def test_keys_are_letters_while_somebody_writes(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.keyboard.press("c")
        await page.keyboard.type("npxmfhu")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
    assert server.told == [("SAY", "", "npxmfhu")]


async def test_a_moderator_deletes_and_mutes_and_sees_no_money(browser: Browser) -> None:
    async with open_console(browser, user=MODERATOR) as (page, server):
        await page.keyboard.press("k")
        await page.keyboard.press("k")
        await page.keyboard.press("h")
        await wait_told(page, server, 1)
        await page.keyboard.press("Delete")
        await wait_told(page, server, 2)
        for key in "npfxm":
            await page.keyboard.press(key)
        await page.wait_for_timeout(200)
        shown = await page.locator("body").inner_text()
    assert server.told == [
        ("POST", "/api/rooms/demo/mutes", {"user": "u1", "minutes": 10}),
        ("DELETE", "/api/rooms/demo/chat/c1", None),
    ]
    assert "¥" not in shown


@pytest.mark.parametrize(
    ("size", "language"),
    [
        ((1440, 860), "en"),
        ((1180, 860), "zh"),
        ((820, 1100), "en"),
        ((360, 740), "en"),
        ((360, 740), "zh"),
    ],
)
async def test_the_console_fits(browser: Browser, size: tuple[int, int], language: str) -> None:
    """Nothing scrolls sideways; from 1180 on the page does not scroll at all; one lime press."""
    async with open_console(browser, size=size, language=language) as (page, _):
        width, height = await page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        lime = await page.evaluate(
            """() => [...document.querySelectorAll('button, a')].filter((one) =>
                 one.offsetParent && getComputedStyle(one).backgroundColor === 'rgb(200, 242, 60)')
                 .length"""
        )
    assert width <= size[0]
    assert size[0] < 1180 or height <= size[1]
    assert lime == 1


async def test_the_plot_is_small_and_has_the_same_data_as_a_table(browser: Browser) -> None:
    async with open_console(browser) as (page, _):
        await page.wait_for_selector("svg.plot")
        nodes = await page.evaluate("document.querySelectorAll('svg.plot *').length")
        await page.locator("live-plot [data-ref=switch]").click()
        rows = await page.locator("live-plot tbody tr").count()
    assert 0 < nodes <= 500
    assert rows >= 42
