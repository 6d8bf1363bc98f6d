"""Two people and the last unit: one holds it, the other waits in line, gets it and pays."""

from __future__ import annotations

from collections.abc import Callable

from playwright.async_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.support.api import Caller, audit_now, log_in, start_flash_sale
from tests.support.program import Program

CARD = "#card article.card"
MAIN = "#card-main"
CHANCE = "#chance-sheet dialog"
STEP_MS = 60_000


async def come_in(open_page: OpenPage, url: str, name: str) -> Page:
    """Open the room and give a name."""
    page = await open_page(f"{url}/r/demo")
    await page.locator("live-composer").click()
    await page.fill("#sign-in-name", name)
    await page.locator("live-sign-in button").click()
    await expect(page.locator("#name-sheet dialog")).to_be_hidden()
    await expect(page.locator("#user-avatar")).to_have_attribute("title", name)
    return page


async def expect_state(page: Page, state: str) -> None:
    """Wait until the card is in a state."""
    await expect(page.locator(CARD)).to_have_attribute("data-state", state, timeout=STEP_MS)


async def press_for(page: Page, state: str) -> None:
    """Press the card's button, and wait for what it leads to."""
    await page.click(MAIN)
    await expect_state(page, state)


async def expect_line(host: Caller, sale_id: str, expected: list[int] | None) -> None:
    """Check what the room says of the sale's line."""
    sales = (await host.call("GET", "/api/rooms/demo"))["sales"]
    assert next(sale for sale in sales if sale["id"] == sale_id).get("waiting") == expected


async def pay(page: Page) -> None:
    """Say yes on the sheet, pay on the sandbox's page, and come to the paid order."""
    yes = page.locator("#chance-sheet [data-ref=pay]")
    checkout = page.locator("#checkout-sheet [data-ref=pay]")
    # Right after it came up the sheet ignores presses that were meant for what lay below.
    await page.wait_for_timeout(400)
    await yes.click()
    await checkout.click()
    await page.wait_for_url("**/sandbox-pay/**")
    await page.click("button[value=pay]")
    await page.wait_for_url("**/orders/*")
    await expect(page.locator("#order")).to_contain_text("Paid. It is yours.", timeout=STEP_MS)


async def test_who_waits_gets_the_unit_that_comes_back(
    serve: Callable[..., Program], open_page: OpenPage
) -> None:
    url = serve().url
    host = await log_in(url, "host")
    sale = await start_flash_sale(host, quantity=1, countdown_s=0)
    ada, bo = [await come_in(open_page, url, name) for name in ("Ada", "Bo")]
    await expect_state(ada, "open")
    await press_for(ada, "held")

    # Everybody sees that the only one is held; Bo joins the line, and has a place in it.
    await expect_state(bo, "refused-held_out")
    await expect(bo.locator(MAIN)).to_have_text("Join the waiting list · 1st in line")
    await press_for(bo, "waiting")
    await expect(bo.locator(CARD)).to_contain_text("You are 1st in line")
    await expect_line(host, sale["id"], [1, 0])
    await bo.goto(f"{url}/orders")
    await expect(bo.locator(".waiting-row")).to_contain_text("You are 1st in line")
    await bo.goto(f"{url}/r/demo")
    await expect_state(bo, "waiting")

    # Ada lets go: nobody else sees the unit free, it is Bo's turn, also after a reload.
    await ada.get_by_role("button", name="Let it go").click()
    await expect(bo.locator(CHANCE)).to_be_visible(timeout=STEP_MS)
    await expect(bo.locator(CHANCE)).to_contain_text("One came back and is yours for")
    await expect_line(host, sale["id"], [0, 1])
    await bo.reload()
    await expect(bo.locator(CHANCE)).to_be_visible(timeout=STEP_MS)
    await pay(bo)

    # It is sold, the line is gone, and every promise holds.
    await expect_state(ada, "refused-sold_out")
    await expect_line(host, sale["id"], None)
    operator = await log_in(url, "operator")
    assert (await audit_now(operator))["violations"] == []
    for caller in (host, operator):
        await caller.close()
