"""Open the room's real page in Chromium with a server made of answers.

Invariant: no server runs; every frame and every call of the page is remembered.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from server.routes.pages import CONTENT_SECURITY_POLICY, embed_json
from tests.support.browser import wait_for
from tests.support.page_server import answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route, WebSocketRoute

pytestmark = pytest.mark.pages

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
SITE = "http://hubbub.invalid"
NOW_MS = 1_795_346_577_966
USER = {"id": "u-mika", "name": "Mika", "role": "guest"}
CARD = "live-sale-card .card"
MAIN = "#card-main"
PHONE = {"width": 360, "height": 780}
# The page's clock stands but for what a test lets pass: what is shown for seconds is there still
# when a busy machine comes to look at it.
STILL = """
  const began_ms = performance.now();
  let passed_ms = 0;
  performance.now = () => began_ms + passed_ms;
  window.passTime = (ms) => { passed_ms += ms; };
"""


def make_state() -> dict[str, Any]:
    case = json.loads((ROOT / "tests/events/flash.opened.json").read_text("utf-8"))
    state: dict[str, Any] = case["after"]
    flash = state["sales"][-1]
    flash |= {"opens_at_ms": NOW_MS - 60_000, "ends_at_ms": NOW_MS + 600_000, "stock": [9, 1, 90]}
    state["poster"] = None
    return state


FLASH_ID = make_state()["sales"][-1]["id"]
RESERVATION = {
    "id": "h1",
    "sale": FLASH_ID,
    "sku": "tea-bowl",
    "qty": 1,
    "unit_price_minor": 19_900,
    "currency": "CNY",
    "expires_in_ms": 300_000,
    "version": 3,
    "state": "held",
}
Refusal = dict[str, Any]


class Server:
    """Answers the page; `decide` answers a reserve command: a reservation, a refusal or silence."""

    def __init__(self, *, user: dict[str, Any] | None, language: str) -> None:
        self.user = user
        self.language = language
        self.frames: list[list[Any]] = []
        self.calls: list[tuple[str, str, str]] = []
        self.addresses: list[dict[str, list[str]]] = []
        self.sockets: list[WebSocketRoute] = []
        self.decide: Callable[[], Refusal | None] = lambda: None
        self.held: list[dict[str, Any]] = []
        self.is_asking = False
        self.more: dict[str, Any] = {}

    def make_state(self) -> dict[str, Any]:
        """Return the room's state, with what a test has added to it."""
        return make_state() | self.more

    def render(self) -> str:
        texts = json.loads((STATIC / "i18n" / f"{self.language}.json").read_text("utf-8"))
        pages = Environment(
            loader=FileSystemLoader(STATIC / "html"), autoescape=True, undefined=StrictUndefined
        )
        return pages.get_template("room.html").render(
            lang=self.language,
            html_lang="zh-Hans" if self.language == "zh" else "en",
            t=texts,
            user=self.user,
            state=self.make_state(),
            state_json=embed_json(self.make_state()),
        )

    async def answer(self, route: Route) -> None:
        request = route.request
        path = urlsplit(request.url).path
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        if path == "/r/demo":
            await route.fulfill(body=self.render(), content_type="text/html", headers=headers)
        elif path.startswith("/static/"):
            kind = mimetypes.guess_type(path)[0] or "text/plain"
            kind = "text/javascript" if path.endswith(".js") else kind
            await route.fulfill(body=(ROOT / path[1:]).read_bytes(), content_type=kind)
        else:
            await self.answer_call(route, request.method, path)

    async def answer_call(self, route: Route, method: str, path: str) -> None:
        key = route.request.headers.get("idempotency-key", "")
        self.calls.append((method, path, key))
        if path == "/api/me":
            await route.fulfill(json={"user": self.user})
        elif path == "/api/guests":
            self.user = USER
            await route.fulfill(status=201, json={"token": "t", "user": USER})
        elif path.endswith("/reservations") and method == "POST":
            refusal = self.decide()
            if refusal:
                await route.fulfill(status=503, json={"error": refusal})
            else:
                self.held = [RESERVATION]
                await route.fulfill(status=201, json={"reservation": RESERVATION})
        else:
            await route.fulfill(json={"reservations": self.held, "orders": []})

    def greet(self, socket: WebSocketRoute) -> None:
        query = parse_qs(urlsplit(socket.url).query)
        self.addresses.append(query)
        self.sockets.append(socket)
        socket.on_message(lambda text: self.take(socket, json.loads(text)))
        hello = {"conn": "g1-1", "user": self.user, "hb_s": 20, "epoch": "e", "offset": 7}
        hello |= {"now_ms": NOW_MS, "rec": "replayed" if "e" in query else "fresh", "limits": {}}
        hello["ack"] = self.is_asking
        self.send(["h", hello])
        if "e" not in query:
            self.send(["Z", "e", 7, self.make_state()])

    def take(self, socket: WebSocketRoute, frame: list[Any]) -> None:
        self.frames.append(frame)
        if frame[0] == "c":
            socket.send(json.dumps(["r", frame[1], {"line": f"line-{frame[1]}"}]))
        elif frame[0] == "q" and frame[2] == "time":
            socket.send(json.dumps(["r", frame[1], {"now_ms": NOW_MS}]))
        elif frame[0] == "q" and frame[2] == "reserve":
            refusal = self.decide()
            self.held = [] if refusal else [RESERVATION]
            answer = ["e", frame[1], refusal] if refusal else None
            socket.send(json.dumps(answer or ["r", frame[1], {"reservation": RESERVATION}]))

    def send(self, frame: list[Any]) -> None:
        self.sockets[-1].send(json.dumps(frame))

    def reserve_keys(self) -> list[str]:
        """Return the idempotency keys of all presses, whichever way they went."""
        by_socket = [
            frame[4] for frame in self.frames if frame[:1] == ["q"] and frame[2] == "reserve"
        ]
        return by_socket + [key for method, path, key in self.calls if "/api/sales/" in path]


