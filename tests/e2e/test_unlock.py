"""Three phones press, see how far the price is from falling, and pay the price that fell."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from playwright.async_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.test_main_job import CARD, MAIN, come_in
from tests.support.api import audit_now, eventually, log_in
from tests.support.console_page import open_selling_console
from tests.support.program import Program

UNITS = 3
STEP_MS = 60_000
LINE = f"{CARD} [data-ref=unlock]"
ORDER = "#order"
FORM = "live-arm-form"


async def arm_in_console(console: Page) -> None:
    """Arm a sale at ¥269 whose price falls to ¥239 with the third unit."""
    await console.keyboard.press("f")
    for name, value in {"price": "269", "quantity": "10", "countdown_s": "1"}.items():
        await console.fill(f"{FORM} input[name={name}]", value)
    await console.locator(f"{FORM} [data-ref=unlock] summary").click()
    await console.fill(f"{FORM} input[name=unlock_units]", str(UNITS))
    await console.fill(f"{FORM} input[name=unlock_price]", "239")
    await console.keyboard.press("Enter")


async def press(page: Page) -> None:
    """Press once when the sale is open, and hold a unit of it."""
    card = page.locator(CARD)
    await expect(page.locator(LINE)).to_contain_text("more paid", timeout=STEP_MS)
    await expect(card).to_have_attribute("data-state", "open", timeout=STEP_MS)
    await page.click(MAIN)
    await expect(card).to_have_attribute("data-state", "held", timeout=STEP_MS)


async def pay(page: Page, price: str) -> None:
    """Check out for a price and pay on the sandbox's page."""
    button = page.locator("#checkout-sheet [data-ref=pay]")

    async def is_checkout_open() -> bool:
        # Right after an answer the card ignores presses, so that a double tap pays nothing.
        await page.click(MAIN)
        return await button.is_visible()

    await eventually(is_checkout_open)
    await expect(button).to_have_text(f"Pay {price}")
    await expect(page.locator("#checkout-sheet")).to_contain_text("¥239.00")
    await button.click()
    await page.wait_for_url("**/sandbox-pay/**", timeout=STEP_MS)
    await page.click("button[value=pay]")
    await page.wait_for_url("**/orders/*", timeout=STEP_MS)


async def test_phones_see_the_price_come_nearer_and_pay_the_one_that_fell(
    serve: Callable[..., Program], open_page: OpenPage
) -> None:
    """Who paid first, who only holds, and who comes after: all of them pay ¥239."""
    url = serve().url
    console = await open_selling_console(open_page, url)
    names = {"Ada": (390, 844), "Bo": (360, 740), "Cai": (390, 844)}
    first, second, third = [await come_in(open_page, url, *one) for one in names.items()]
    holder = await come_in(open_page, url, "Dee", (360, 740))
    await arm_in_console(console)
    await asyncio.gather(*(press(page) for page in (first, second, third, holder)))
    await expect(holder.locator(LINE)).to_have_text(
        "3 more paid, and everybody pays ¥239. Else ¥269, as agreed."
    )
    await pay(first, "¥269.00")
    await expect(first.locator(ORDER)).to_contain_text("Once 3 are paid for you pay ¥239")
    for page in (third, holder):
        await expect(page.locator(LINE)).to_contain_text("2 more paid", timeout=STEP_MS)
    await pay(second, "¥269.00")
    await expect(holder.locator(LINE)).to_contain_text("1 more paid", timeout=STEP_MS)
    await expect(console.locator("live-now-panel")).to_contain_text("2 of 3 paid for ¥239")
    await pay(third, "¥269.00")

    await expect(holder.locator(LINE)).to_contain_text("Everybody pays ¥239", timeout=STEP_MS)
    await expect(holder.locator(MAIN)).to_contain_text("¥239")
    await pay(holder, "¥239.00")
    for page in (first, second, third, holder):
        await page.reload()
        await expect(page.locator(ORDER)).to_contain_text("Paid. It is yours.", timeout=STEP_MS)
        await expect(page.locator(ORDER)).to_contain_text(re.compile(r"Price paid\s*¥239"))
    for page in (first, second, third):
        await expect(page.locator(ORDER)).to_contain_text("The price fell for everybody")
    operator = await log_in(url, "operator")
    report = await audit_now(operator)
    assert report["violations"] == []
    money = await operator.call("GET", "/api/payments/calls")
    assert money["calls"] == []
    await operator.close()
