"""Order in the chat, as pages show it in Chromium: modes, the shield, search, lines alike.

Invariant: no server runs; what a page sends is remembered and what it is told is written here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.static.test_console_page import HOSTILE, MODERATOR, NOW_MS, open_console, wait_told
from tests.static.test_room_page import open_room
from tests.support.browser import wait_until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

FIELD = "#chat-field"
MODES = "/api/rooms/demo/modes"
SHIELD = {"slow_s": 10, "links_off": True}


def modes_event(offset: int, modes: dict[str, Any]) -> list[Any]:
    return ["S", offset, [["chat.modes", {"modes": modes}, NOW_MS]]]


async def hint(page: Page) -> str:
    return await page.get_attribute(FIELD, "placeholder") or ""


@pytest.mark.parametrize(
    ("language", "words"), [("en", ["Slow 10 s", "no links"]), ("zh", ["慢速 10 秒", "不发链接"])]
)
async def test_modes_are_told_before_one_types(
    browser: Browser, language: str, words: list[str]
) -> None:
    async with open_room(browser, language=language) as (page, server):
        server.send(modes_event(8, SHIELD))
        await page.wait_for_selector(f"{FIELD}[data-hint]")
        assert await hint(page) == " · ".join(words)
        server.send(modes_event(9, {}))
        await page.wait_for_selector(f"{FIELD}:not([data-hint])")


async def test_a_refused_line_says_why_and_is_given_back(browser: Browser) -> None:
    for code, why in (("links_off", "No links here"), ("emote_only", "Only emoji")):
        async with open_room(browser) as (page, server):
            refuse_lines(server, code)
            await page.fill(FIELD, "see t.me/x")
            await page.press(FIELD, "Enter")
            await page.wait_for_selector(".composer-why:visible")
            assert why in await page.inner_text(".composer-why")
            assert await page.input_value(FIELD) == "see t.me/x"


def refuse_lines(server: Any, code: str) -> None:
    accept = server.take

    def take(socket: Any, frame: list[Any]) -> None:
        if frame[0] == "c":
            refusal = {"code": code, "message": "", "retryable": False}
            socket.send(json.dumps(["e", frame[1], refusal]))
        else:
            accept(socket, frame)

    server.take = take


async def test_slow_mode_counts_down_after_an_own_line(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        server.send(modes_event(8, {"slow_s": 10}))
        await page.wait_for_selector(f"{FIELD}[data-hint]")
        await page.fill(FIELD, "nice bowl")
        await page.press(FIELD, "Enter")
        await wait_until(
            page, "document.querySelector('#chat-field').placeholder.startsWith('Slow mode, ')"
        )
        server.send(modes_event(9, {}))
        await wait_until(
            page, "document.querySelector('#chat-field').placeholder === 'Say something…'"
        )


async def test_lines_alike_show_how_many_they_are(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        line = ["l1", "u9", "mika", "666", ["x12"], NOW_MS]
        server.send(["L", 7, [line], 0])
        await page.wait_for_selector(".chat-times")
        assert await page.inner_text(".chat-times") == "×12"
        assert await page.is_hidden("#chat-busy")


@pytest.mark.parametrize(
    ("count", "words"),
    [
        ("3/3", "L***’s team is complete: 3/3"),
        ("2/3", "The shop completed L***’s team: 2/3 paid"),
    ],
)
async def test_a_line_of_a_team_says_who_completed_it(
    browser: Browser, count: str, words: str
) -> None:
    async with open_room(browser) as (page, server):
        await page.wait_for_selector(".chat-line")
        server.send(["L", 7, [["t1", "", "L***", count, ["group"], NOW_MS]], 0])
        await page.locator(".chat-order", has_text=words).wait_for()


async def test_the_shield_is_one_press_on_and_one_press_off(browser: Browser) -> None:
    async with open_console(browser, user=MODERATOR) as (page, server):
        shield = page.locator("live-chat-modes [data-ref=shield]")
        await page.keyboard.press("s")
        await wait_told(page, server, 1)
        assert await shield.get_attribute("aria-pressed") == "false"
        server.socket.send(json.dumps(modes_event(2, SHIELD)))
        await page.wait_for_selector("live-chat-modes [data-ref=shield][aria-pressed=true]")
        assert (
            await page.locator("live-chat-modes [data-ref=links_off]").get_attribute("aria-pressed")
            == "true"
        )
        assert await page.locator("live-chat-modes [data-ref=seconds]").input_value() == "10"
        await shield.click()
        await wait_told(page, server, 2)
    assert server.told == [("PUT", MODES, SHIELD), ("PUT", MODES, {})]


async def test_each_chip_sets_its_mode_and_leaves_the_others(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        server.socket.send(json.dumps(modes_event(2, {"slow_s": 45})))
        await page.wait_for_selector("live-chat-modes [data-ref=seconds]:visible")
        assert await page.locator("live-chat-modes [data-ref=seconds]").input_value() == "45"
        await page.select_option("live-chat-modes [data-ref=seconds]", "30")
        await wait_told(page, server, 1)
        await page.click("live-chat-modes [data-ref=emote_only]")
        await wait_told(page, server, 2)
        await page.click("live-chat-modes [data-ref=slow]")
        await wait_told(page, server, 3)
    bodies = [{"slow_s": 30}, {"slow_s": 45, "emote_only": True}, {}]
    assert server.told == [("PUT", MODES, body) for body in bodies]


def archived(number: int, **changes: Any) -> dict[str, Any]:
    line = {"id": f"c{number}", "user": f"u{number}", "name": "mika", "text": f"line {number}"}
    return line | {"flags": [], "at_ms": NOW_MS, "deleted": None} | changes


class Archive:
    """Answers searches with two pages and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []

    async def answer(self, route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        self.asked.append(query)
        if "before" in query:
            gone = {"at_ms": NOW_MS, "by": "m", "name": "Wren"}
            lines = [archived(2, deleted=gone), archived(1, flags=["host"])]
            await route.fulfill(json={"lines": lines, "next": None})
        else:
            await route.fulfill(json={"lines": [archived(3, text=HOSTILE)], "next": "c3"})


async def test_a_moderator_searches_goes_on_deletes_and_mutes(browser: Browser) -> None:
    archive = Archive()
    async with open_console(browser, user=MODERATOR) as (page, server):
        await page.route("**/api/rooms/demo/chat?*", archive.answer)
        await page.keyboard.press("/")
        await page.wait_for_selector(".search-line")
        await page.keyboard.type("三号 50%")
        await wait_until(page, "document.querySelectorAll('.search-line').length === 1")
        await page.keyboard.press("Enter")
        await page.click("live-chat-search [data-ref=more]")
        await wait_until(page, "document.querySelectorAll('.search-line').length === 3")
        lines = page.locator(".search-line")
        assert HOSTILE in await lines.nth(0).inner_text()
        assert "Deleted by Wren" in await lines.nth(1).inner_text()
        assert await lines.nth(1).locator("[data-act=delete]").count() == 0
        assert await lines.nth(2).locator("[data-act=mute]").count() == 0
        await lines.nth(0).locator("[data-act=mute]").click()
        await wait_told(page, server, 1)
        await lines.nth(0).locator("[data-act=delete]").click()
        await wait_told(page, server, 2)
        server.socket.send(json.dumps(["S", 2, [["chat.deleted", {"line": "c3"}, NOW_MS]]]))
        await page.wait_for_selector(".search-line:first-child .search-deleted")
        await lines.nth(0).locator(".search-name").click()
        await page.wait_for_selector("live-chat-search [data-ref=author]:visible")
        file = await page.get_attribute("live-chat-search [data-ref=export]", "href")
    assert server.told == [
        ("POST", "/api/rooms/demo/mutes", {"user": "u3", "minutes": 10}),
        ("DELETE", "/api/rooms/demo/chat/c3", None),
    ]
    assert file == "/api/rooms/demo/chat.csv"
    assert archive.asked[0] == {}
    assert {"q": ["三号 50%"]} in archive.asked
    assert {"q": ["三号 50%"], "before": ["c3"]} in archive.asked
    assert {"q": ["三号 50%"], "user": ["u3"]} in archive.asked


async def test_a_search_that_fails_says_so(browser: Browser) -> None:
    async with open_console(browser, user=MODERATOR) as (page, _):
        await page.evaluate(
            """document.addEventListener('live:search-chat', (event) => {
                 event.stopPropagation();
                 event.target.fail(event.detail, 'overloaded');
               }, true)"""
        )
        await page.click("live-console-chat [data-ref=search]")
        await wait_until(
            page,
            "document.querySelector('.search-note').textContent.startsWith('Others are searching')",
        )


@pytest.mark.parametrize("size", [(320, 640), (360, 740), (390, 844), (1440, 900)])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_search_and_modes_fit(browser: Browser, size: tuple[int, int], language: str) -> None:
    archive = Archive()
    async with open_console(browser, user=MODERATOR, language=language, size=size) as (
        page,
        server,
    ):
        await page.route("**/api/rooms/demo/chat?*", archive.answer)
        server.socket.send(json.dumps(modes_event(2, SHIELD | {"emote_only": True})))
        await page.wait_for_selector("live-chat-modes [data-ref=shield][aria-pressed=true]")
        await page.click("live-console-chat [data-ref=search]")
        await page.wait_for_selector(".search-line")
        for part in ("html", ".sheet[open]", "live-console-chat"):
            wide = await page.locator(part).evaluate("node => node.scrollWidth > node.clientWidth")
            assert not wide, part
