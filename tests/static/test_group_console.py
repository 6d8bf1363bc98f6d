"""Group buys in the console's real page: opened by keyboard, taken back, closed, a team completed.

Invariant: no server runs; every command the page sends is remembered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.static.test_console_page import (
    NOW_MS,
    Server,
    make_console,
    make_sale,
    open_console,
    wait_told,
)
from tests.support.axe import find_faults

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.pages

DESK = "live-group-desk"
FORM = "live-group-form"
TEAMS = "/api/rooms/demo/groups"
READS_MANY = 40


def make_campaign(**changes: Any) -> dict[str, Any]:
    group = {"need": 3, "lasts_ms": 86_400_000}
    return make_sale(1, id="g1", kind="group", price_minor=24_900, group=group, **changes)


def make_team(**changes: Any) -> dict[str, Any]:
    team = {"id": "team-a", "sale": "g1", "room": "demo", "sku": "sku-1", "title": "Thing 1"}
    team |= {"price_minor": 24_900, "normal_price_minor": 32_900, "currency": "CNY", "need": 3}
    team |= {"joined": 2, "paid": 2, "state": "forming", "leader": "A***"}
    return team | {"deadline_ms": NOW_MS + 600_000} | changes


def say_opened(server: Server, stock: list[int]) -> None:
    event = ["group_buy.opened", {"sale": make_campaign(stock=stock)}, NOW_MS]
    server.socket.send(json.dumps(["S", 2, [event]]))


async def open_teams(page: Page) -> None:
    await page.locator(DESK).get_by_role("button", name="Teams (").click()
    await expect(page.locator(f"{DESK} .group-team")).to_have_count(1)


async def test_a_group_buy_is_opened_by_keyboard_for_the_pinned_item(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.keyboard.press("g")
        await expect(page.locator(f"{FORM} select")).to_have_value("i1")
        await page.keyboard.type("249")
        await expect(page.locator(f"{FORM} [data-ref=says]")).to_contain_text("at ¥249")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        wish = {"sku": "sku-1", "price_minor": 24_900, "need": 3, "quantity": 45}
        wish |= {"per_buyer": 1, "lasts_s": 86_400, "guard": {"max_cut_percent": 40}}
        assert server.told == [("POST", "/api/rooms/demo/group-buys", wish)]


async def test_a_wrong_field_is_named_and_nothing_is_sent(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.locator(DESK).get_by_role("button", name="Group buy").click()
        await page.fill(f"{FORM} [name=teams]", "31")
        await page.keyboard.press("Enter")
        await expect(page.locator(f"{FORM} [data-ref=says]")).to_contain_text("Whole teams")
        assert await page.get_attribute(f"{FORM} [name=teams]", "aria-invalid") == "true"
        await page.fill(f"{FORM} [name=teams]", "2")
        await page.fill(f"{FORM} [name=price]", "24.9")
        await page.keyboard.press("Enter")
        await expect(page.locator(f"{FORM} [name=repeat]")).to_be_focused()
        assert server.told == []
        await page.keyboard.type("24.9")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)


async def test_it_is_taken_back_while_nobody_has_joined(browser: Browser) -> None:
    async with open_console(browser, reads={TEAMS: [{"groups": []}] * READS_MANY}) as (
        page,
        server,
    ):
        say_opened(server, [9, 0, 0])
        line = page.locator(f"{DESK} [data-ref=line]")
        await expect(line).to_contain_text("Thing 1 · ¥249 in a team of 3 · 9 free, 0 held, 0 paid")
        await page.locator(DESK).get_by_role("button", name="Take back").click()
        await wait_told(page, server, 1)
        assert server.told[0][:2] == ("POST", "/api/group-buys/g1/cancel")


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_closing_says_what_becomes_of_open_teams(
    browser: Browser, is_cancelled: bool
) -> None:
    reads = {TEAMS: [{"groups": [make_team()]}] * READS_MANY}
    async with open_console(browser, reads=reads) as (page, server):
        say_opened(server, [7, 2, 0])
        await expect(page.locator(DESK).get_by_role("button", name="Teams (1)")).to_be_visible()
        await page.locator(DESK).get_by_role("button", name="Close group buy").click()
        await expect(page.locator("live-ask")).to_contain_text("1 open team runs on")
        if is_cancelled:
            await page.locator("live-ask [data-ref=chosen]").check()
        await page.locator("live-ask [data-ref=yes]").click()
        await wait_told(page, server, 1)
        act = "cancel" if is_cancelled else "close"
        assert server.told[0][:2] == ("POST", f"/api/group-buys/g1/{act}")


async def test_a_team_is_completed_after_saying_what_it_means(browser: Browser) -> None:
    reads = {TEAMS: [{"groups": [make_team()]}] * READS_MANY}
    async with open_console(browser, reads=reads) as (page, server):
        say_opened(server, [7, 2, 0])
        await open_teams(page)
        row = page.locator(f"{DESK} .group-team")
        await expect(row).to_contain_text("A***’s team2 of 3 joined, 2 paid")
        await row.get_by_role("button").click()
        ask = page.locator("live-ask")
        await expect(ask).to_contain_text("2 of 3 have paid. They get Thing 1 at ¥249")
        await expect(ask).to_contain_text("the receipts say that the shop completed it")
        await page.keyboard.press("Escape")
        assert server.told == []
        await row.get_by_role("button").click()
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        assert server.told[0][:2] == ("POST", "/api/groups/team-a/complete")


async def test_a_team_in_which_nobody_paid_cannot_be_completed(browser: Browser) -> None:
    reads = {TEAMS: [{"groups": [make_team(paid=0)]}] * READS_MANY}
    async with open_console(browser, reads=reads) as (page, server):
        say_opened(server, [7, 2, 0])
        await open_teams(page)
        await expect(page.locator(f"{DESK} .group-team button")).to_be_hidden()


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_desk_and_form_fit_and_have_no_serious_fault(browser: Browser, language: str) -> None:
    reads = {TEAMS: [{"groups": [make_team()]}] * READS_MANY}
    async with open_console(browser, language=language, reads=reads) as (page, server):
        say_opened(server, [7, 2, 0])
        await expect(page.locator(f"{DESK} [data-ref=line]")).to_contain_text("¥249")
        faults = await find_faults(page)
        for width in (360, 1280, 1440):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.keyboard.press("g")
        await expect(page.locator(f"{FORM} [name=price]")).to_be_focused()
        await page.wait_for_timeout(400)
        faults += await find_faults(page)
        assert faults == []


async def test_the_kill_switch_stops_a_group_buy_and_lets_it_go_on(browser: Browser) -> None:
    """By its key for the pinned item, and by the button beside its figures."""
    async with open_console(browser, reads={TEAMS: [{"groups": []}] * READS_MANY}) as (
        page,
        server,
    ):
        say_opened(server, [40, 3, 2])
        closed = ["flash.closed", {"sale": "f1", "state": "ended", "ends_at_ms": NOW_MS}, NOW_MS]
        server.socket.send(json.dumps(["S", 3, [closed]]))
        await expect(page.locator(f"{DESK} [data-ref=halt]")).to_have_text("Stop sale")
        await page.keyboard.press("e")
        ask = page.locator("live-ask dialog")
        await expect(ask).to_contain_text("Teams that form keep what was paid")
        await ask.locator("textarea").fill("wrong price")
        await ask.locator("[data-ref=yes]").click()
        await wait_told(page, server, 1)
        how = {"reason": "wrong price", "release_holds": False}
        assert server.told == [("POST", "/api/sales/g1/halt", how)]
        event = ["flash.halted", {"sale": "g1", "reason": "wrong price"}, NOW_MS]
        server.socket.send(json.dumps(["S", 4, [event]]))
        await expect(page.locator(f"{DESK} [data-ref=line]")).to_contain_text("wrong price")
        await page.locator(f"{DESK} [data-ref=halt]").click()
        await wait_told(page, server, 2)
        assert server.told[1][:2] == ("POST", "/api/sales/g1/resume")


async def test_teams_that_outlive_their_show_can_be_stopped(browser: Browser) -> None:
    """The room has the sale no more; its host still has its teams, and the way to stop them."""
    gone = make_campaign(state="ended", ends_at_ms=NOW_MS - 1, stock=[0, 2, 0])
    reads = {TEAMS: [{"groups": [make_team()]}] * READS_MANY}
    async with open_console(browser, reads=reads, group_buys=[gone]) as (page, server):
        await open_teams(page)
        await page.keyboard.press("Escape")
        await page.locator(DESK).get_by_role("button", name="Stop its teams").click()
        ask = page.locator("live-ask dialog")
        await expect(ask).to_contain_text("Stop the teams for Thing 1?")
        await expect(ask).to_contain_text("1 open team is over at once")
        await ask.locator("[data-ref=yes]").click()
        await wait_told(page, server, 1)
        assert server.told[0][:2] == ("POST", "/api/group-buys/g1/cancel")
        await page.locator(f"{DESK} [data-ref=halt]").click()
        await ask.locator("textarea").fill("wrong price")
        await ask.locator("[data-ref=yes]").click()
        await wait_told(page, server, 2)
        assert server.told[1][:2] == ("POST", "/api/sales/g1/halt")


async def test_the_desk_turns_to_every_group_buy_that_goes_on(browser: Browser) -> None:
    gone = make_campaign(state="ended", ends_at_ms=NOW_MS - 1, stock=[0, 2, 0]) | {"id": "g0"}
    reads = {TEAMS: [{"groups": [make_team(sale="g0", title="Old thing")]}] * READS_MANY}
    async with open_console(browser, reads=reads, group_buys=[gone]) as (page, server):
        say_opened(server, [9, 0, 0])
        line = page.locator(f"{DESK} [data-ref=line]")
        await expect(line).to_contain_text("9 free")
        await page.locator(DESK).get_by_role("button", name="Other group buys (1)").click()
        await expect(line).to_contain_text("0 free, 2 held")
        await page.locator(DESK).get_by_role("button", name="Other group buys (1)").click()
        await expect(line).to_contain_text("9 free")


async def test_a_price_that_the_server_doubts_is_typed_again(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.keyboard.press("g")
        await page.keyboard.type("24.9")
        await page.locator(f"{FORM} input[name=repeat]").fill("24.9")
        await page.locator(f"{FORM} [data-ref=rules] summary").click()
        await page.locator(f"{FORM} input[name=drop_limit]").fill("2")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        _, _, wish = server.told[0]
        assert (wish["price_minor"], wish["confirm_price_minor"]) == (2_490, 2_490)
        assert wish["rules"] == {"drop_limit": 2}


@pytest.mark.parametrize(("language", "words"), [("en", "Not charged yet"), ("zh", "尚未扣款")])
async def test_an_order_whose_money_waits_keeps_within_its_row(
    browser: Browser, language: str, words: str
) -> None:
    """It waits for a team or for a threshold; the thing and the buttons stay in sight."""
    waits = {"state": "awaiting_group", "title": "A long name of a thing that is sold in teams"}
    orders = [make_console()["orders"][0] | waits]
    async with open_console(browser, language=language, size=(1280, 800), orders=orders) as (
        page,
        _,
    ):
        row = page.locator(".feed-row")
        await expect(row.locator(".feed-state")).to_have_text(words)
        wide, room = await row.evaluate("row => [row.scrollWidth, row.clientWidth]")
        assert wide <= room
        title = await row.locator(".feed-what").bounding_box()
        assert title is not None
        assert title["width"] > 60
