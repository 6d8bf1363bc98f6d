"""Coupons from the host's form to the buyer's receipt: dropped, claimed, chosen, paid."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.async_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.support.api import eventually
from tests.support.console_page import open_selling_console
from tests.support.program import Program

# From the press on the form's button to the room that shows the drop: a second or two, and more on
# a busy machine.
SECONDS_MAX = 30.0


async def drop_in_console(console: Page, room: Page) -> None:
    """Drop coupons with the form; the room shows them within seconds."""
    desk = console.locator("live-drop-desk")
    began = time.monotonic()
    await desk.locator("[data-ref=new]").click()
    await desk.locator("[name=threshold]").fill("100")
    await desk.locator("[name=countdown_s]").fill("3")
    await desk.locator("[name=countdown_s]").press("Enter")
    await expect(room.locator("live-drop .drop-off")).to_have_text("¥30 off")
    assert time.monotonic() - began < SECONDS_MAX
    await expect(desk.locator("[role=status]")).to_contain_text("100 of 100 left")


async def claim_in_room(room: Page) -> None:
    """Claim one as somebody who has no name here yet."""
    await room.locator("live-drop [data-ref=claim]:enabled").click()
    await room.fill("#sign-in-name", "Lena")
    await room.locator("live-sign-in button").click()
    note = room.locator("live-drop .drop-note")
    await expect(note).to_have_text("Yours. It is offered when you pay.")
    await expect(room.locator("live-drop")).to_contain_text("99 of 100 left")


async def pay_with_coupon(room: Page) -> None:
    """Check out: the best coupon is chosen already, none can be, and the total follows."""
    pay = room.locator("#checkout-sheet [data-ref=pay]")

    async def is_checkout_open() -> bool:
        await room.click("#card-main")
        return await pay.is_visible()

    await eventually(is_checkout_open)
    await expect(pay).to_have_text("Pay ¥307.00")
    sums = room.locator("#checkout-sheet .sums")
    await expect(sums).to_contain_text("−¥30.00")
    await expect(sums).to_contain_text("Shipping¥8.00")
    coupon = room.locator("#checkout-sheet [data-ref=coupon]")
    await coupon.select_option("")
    await expect(pay).to_have_text("Pay ¥337.00")
    await coupon.select_option(index=0)
    await expect(pay).to_have_text("Pay ¥307.00")
    await pay.click()
    await room.wait_for_url("**/sandbox-pay/**")
    await expect(room.locator("main")).to_contain_text("307")
    await room.click("button[value=pay]")
    await room.wait_for_url("**/orders/*")


async def test_a_host_drops_coupons_and_a_viewer_pays_with_one(
    serve: Callable[..., Program], open_page: OpenPage
) -> None:
    """The total is the same in check-out, at the provider and on the receipt."""
    program = serve(environment={"HUBBUB_SHIPPING_MINOR": "800", "HUBBUB_TAX_RATE": "1300"})
    console = await open_selling_console(open_page, program.url)
    room = await open_page(f"{program.url}/r/demo")
    await expect(room.locator("live-drop")).to_be_hidden()
    await drop_in_console(console, room)
    await claim_in_room(room)
    await pay_with_coupon(room)
    receipt = room.locator("live-receipt")
    await expect(receipt).to_contain_text("Paid. It is yours.")
    await expect(receipt.locator("[data-part=discount]")).to_contain_text("−¥30.00")
    await expect(receipt.locator(".sums-total")).to_contain_text("¥307.00")
    await room.goto(f"{program.url}/orders")
    await expect(room.locator("[data-coupons]")).to_contain_text("used")
    desk = console.locator("live-drop-desk")
    await expect(desk.locator("[role=status]")).to_contain_text("99 of 100 left")
    await desk.locator("[data-ref=close]").click()
    await expect(desk.locator("[data-ref=new]")).to_be_visible()
