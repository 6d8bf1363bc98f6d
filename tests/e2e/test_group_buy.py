"""Three phones form a team from the room and by its link, and a fourth is offered a new one."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.async_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.test_coupons import SECONDS_MAX
from tests.support.api import audit_now, log_in
from tests.support.console_page import open_selling_console
from tests.support.program import Program

STEP_MS = 60_000
JOIN = "#group-join"
STRIP = "live-group-buy"


async def pay_at_provider(page: Page) -> None:
    """Pay on the sandbox's page, and come to the order."""
    await page.wait_for_url("**/sandbox-pay/**", timeout=STEP_MS)
    await page.click("button[value=pay]")
    await page.wait_for_url("**/orders/*", timeout=STEP_MS)


async def open_in_console(console: Page, room: Page) -> None:
    """Open a group buy by keyboard alone; the room shows it within seconds."""
    await expect(console.locator("live-now-panel")).to_contain_text("Kiln-change tea bowl")
    began = time.monotonic()
    await console.keyboard.press("g")
    await console.keyboard.type("249")
    await console.keyboard.press("Enter")
    await expect(room.locator(STRIP)).to_contain_text("¥249 in a team of 3")
    assert time.monotonic() - began < SECONDS_MAX


async def open_and_pay(page: Page, name: str) -> str:
    """Open a team from the room's card as somebody without a name, pay, and return its path."""
    strip = page.locator(STRIP)
    await expect(strip).to_contain_text("¥249 in a team of 3", timeout=STEP_MS)
    await strip.get_by_role("button", name="Open a team").click()
    await page.fill("#sign-in-name", name)
    await page.locator("live-sign-in button").click()
    sheet = page.locator("#team-sheet")
    await expect(sheet.locator("[data-ref=state]")).to_contain_text(
        "It needs 2 more.", timeout=STEP_MS
    )
    await sheet.locator("[data-ref=pay]").click()
    await page.locator("#checkout-sheet [data-ref=pay]").click()
    await pay_at_provider(page)
    await expect(page.locator("#order")).to_contain_text("1 of 3 have paid", timeout=STEP_MS)
    path = await page.locator("#order a[href^='/g/']").get_attribute("href")
    assert path is not None
    return path


async def join_in_room(page: Page, name: str) -> None:
    """Join the team that the room's card shows, and pay."""
    join = page.locator(STRIP).get_by_role("button", name="Join")
    await expect(page.locator(STRIP)).to_contain_text("O***’s team · needs 2 more", timeout=STEP_MS)
    await join.click()
    await page.fill("#sign-in-name", name)
    await page.locator("live-sign-in button").click()
    await page.locator("#team-sheet [data-ref=pay]").click()
    await page.locator("#checkout-sheet [data-ref=pay]").click()
    await pay_at_provider(page)


async def join_and_pay(page: Page, name: str) -> None:
    """Press the button, give a name, see what it costs, and pay on the sandbox's page."""
    await page.click(JOIN)
    await page.fill("#sign-in-name", name)
    await page.locator("live-sign-in button").click()
    await page.locator("#checkout-sheet [data-ref=pay]").click()
    await pay_at_provider(page)


async def test_three_phones_form_a_team_and_a_fourth_is_offered_a_new_one(
    serve: Callable[..., Program], open_page: OpenPage
) -> None:
    url = serve().url
    console = await open_selling_console(open_page, url)
    room = f"{url}/r/demo"
    first, second = await open_page(room, 360, 740), await open_page(room, 360, 740)
    await open_in_console(console, first)
    link = url + await open_and_pay(first, "Olga")
    await join_in_room(second, "Bo")
    third, fourth = await open_page(link, 360, 740), await open_page(link, 1280, 800)
    await expect(third.locator("#group-state")).to_contain_text("Needs 1 more")
    await expect(third.locator(JOIN)).to_have_text("Join this team")
    await join_and_pay(third, "Cleo")
    for page in (first, second, third):
        await page.reload()
        await expect(page.locator("#order")).to_contain_text("Paid. It is yours.", timeout=STEP_MS)
        await expect(page.locator("#order")).to_contain_text("Bought as a team of 3")

    watching = await open_page(room)
    await expect(fourth.locator("#group-state")).to_contain_text("Complete", timeout=STEP_MS)
    await expect(fourth.locator(JOIN)).to_have_text("Open a new team")
    await expect(watching.locator(STRIP)).to_contain_text("No team yet", timeout=STEP_MS)
    await join_and_pay(fourth, "Dora")
    await expect(watching.locator(STRIP)).to_contain_text(
        "D***’s team · needs 2 more", timeout=STEP_MS
    )
    await expect(fourth.locator("#order")).to_contain_text("1 of 3 have paid", timeout=STEP_MS)
    await fourth.locator("[data-act=cancel]").click()
    await fourth.click("#cancel-yes")
    await expect(fourth.locator("#order")).to_contain_text("Cancelled", timeout=STEP_MS)
    operator = await log_in(url, "operator")
    report = await audit_now(operator)
    assert report["violations"] == []
    await operator.close()
    await console.locator("live-group-desk [data-ref=show]").click()
    await expect(console.locator(".group-teams")).to_contain_text(
        "3 of 3 joined, 3 paid", timeout=STEP_MS
    )
