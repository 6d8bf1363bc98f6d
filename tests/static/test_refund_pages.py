"""Giving money back from the console, in Chromium with a server made of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_console_page import HOSTILE, make_console, open_console, wait_told

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.e2e


def feed(**changes: Any) -> list[dict[str, Any]]:
    """Return the console's only order, changed."""
    plain = {"refunded_minor": 0, "left_minor": 19_900, "pending_refunds": 0, "failed_refund": None}
    return [make_console()["orders"][0] | plain | changes]


async def test_a_refund_is_filled_in_needs_a_reason_and_is_sent_once(browser: Browser) -> None:
    async with open_console(browser, orders=feed()) as (page, server):
        await page.locator(".feed-refund").click()
        form = page.locator("live-refund-form")
        assert await form.locator("[name=amount]").input_value() == "199.00"
        assert HOSTILE in await form.inner_text()
        await form.locator("[data-ref=yes]").click()
        assert await form.locator("[data-ref=reason-error]").inner_text() == "Say why."
        assert server.told == []
        await form.locator("[name=reason]").fill("Broken in the post")
        await form.locator("[name=restock]").check()
        await form.locator("[data-ref=yes]").click()
        await wait_told(page, server, 1)
        await page.wait_for_selector("text=on its way back")
    body = {"amount_minor": 19_900, "reason": "Broken in the post", "restock": True}
    assert server.told == [("POST", "/api/orders/o1/refunds", body)]
    assert all(server.keys)


async def test_a_part_takes_no_goods_and_too_much_is_refused(browser: Browser) -> None:
    async with open_console(browser, orders=feed()) as (page, server):
        await page.locator(".feed-refund").click()
        form = page.locator("live-refund-form")
        await form.locator("[name=reason]").fill("Late")
        await form.locator("[name=amount]").fill("199.01")
        await form.locator("[data-ref=yes]").click()
        assert "199.00" in await form.locator("[data-ref=amount-error]").inner_text()
        await form.locator("[name=amount]").fill("9.50")
        assert await form.locator("[name=restock]").is_disabled()
        assert "keeps the goods" in await form.inner_text()
        await form.locator("[data-ref=yes]").click()
        await wait_told(page, server, 1)
    assert server.told[0][2]["amount_minor"] == 950


async def test_a_failed_refund_is_shown_and_asked_for_again(browser: Browser) -> None:
    orders = feed(failed_refund="r1")
    async with open_console(browser, orders=orders) as (page, server):
        row = page.locator(".feed-row")
        assert "refund failed" in await row.inner_text()
        await row.locator(".feed-refund").click()
        await wait_told(page, server, 1)
    assert server.told == [("POST", "/api/orders/o1/refunds/r1/retry", {})]


@pytest.mark.parametrize(
    ("changes", "language", "words", "has_button"),
    [
        ({"refunded_minor": 900, "left_minor": 19_000}, "en", "Paid · ¥9 back", True),
        ({"pending_refunds": 1, "left_minor": 0}, "en", "Paid · refund on its way", False),
        ({"state": "refunded", "left_minor": 0}, "en", "Paid back", False),
        ({"state": "awaiting_payment"}, "en", "Waiting for payment", False),
        ({"refunded_minor": 900, "left_minor": 19_000}, "zh", "已付款 · 已退 ¥9", True),
    ],
)
async def test_the_feed_says_what_is_back(
    browser: Browser, changes: dict[str, Any], language: str, words: str, has_button: bool
) -> None:
    async with open_console(browser, language=language, orders=feed(**changes)) as (page, _):
        row = page.locator(".feed-row")
        said = (await row.locator(".feed-state").inner_text()).replace("CN¥", "¥")
        shown = await row.locator(".feed-refund").is_visible()
    assert said == words
    assert shown == has_button
