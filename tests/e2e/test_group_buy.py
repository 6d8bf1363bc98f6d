"""Three phones form a team by its shared link, and a fourth is offered a new one."""

from __future__ import annotations

from collections.abc import Callable

from playwright.async_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.support.api import audit_now, enter, log_in
from tests.support.program import Program

STEP_MS = 30_000
JOIN = "#group-join"


async def join_and_pay(page: Page, name: str) -> None:
    """Press the button, give a name, and pay on the sandbox's page."""
    await page.click(JOIN)
    await page.fill("#sign-in-name", name)
    await page.locator("live-sign-in button").click()
    await page.wait_for_url("**/sandbox-pay/**", timeout=STEP_MS)
    await page.click("button[value=pay]")
    await page.wait_for_url("**/orders/*", timeout=STEP_MS)


async def test_three_phones_form_a_team_and_a_fourth_is_offered_a_new_one(
    serve: Callable[..., Program], open_page: OpenPage
) -> None:
    url = serve().url
    host, opener = await log_in(url, "host"), await enter(url, "Olga")
    await host.call("POST", "/api/rooms/demo/start")
    terms = {"sku": "demo-tea-bowl", "price_minor": 24_900, "need": 3, "quantity": 6}
    answer = await host.call("POST", "/api/rooms/demo/group-buys", terms, status=201)
    sale = answer["sale"]["id"]
    # The opener lets the seat go again when others are in: the team is the phones' alone.
    seat = await opener.call("POST", f"/api/sales/{sale}/groups", {"open": True}, status=201)
    link = f"{url}/g/{seat['group']}"
    first, fourth = await open_page(link, 360, 740), await open_page(link, 1280, 800)
    await expect(first.locator("#group-state")).to_contain_text("Needs 2 more")
    await expect(first.locator(JOIN)).to_have_text("Join this team")
    await join_and_pay(first, "Ada")
    await expect(first.locator("#order")).to_contain_text("1 of 3 have paid", timeout=STEP_MS)
    await expect(first.locator("#order a[href^='/g/']")).to_be_visible()
    await opener.call("DELETE", f"/api/groups/{seat['group']}/seat")
    second, third = await open_page(link), await open_page(link)
    await join_and_pay(second, "Bo")
    await join_and_pay(third, "Cleo")
    for page in (first, second, third):
        await page.reload()
        await expect(page.locator("#order")).to_contain_text("Paid. It is yours.", timeout=STEP_MS)
        await expect(page.locator("#order")).to_contain_text("Bought as a team of 3")

    await expect(fourth.locator("#group-state")).to_contain_text("Complete", timeout=STEP_MS)
    await expect(fourth.locator(JOIN)).to_have_text("Open a new team")
    await join_and_pay(fourth, "Dora")
    await expect(fourth.locator("#order")).to_contain_text("1 of 3 have paid", timeout=STEP_MS)
    await fourth.locator("[data-act=cancel]").click()
    await fourth.click("#cancel-yes")
    await expect(fourth.locator("#order")).to_contain_text("Cancelled", timeout=STEP_MS)
    operator = await log_in(url, "operator")
    report = await audit_now(operator)
    assert report["violations"] == []
    for caller in (host, opener, operator):
        await caller.close()
