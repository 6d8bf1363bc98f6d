"""Group buys in the room's real page: joining, opening, one's team, refusals, what became of it.

Invariant: no server runs; a stand-in seats people and remembers what it was asked, and how often.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.static.test_room_page import NOW_MS, SITE, Server, make_state, open_room
from tests.support.axe import find_faults

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route, WebSocketRoute

pytestmark = pytest.mark.pages

SALE = "sale-g1"
LASTS_MS = 600_000
STRIP = "live-group-buy"
MAIN = f"{STRIP} [data-ref=main]"
SHEET = "#team-sheet"

# A page without TLS has no clipboard; this is one.
CLIPBOARD = """Object.defineProperty(navigator, "clipboard", {
    value: { writeText: async (text) => { window.copied = text; } } })"""


def make_campaign() -> dict[str, Any]:
    item = make_state()["bag"][0]
    return {
        "id": SALE,
        "kind": "group",
        "sku": item["sku"],
        "item": item["item"],
        "price_minor": 24_900,
        "currency": "CNY",
        "state": "open",
        "opens_at_ms": NOW_MS,
        "ends_at_ms": NOW_MS + 3_600_000,
        "per_buyer": 1,
        "stock": [6, 0, 0],
        "group": {"need": 3, "lasts_ms": LASTS_MS},
    }


class Host:
    """The teams behind the room's stand-in server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.seats: list[dict[str, Any]] = []
        self.refusals: list[str] = []
        self.joins: list[tuple[dict[str, Any], str]] = []
        self.left: list[str] = []
        self.offset = 7
        self.version = 0
        self._answer_call, self._take = server.answer_call, server.take
        server.answer_call = self.answer_call  # type: ignore[method-assign]
        server.take = self.take  # type: ignore[method-assign]

    async def answer_call(self, route: Route, method: str, path: str) -> None:
        if (method, path) == ("GET", "/api/groups"):
            await route.fulfill(json={"seats": self.seats})
        elif method == "DELETE" and path.startswith("/api/groups/"):
            self.left.append(path)
            self.seats, self.server.held = [], []
            await route.fulfill(json={"seat": {}})
        else:
            await self._answer_call(route, method, path)

    def take(self, socket: WebSocketRoute, frame: list[Any]) -> None:
        if frame[0] != "q" or frame[2] != "join_group":
            self._take(socket, frame)
            return
        self.joins.append((frame[3], frame[4]))
        if self.refusals:
            code = self.refusals.pop(0)
            refusal = {"code": code, "message": "", "retryable": code == "unknown_outcome"}
            socket.send(json.dumps(["e", frame[1], refusal]))
            return
        group = frame[3].get("group", "team-new")
        self.seat(group, joined=2 if "group" in frame[3] else 1)
        held = self.server.held[0]
        socket.send(json.dumps(["r", frame[1], {"group": group, "reservation": held}]))

    def seat(self, group: str, *, joined: int, paid: int = 0, state: str = "forming") -> None:
        hold = {"id": "h-g", "sale": SALE, "sku": "cup", "qty": 1, "unit_price_minor": 24_900}
        hold |= {"currency": "CNY", "expires_in_ms": 300_000, "version": 1, "state": "held"}
        self.server.held = [] if paid else [hold]
        view = {"id": group, "sale": SALE, "room": "demo", "sku": "cup", "title": "Cup"}
        view |= {"price_minor": 24_900, "normal_price_minor": 32_900, "currency": "CNY"}
        view |= {"need": 3, "joined": joined, "paid": paid, "state": state, "leader": "M***"}
        view |= {"deadline_ms": NOW_MS + LASTS_MS}
        own = "held" if state == "forming" else "sold" if state == "formed" else "expired"
        self.seats = [{"group": view, "reservation": "h-g", "state": own, "is_leader": True}]

    def tell(self, kind: str, payload: dict[str, Any]) -> None:
        self.offset += 1
        self.server.send(["S", self.offset, [[kind, payload, NOW_MS]]])

    def team(self, group: str, value: list[Any] | None) -> None:
        self.version += 1
        self.server.send(["K", self.offset, {f"group:{group}": [self.version, value]}])

    def open_team(self, group: str, joined: int, leader: str, ends_in_ms: int = LASTS_MS) -> None:
        self.team(group, [joined, 3, NOW_MS + ends_in_ms, SALE, leader])


@asynccontextmanager
async def open_group_buy(browser: Browser, **options: Any) -> AsyncIterator[tuple[Page, Host]]:
    """Yield a room in which a group buy was just opened."""
    async with open_room(browser, **options) as (page, server):
        host = Host(server)
        await expect(page.locator(STRIP)).to_be_hidden()
        host.tell("group_buy.opened", {"sale": make_campaign()})
        await expect(page.locator(STRIP)).to_be_visible()
        yield page, host