@asynccontextmanager
async def open_room(
    browser: Browser,
    *,
    user: dict[str, Any] | None = USER,
    language: str = "en",
    is_asking: bool = False,
    server: Server | None = None,
    script: str = "",
    **options: Any,
) -> AsyncIterator[tuple[Page, Server]]:
    """Yield the page and its server; a complaint of the browser's fails the test."""
    complaints: list[str] = []
    server = server or Server(user=user, language=language)
    server.is_asking = is_asking
    context = await browser.new_context(viewport=options.pop("viewport", PHONE), **options)
    page = await context.new_page()
    if script:
        await page.add_init_script(script)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: (
            complaints.append(said.text)
            if said.type == "error" and "Content Security" in said.text
            else None
        ),
    )
    await answer_page(page, server.answer)
    await page.route_web_socket("**/ws/**", server.greet)
    await page.goto(f"{SITE}/r/demo")
    if options.get("java_script_enabled", True):
        await page.wait_for_selector(f"{CARD}[data-state=open]")
    yield page, server
    await context.close()
    assert complaints == []


async def pass_time(page: Page, ms: int) -> None:
    """Let time pass on a page whose clock stands."""
    await page.evaluate("ms => window.passTime(ms)", ms)


async def wait_for_state(page: Page, state: str) -> None:
    await page.wait_for_selector(f"{CARD}[data-state={state}]")


async def test_first_paint_needs_no_script(browser: Browser) -> None:
    async with open_room(browser, java_script_enabled=False) as (page, _):
        assert await page.inner_text("#host-name") == "Xiaoman Ceramics"
        assert await page.inner_text(".card .price") == "¥329"
        assert await page.inner_text(".card-main") == "Buy"


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_no_width_scrolls_sideways(browser: Browser, language: str) -> None:
    async with open_room(browser, language=language) as (page, _):
        for width in (320, 360, 820, 1440):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            main = await page.locator(MAIN).bounding_box()
            assert main is not None
            assert main["height"] >= 44
            assert main["x"] + main["width"] <= width


async def test_a_visitor_watches_and_is_asked_for_a_name_once(browser: Browser) -> None:
    async with open_room(browser, user=None) as (page, server):
        assert await page.get_attribute("#chat-field", "placeholder") == "Sign in to chat"
        await page.click(MAIN)
        await page.fill("#sign-in-name", "Mika")
        await page.keyboard.press("Enter")
        await wait_for_state(page, "held")
        assert [path for _, path, _ in server.calls].count("/api/guests") == 1
        assert len(server.reserve_keys()) == 1
        assert not await page.locator("#name-sheet dialog").is_visible()


async def test_a_visitor_may_leave_the_name_sheet_and_pass_the_composer(browser: Browser) -> None:
    async with open_room(browser, user=None) as (page, _):
        sheet = page.locator("#name-sheet dialog")
        await page.focus("#chat-field")
        assert not await sheet.is_visible()
        await page.click("#chat-field")
        assert await sheet.is_visible()
        await page.keyboard.press("Escape")
        assert not await sheet.is_visible()
        await page.keyboard.type("hello")
        await page.keyboard.press("Enter")
        assert await sheet.is_visible()


