"""Money goes back: asked for in the host's console, read by the buyer on their order's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.async_api import Browser, expect

from server.auth.tokens import SESSION_COOKIE
from tests.e2e.conftest import OpenPage
from tests.support.api import enter, eventually, log_in, pay, start_flash_sale
from tests.support.program import Program


async def test_a_host_gives_a_part_and_then_the_rest_back(
    serve: Callable[..., Program], open_page: OpenPage, browser: Browser
) -> None:
    """The feed follows; the buyer sees each refund with its reason."""
    program = serve()
    host, buyer = await log_in(program.url, "host"), await enter(program.url, "Lena")
    sale = await start_flash_sale(host, countdown_s=0)

    async def reserve() -> Any:
        answer = await buyer.http.post(
            f"/api/sales/{sale['id']}/reservations",
            json={"qty": 1},
            headers={"Idempotency-Key": "press"},
        )
        return answer.json()["reservation"]["id"] if answer.status_code == 201 else None

    order = await pay(buyer, await eventually(reserve))
    page = await open_page(f"{program.url}/console/demo", 1440, 900)
    await page.fill("#login-name", "host")
    await page.fill("#login-password", "demo-host")
    await page.click("#login-go")
    row = page.locator(".feed-row").first
    form = page.locator("live-refund-form")
    for amount, reason, words in (
        ("9", "A scratch", ["Paid", "¥9 back"]),
        (None, "Sent back", ["Paid back"]),
    ):
        await row.locator(".feed-refund").click()
        if amount:
            await form.locator("[name=amount]").fill(amount)
        await form.locator("[name=reason]").fill(reason)
        await form.locator("[data-ref=yes]").click()
        said = row.locator(".feed-state, .feed-back:not([hidden])")
        await expect(said).to_have_text(words, timeout=60_000)
    context = await browser.new_context(locale="en-US")
    cookie = {"name": SESSION_COOKIE, "value": buyer.token, "url": program.url}
    await context.add_cookies([cookie])  # type: ignore[list-item]
    mine = await context.new_page()
    await mine.goto(f"{program.url}/orders/{order['id']}")
    refunds = mine.locator(".receipt-refunds")
    await expect(refunds).to_contain_text("A scratch")
    await expect(refunds).to_contain_text("Sent back")
    await expect(mine.locator(".order-state")).to_have_text("Paid back")
    await context.close()
    await host.close()
    await buyer.close()