async def test_a_team_is_opened_from_the_room_and_shown_with_its_link(browser: Browser) -> None:
    async with open_group_buy(browser) as (page, host):
        assert "teams of 3, ¥249 each" in await page.inner_text("#news")
        await expect(page.locator(STRIP)).to_contain_text("¥249 in a team of 3")
        await expect(page.locator(MAIN)).to_have_text("Open a team")
        await page.click(MAIN)
        await expect(page.locator(f"{SHEET} [data-ref=state]")).to_have_text(
            "1 of 3 are in. It needs 2 more."
        )
        assert host.joins[0][0] == {"sale": SALE, "open": True}
        seats = page.locator(f"{SHEET} [data-ref=seats]")
        assert await seats.get_attribute("aria-label") == "1 of 3 seats are taken"
        await page.evaluate("delete Navigator.prototype.share")
        note = page.locator(f"{SHEET} [data-ref=note]")
        await page.click(f"{SHEET} [data-ref=share]")
        await expect(note).to_have_text(f"The team’s link: {SITE}/g/team-new")
        await page.evaluate(CLIPBOARD)
        await page.click(f"{SHEET} [data-ref=share]")
        await expect(note).to_contain_text("Link copied")
        assert (await page.evaluate("window.copied")).endswith("/g/team-new")
        await page.click(f"{SHEET} [data-ref=pay]")
        await expect(page.locator("#checkout-sheet dialog")).to_be_visible()
        await expect(page.locator("#checkout-sheet")).to_contain_text("charged only when the team")


async def test_the_team_that_ends_soonest_is_the_first_to_join(browser: Browser) -> None:
    async with open_group_buy(browser) as (page, host):
        host.open_team("late", 2, "L***", 900_000)
        host.open_team("soon", 1, "A***", 300_000)
        line = page.locator(f"{STRIP} [data-ref=line]")
        await expect(line).to_contain_text("A***’s team · needs 2 more · ")
        assert await page.get_attribute(MAIN, "aria-label") == "Join A***’s team, it needs 2 more"
        await page.click(f"{STRIP} [data-ref=more]")
        rows = page.locator(f"{SHEET} .team-row")
        await expect(rows).to_have_count(2)
        assert ["A***" in text for text in await rows.all_inner_texts()] == [True, False]
        await rows.nth(1).get_by_role("button").click()
        await expect(page.locator(f"{SHEET} [data-ref=state]")).to_contain_text("2 of 3 are in.")
        assert host.joins == [({"sale": SALE, "group": "late"}, host.joins[0][1])]


async def test_a_full_team_gives_way_to_the_next_and_then_to_a_new_one(browser: Browser) -> None:
    async with open_group_buy(browser) as (page, host):
        host.open_team("gone", 2, "G***", 300_000)
        await expect(page.locator(MAIN)).to_have_text("Join")
        host.refusals = ["group_full"]
        await page.click(MAIN)
        note = page.locator(f"{STRIP} [data-ref=note]")
        await expect(note).to_contain_text("This team is full.")
        await expect(page.locator(MAIN)).to_have_text("Open a team")
        await page.click(MAIN)
        await expect(page.locator(f"{SHEET} [data-ref=state]")).to_contain_text("1 of 3 are in.")
        assert [wish for wish, _ in host.joins] == [
            {"sale": SALE, "group": "gone"},
            {"sale": SALE, "open": True},
        ]


async def test_an_unknown_outcome_is_asked_again_with_one_key(browser: Browser) -> None:
    async with open_group_buy(browser) as (page, host):
        host.refusals = ["unknown_outcome"]
        asked: list[str] = []
        before = host.answer_call

        async def answer_call(route: Route, method: str, path: str) -> None:
            if method == "POST" and path == f"/api/sales/{SALE}/groups":
                asked.append(route.request.headers["idempotency-key"])
                host.seat("team-new", joined=1)
                seat = {"group": "team-new", "reservation": host.server.held[0]}
                await route.fulfill(status=201, json=seat)
            else:
                await before(route, method, path)

        host.server.answer_call = answer_call  # type: ignore[method-assign]
        await page.click(MAIN)
        await expect(page.locator(f"{SHEET} [data-ref=state]")).to_contain_text("1 of 3 are in.")
        assert asked == [host.joins[0][1]]


async def test_who_is_in_already_sees_the_own_team(browser: Browser) -> None:
    async with open_group_buy(browser) as (page, host):
        host.open_team("other", 2, "O***")
        host.refusals = ["already_in_group"]
        host.seat("mine", joined=1, paid=1)
        await page.click(MAIN)
        await expect(page.locator(f"{STRIP} [data-ref=line]")).to_contain_text("1 of 3 are in.")
        await expect(page.locator(f"{STRIP} [data-ref=note]")).to_contain_text("in a team of this")
        await expect(page.locator(MAIN)).to_have_text("Share")