async def test_an_unknown_outcome_is_asked_again_with_the_same_key(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        unknown = {"code": "unknown_outcome", "message": "", "retryable": True}
        server.decide = lambda: unknown
        await page.click(MAIN)
        await wait_for_state(page, "refused-unknown_outcome")
        server.decide = lambda: None
        await wait_for_state(page, "held")
        keys = server.reserve_keys()
        assert len(keys) >= 2  # More, where a second passed before the answer changed.
        assert len(set(keys)) == 1


async def test_a_press_a_moment_early_waits_for_the_opening(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        answers: list[Refusal | None] = [
            {"code": "not_open", "message": "", "retryable": True, "retry_ms": 30},
            None,
        ]
        server.decide = lambda: answers.pop(0)
        await page.click(MAIN)
        await wait_for_state(page, "held")
        assert len(set(server.reserve_keys())) == 1


async def test_a_refusal_ends_the_intent(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        server.decide = lambda: {"code": "held_out", "message": "", "retryable": True}
        await page.click(MAIN)
        server.send(["K", 7, {f"stock:{FLASH_ID}": [5, [0, 8, 92]]}])
        await wait_for_state(page, "refused-held_out")
        await page.locator(CARD).get_by_text("All are held right now").wait_for()
        server.decide = lambda: None
        server.send(["K", 7, {f"stock:{FLASH_ID}": [6, [1, 7, 92]]}])
        await wait_for_state(page, "open")
        await page.wait_for_timeout(400)
        await page.click(MAIN)
        await wait_for_state(page, "held")
        assert len(set(server.reserve_keys())) == 2


async def test_a_lost_line_comes_back_where_it_was(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        await server.sockets[-1].close(code=1012)
        banner = page.locator("live-banner")
        await banner.get_by_text("Reconnecting").wait_for()
        await banner.get_by_text("Back. No sale news was missed.").wait_for()
        assert server.addresses[0] == {"v": ["1"]}
        assert server.addresses[1] == {"v": ["1"], "e": ["e"], "o": ["7"]}


async def test_a_room_that_is_not_there_is_not_asked_again(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        await server.sockets[-1].close(code=4004)
        await page.locator("live-banner").get_by_text("No such room.").wait_for()
        await page.wait_for_timeout(1_200)
        assert len(server.addresses) == 1


async def test_a_process_that_is_ahead_is_asked_for_the_rest(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        server.send(["p", 8])
        await wait_for(page, lambda: ["sync", "e", 7] in server.frames)
        server.send(["S", 8, [["flash.sold_out", {"sale": FLASH_ID, "took_ms": 41_000}, NOW_MS]]])
        server.send(["K", 8, {f"stock:{FLASH_ID}": [9, [0, 0, 100]]}])
        await wait_for_state(page, "refused-sold_out")
        assert "It took 41 s." in await page.inner_text(".card-message")


async def test_a_gap_is_closed_before_anything_is_applied(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        late = ["S", 9, [["show.unpinned", {"item": "item-3"}, NOW_MS]]]
        server.send(late)
        await wait_for(page, lambda: ["sync", "e", 7] in server.frames)
        assert await page.inner_text(".card-title") == "Kiln-change tea bowl"


async def test_own_line_is_shown_at_once_and_once(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        await page.fill("#chat-field", "<b>saving up</b>")
        await page.keyboard.press("Enter")
        line = page.locator(".chat-own[data-state=shown]")
        await line.wait_for()
        said = next(frame for frame in server.frames if frame[0] == "c")
        echo = [f"line-{said[1]}", USER["id"], "Mika", "<b>saving up</b>", [], NOW_MS]
        server.send(["L", 7, [echo], 0])
        await page.wait_for_timeout(600)
        assert await page.locator(".chat-own").count() == 1
        assert "<b>saving up</b>" in await line.inner_text()


async def test_keys_reach_everything(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        await page.keyboard.press("g")
        assert await page.locator("#bag-sheet dialog").is_visible()
        await page.keyboard.press("Escape")
        await page.keyboard.press("l")
        await wait_for(page, lambda: ["k", 1] in server.frames)
        await page.keyboard.press("b")
        await wait_for_state(page, "held")
        await page.keyboard.press("c")
        await page.keyboard.type("bgl")
        assert await page.input_value("#chat-field") == "bgl"


async def test_a_hold_is_told_in_the_title_and_to_listeners(browser: Browser) -> None:
    async with open_room(browser, language="zh") as (page, server):
        await page.click(MAIN)
        await wait_for_state(page, "held")
        assert "已保留" in await page.title()
        assert "为你保留 5:00，价格锁定 ¥199" in await page.inner_text("#own-news")
        server.send(["D", "reservation.expired", {"reservation": "h1", "sale": FLASH_ID}])
        await wait_for_state(page, "gone")
        assert "保留时间到了，没有扣款" in await page.inner_text("#own-news")


async def test_a_check_out_that_adds_up_shows_no_empty_list(browser: Browser) -> None:
    async with open_room(browser) as (page, _):
        await page.click(MAIN)
        await wait_for_state(page, "held")
        await page.wait_for_selector(f"{MAIN}[data-act=pay]")
        await page.wait_for_timeout(400)  # The new button ignores presses for 350 ms.
        await page.click(MAIN)
        # The stand-in answers no quote.
        await page.locator("#checkout-sheet button", has_text="Adding up…").wait_for()
        assert not await page.locator("#checkout-sheet select").is_visible()
