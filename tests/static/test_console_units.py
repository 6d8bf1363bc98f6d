"""Adding units on the console's real page: who gets them, what is refused, and taking it back.

Invariant: no server runs; every command the page sends is remembered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_console_page import MODERATOR, Server, open_console, wait_told
from tests.support.browser import wait_until
from tests.support.page_server import answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

FORM = "live-units-form"
QUANTITY = f"{FORM} input[name=quantity]"
REASON = f"{FORM} input[name=reason]"
TEN_MORE = {"added": 10, "to_waiting_list": 3, "stock": [24, 45, 41]}


def say_waiting(server: Server, waiting: list[int]) -> None:
    """Tell the console how many wait for the flash sale."""
    server.socket.send(json.dumps(["K", 1, {"waiting:f1": [9, waiting]}]))


def answer_with(server: Server, *answers: dict[str, Any]) -> None:
    """Answer changes of units in turn, errors with 409."""
    left = list(answers)
    answer_before = server.answer

    async def answer(route: Route) -> None:
        path = route.request.url.split("/api/")[-1]
        if not path.endswith(("/add", "/adjustments")):
            await answer_before(route)
            return
        server.told.append((route.request.method, f"/api/{path}", route.request.post_data_json))
        given = left.pop(0)
        await route.fulfill(status=409 if "error" in given else 200, json=given)

    server.answer = answer  # type: ignore[method-assign]


async def route_again(page: Page, server: Server) -> None:
    await answer_page(page, server.answer)


async def test_ten_more_say_who_gets_them_and_can_be_taken_back(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        answer_with(server, TEN_MORE, {"added": -7, "to_waiting_list": 0, "stock": [17, 45, 41]})
        await route_again(page, server)
        say_waiting(server, [3, 1])
        panel = page.locator("live-now-panel [data-ref=waiting]")
        await panel.wait_for()
        assert (await panel.inner_text()).split("\n") == ["3 in line", "1 offered one"]
        assert "3 wait" in await page.locator(".run-line").first.inner_text()
        await page.keyboard.press("a")
        assert await page.input_value(QUANTITY) == "10"
        says = await page.inner_text(f"{FORM} [data-ref=says]")
        assert says == "10 more: 3 go to the waiting list first."
        await wait_until(page, "document.activeElement.closest('live-units-form')")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        undo = page.locator(".undo-text")
        await undo.get_by_text("Added 10, 3 went to the waiting list").wait_for()
        await page.keyboard.press("u")
        await wait_told(page, server, 2)
    assert server.told == [
        ("POST", "/api/sales/f1/add", {"quantity": 10, "reason": ""}),
        ("POST", "/api/sales/f1/add", {"quantity": -7, "reason": "Taken back"}),
    ]


async def test_only_free_units_are_taken_back(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.locator("live-now-panel [data-ref=add]").click()
        await page.fill(QUANTITY, "-18")
        await page.keyboard.press("Enter")
        assert "Only 17 are free." in await page.inner_text(FORM)
        await page.fill(QUANTITY, "-17")
        assert "17 fewer: free ones go back to stock." in await page.inner_text(FORM)
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
    assert server.told == [("POST", "/api/sales/f1/add", {"quantity": -17, "reason": ""})]


async def press_what_is_refused(browser: Browser) -> None:
    error = {"code": "below_claimed", "message": "", "retryable": False, "detail": {}}
    async with open_console(browser) as (page, server):
        answer_with(server, {"error": error})
        await route_again(page, server)
        await page.keyboard.press("a")
        await page.fill(QUANTITY, "-5")
        await page.keyboard.press("Enter")
        wrong = page.locator(".undo[data-state=wrong]")
        await wrong.get_by_text("Fewer are free by now").wait_for()


async def test_a_refusal_is_said_in_words(browser: Browser) -> None:
    # The browser reports the answer's status: that is the one complaint.
    with pytest.raises(AssertionError, match="409"):
        await press_what_is_refused(browser)


async def test_stock_is_changed_with_a_reason_only(browser: Browser) -> None:
    async with open_console(browser, language="zh") as (page, server):
        answer_with(server, {"added": -2, "to_waiting_list": 0, "stock": [88, 0, 2]})
        await route_again(page, server)
        await page.locator(".run-row").nth(2).click()
        await page.keyboard.press("a")
        await page.fill(QUANTITY, "-2")
        await page.keyboard.press("Enter")
        assert "请写原因" in await page.inner_text(FORM)
        assert server.told == []
        await page.fill(REASON, "碎了两件")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        await page.locator(".undo-text").get_by_text("收回 2 件").wait_for()
    body = {"delta": -2, "reason": "碎了两件"}
    assert server.told == [("POST", "/api/skus/sku-3/adjustments", body)]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_stock_is_changed_while_a_sale_runs(browser: Browser, language: str) -> None:
    """The form begins with the sale; the item's stock is one press away, and needs a reason."""
    async with open_console(browser, language=language) as (page, server):
        answer_with(server, {"added": 5, "to_waiting_list": 0, "stock": [95, 0, 2]})
        await route_again(page, server)
        await page.keyboard.press("a")
        assert await page.locator(f"{FORM} input[value=sale]").is_checked()
        await page.locator(f"{FORM} input[value=stock]").check()
        await page.fill(QUANTITY, "5")
        await page.keyboard.press("Enter")
        assert server.told == []
        assert await page.get_attribute(REASON, "aria-invalid") == "true"
        await page.fill(REASON, "found a box")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
    body = {"delta": 5, "reason": "found a box"}
    assert server.told == [("POST", "/api/skus/sku-1/adjustments", body)]


async def test_an_item_of_the_run_sheet_has_a_way_to_its_stock(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        await page.locator(".run-row").nth(2).click()
        await page.locator(".run-item").nth(2).get_by_role("button", name="Units").click()
        assert "Thing 3" in await page.inner_text(f"{FORM} h2")
        assert not await page.locator(f"{FORM} input[value=sale]").is_visible()
        await page.fill(QUANTITY, "1")
        await page.fill(REASON, "returned")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
    assert server.told[0][1] == "/api/skus/sku-3/adjustments"


async def test_a_moderator_changes_no_units(browser: Browser) -> None:
    async with open_console(browser, user=MODERATOR) as (page, server):
        await page.keyboard.press("a")
        await page.wait_for_timeout(200)
        assert await page.locator(FORM).count() == 0
        assert server.told == []


@pytest.mark.parametrize("size", [(1440, 900), (1180, 860), (390, 844), (320, 700)])
async def test_the_panel_and_the_form_fit(browser: Browser, size: tuple[int, int]) -> None:
    async with open_console(browser, size=size) as (page, server):
        say_waiting(server, [3, 1])
        await page.locator("live-now-panel [data-ref=waiting]").wait_for()
        acts = await page.evaluate(
            """() => { const panel = document.querySelector('.console-now').getBoundingClientRect();
                 return [...document.querySelectorAll('.now-acts button')]
                   .filter((one) => one.offsetParent).map((one) => one.getBoundingClientRect())
                   .every((box) => box.bottom <= panel.bottom && box.right <= panel.right); }"""
        )
        await page.locator("live-now-panel [data-ref=add]").click()
        width = await page.evaluate("document.documentElement.scrollWidth")
        box = await page.locator(f"{FORM} dialog").bounding_box()
    assert acts
    assert width <= size[0]
    assert box is not None
    assert box["width"] <= size[0]