async def test_ones_team_moves_by_the_line_and_its_end_is_told(browser: Browser) -> None:
    async with open_group_buy(browser) as (page, host):
        await page.click(MAIN)
        await page.locator(f"{SHEET} dialog").wait_for()
        await page.keyboard.press("Escape")
        host.open_team("team-new", 1, "M***")
        await expect(page.locator(MAIN)).to_have_text("Pay ¥249")
        host.seat("team-new", joined=2, paid=1)
        host.open_team("team-new", 2, "M***")
        await expect(page.locator(f"{STRIP} [data-ref=line]")).to_contain_text("It needs 1 more.")
        host.seat("team-new", joined=3, paid=3, state="formed")
        news = {"group": "team-new", "sale": SALE, "joined": 3, "need": 3}
        host.server.send(["D", "group.formed", news])
        await expect(page.locator(STRIP)).to_contain_text("Your team is full. It is yours.")
        assert await page.inner_text("#own-news") == "Your team is full. It is yours."
        await expect(page.locator(MAIN)).to_be_hidden()


@pytest.mark.parametrize("way", ["completed", "capture_failed"])
async def test_a_seat_that_is_not_paid_in_a_whole_team_is_not_called_ones_own(
    browser: Browser, way: str
) -> None:
    """The shop completed the team, or the money could not be taken: there is time to pay."""
    async with open_group_buy(browser) as (page, host):
        await page.click(MAIN)
        await page.locator(f"{SHEET} dialog").wait_for()
        host.seat("team-new", joined=3, state="formed")
        if way == "completed":
            news = {"group": "team-new", "sale": SALE, "joined": 3, "need": 3, "is_completed": True}
            host.server.send(["D", "group.formed", news])
            told = "your seat is not paid"
        else:
            order = {"id": "o-1", "state": "awaiting_payment", "total_minor": 24_900}
            lost = {"order": order | {"currency": "CNY"}, "expires_in_ms": 600_000}
            host.server.send(["D", "order.capture_failed", lost])
            told = "could not be taken. Pay another way within 10:00"
        await expect(page.locator("#own-news")).to_contain_text(told)
        for part in (f"{STRIP} [data-ref=line]", f"{SHEET} [data-ref=state]"):
            await expect(page.locator(part)).to_have_text(
                "Your team is complete, and your seat is not paid. Pay in time to have it."
            )
        await page.keyboard.press("Escape")
        await expect(page.locator(MAIN)).to_have_text("Pay ¥249")


async def test_a_cancelled_group_buy_says_that_nothing_was_charged(browser: Browser) -> None:
    async with open_group_buy(browser) as (page, host):
        await page.click(MAIN)
        await page.locator(f"{SHEET} dialog").wait_for()
        host.seat("team-new", joined=1, paid=1, state="failed")
        closed = {"sale": SALE, "state": "cancelled", "ends_at_ms": NOW_MS}
        host.tell("group_buy.closed", closed)
        news = {"group": "team-new", "sale": SALE, "joined": 1, "need": 3, "reason": "cancelled"}
        host.server.send(["D", "group.failed", news])
        await expect(page.locator(f"{STRIP} [data-ref=note]")).to_contain_text(
            "Nothing was charged"
        )
        await expect(page.locator(f"{STRIP} [data-ref=line]")).to_have_text(
            "The group buy is over."
        )


async def test_a_seat_is_given_back_by_one_press(browser: Browser) -> None:
    async with open_group_buy(browser) as (page, host):
        await page.click(MAIN)
        await page.click(f"{SHEET} [data-ref=leave]")
        await expect(page.locator(f"{STRIP} [data-ref=note]")).to_contain_text("You left the team.")
        await expect(page.locator(MAIN)).to_have_text("Open a team")
        assert host.left == ["/api/groups/team-new/seat"]


async def test_a_visitor_is_asked_for_a_name_and_seated_then(browser: Browser) -> None:
    async with open_group_buy(browser, user=None) as (page, host):
        await page.click(MAIN)
        await page.fill("#sign-in-name", "Mika")
        answered = page.locator(f"{SHEET} [data-ref=state]")
        posted: list[str] = []
        before = host.answer_call

        async def answer_call(route: Route, method: str, path: str) -> None:
            if method == "POST" and path.endswith("/groups"):
                posted.append(path)
                host.seat("team-new", joined=1)
                seat = {"group": "team-new", "reservation": host.server.held[0]}
                await route.fulfill(status=201, json=seat)
            else:
                await before(route, method, path)

        host.server.answer_call = answer_call  # type: ignore[method-assign]
        await page.keyboard.press("Enter")
        await expect(answered).to_contain_text("1 of 3 are in.")
        assert len(posted) + len(host.joins) == 1


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_strip_and_sheet_fit_and_have_no_serious_fault(
    browser: Browser, language: str
) -> None:
    async with open_group_buy(browser, language=language) as (page, host):
        for index in range(4):
            host.open_team(f"t{index}", 1, "A***", 300_000 + index)
        await expect(page.locator(f"{STRIP} [data-ref=more]")).to_contain_text("4")
        for width in (320, 360, 820, 1440):
            await page.set_viewport_size({"width": width, "height": 740})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            box = await page.locator(MAIN).bounding_box()
            assert box is not None
            assert box["height"] >= 44
            assert box["x"] + box["width"] <= width
        faults = await find_faults(page)
        await page.click(f"{STRIP} [data-ref=more]")
        await page.locator(f"{SHEET} .team-row").first.wait_for()
        await page.wait_for_timeout(400)
        faults += await find_faults(page)
        assert faults == []
