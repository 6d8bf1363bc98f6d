"""Giving money back from the console, in Chromium with a server made of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_console_page import (
    HOSTILE,
    MODERATOR,
    NOW_MS,
    make_console,
    open_console,
    wait_told,
)

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.pages


def feed(**changes: Any) -> list[dict[str, Any]]:
    """Return the console's only order, changed."""
    plain = {"refunded_minor": 0, "left_minor": 19_900, "pending_refunds": 0, "failed_refund": None}
    return [make_console()["orders"][0] | plain | changes]


def line(no: int, qty: int) -> dict[str, Any]:
    """Return a line of an order, as staff read it."""
    title = HOSTILE if no == 2 else f"Thing {no}"
    price = {"qty": qty, "unit_price_minor": 500, "total_minor": 500 * qty}
    return {"reservation": f"h{no}", "no": no, "title": title, **price}


def staff_order(**changes: Any) -> dict[str, Any]:
    """Return the order as staff read it: one of a thing, four of another."""
    return {
        "id": "o1",
        "state": "paid",
        "total_minor": 2_500,
        "currency": "CNY",
        "created_at_ms": NOW_MS,
        "paid_at_ms": NOW_MS,
        "buyer": {"id": "b1", "name": HOSTILE},
        "lines": [line(1, 1), line(2, 4)],
        **changes,
    }


def reads(**changes: Any) -> dict[str, list[Any]]:
    """Return the answer to the form's question about the order."""
    lines = [line(1, 1) | {"unit_price_minor": 19_900, "total_minor": 19_900}]
    return {READ: [{"order": staff_order(total_minor=19_900, lines=lines, **changes)}]}


READ = "/api/orders/o1"
ALL = "/api/rooms/demo/orders"


async def test_a_refund_is_filled_in_needs_a_reason_and_is_sent_once(browser: Browser) -> None:
    async with open_console(browser, reads=reads(), orders=feed()) as (page, server):
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
    async with open_console(browser, reads=reads(), orders=feed()) as (page, server):
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
        assert "Refund failed" in await row.inner_text()
        await row.locator(".feed-refund").click()
        await wait_told(page, server, 1)
    assert server.told == [("POST", "/api/orders/o1/refunds/r1/retry", {})]


@pytest.mark.parametrize(
    ("changes", "language", "words", "has_button"),
    [
        ({"refunded_minor": 900, "left_minor": 19_000}, "en", "Paid\n¥9 back", True),
        ({"pending_refunds": 1, "left_minor": 0}, "en", "Paid\nRefund on its way", False),
        ({"state": "refunded", "left_minor": 0}, "en", "Paid back", False),
        ({"state": "awaiting_payment"}, "en", "Waiting for payment", False),
        ({"refunded_minor": 900, "left_minor": 19_000}, "zh", "已付款\n已退 ¥9", True),
        ({"is_uncollected": True}, "en", "Paid\nMoney not taken", False),
        ({"is_uncollected": True}, "zh", "已付款\n款项未收到", False),
    ],
)
async def test_the_feed_says_what_is_back(
    browser: Browser, changes: dict[str, Any], language: str, words: str, has_button: bool
) -> None:
    async with open_console(browser, language=language, orders=feed(**changes)) as (page, _):
        row = page.locator(".feed-row")
        said = (await row.locator(".feed-end").inner_text()).replace("CN¥", "¥")
        shown = await row.locator(".feed-refund").is_visible()
        title_px = await row.locator(".feed-what").evaluate("one => one.clientWidth")
    assert said.split("\n", 1)[1] == words
    assert shown == has_button
    assert title_px >= 90  # The thing can still be read beside what went back.


async def test_single_units_go_back_with_their_goods(browser: Browser) -> None:
    """What is chosen fills the sum in; units that are on their way back are no choice."""
    back = {"reservation": "h2", "qty": 1}
    refund = {"id": "r1", "state": "pending", "amount_minor": 500, "origin": "person"}
    order = staff_order(refunds=[refund | {"created_at_ms": NOW_MS, "lines": [back]}])
    answers = {READ: [{"order": order}]}
    async with open_console(browser, reads=answers, orders=feed(left_minor=2_000)) as (
        page,
        server,
    ):
        await page.locator(".feed-refund").click()
        form = page.locator("live-refund-form")
        units = form.get_by_label("Units of No. 2 that come back, of 3")
        await units.wait_for()
        assert HOSTILE in await form.inner_text()
        assert await page.locator("img[src=x]").count() == 0
        assert await form.locator("[name=amount]").input_value() == "20.00"
        await form.locator("[name=reason]").fill("Chipped")
        await units.fill("4")
        await form.locator("[data-ref=yes]").click()
        assert "0 to 3." in await form.inner_text()
        assert server.told == []
        await units.fill("2")
        await form.locator("[name=h1]").check()
        assert await form.locator("[name=amount]").input_value() == "15.00"
        assert "3 units come back" in await form.inner_text()
        await form.locator("[name=restock]").check()
        await form.locator("[data-ref=yes]").click()
        await wait_told(page, server, 1)
    lines = [{"reservation": "h1", "qty": 1}, {"reservation": "h2", "qty": 2}]
    body = {"amount_minor": 1_500, "reason": "Chipped", "restock": True, "lines": lines}
    assert server.told == [("POST", "/api/orders/o1/refunds", body)]


@pytest.mark.parametrize(
    ("language", "says"), [("en", "¥13.01 paid for 4"), ("zh", "4 件共付 ¥13.01")]
)
async def test_units_bought_with_a_coupon_go_back_for_what_was_paid(
    browser: Browser, language: str, says: str
) -> None:
    """The discount is not paid out: the sum filled in is what the server would take."""
    discounted = line(1, 1) | {"total_minor": 400}
    order = staff_order(total_minor=1_701, lines=[discounted, line(2, 4) | {"total_minor": 1_301}])
    answers = {READ: [{"order": order}]}
    async with open_console(browser, language=language, reads=answers, orders=feed()) as (page, _):
        await page.locator(".feed-refund").click()
        form = page.locator("live-refund-form")
        await form.locator("[name=h2]").fill("2")
        assert await form.locator("[name=amount]").input_value() == "6.50"
        said = (await form.locator("[data-line=h2]").inner_text()).replace("CN¥", "¥")
        single = (await form.locator("[data-line=h1]").inner_text()).replace("CN¥", "¥")
    assert says in said
    assert "¥4.00" in single


async def test_goods_go_back_for_another_sum_when_one_is_typed(browser: Browser) -> None:
    answers = {READ: [{"order": staff_order()}]}
    async with open_console(browser, language="zh", reads=answers, orders=feed()) as (page, server):
        await page.locator(".feed-refund").click()
        form = page.locator("live-refund-form")
        await form.locator("[name=h1]").wait_for()
        await form.locator("[name=amount]").fill("3")
        await form.locator("[name=h1]").check()
        assert await form.locator("[name=amount]").input_value() == "3"
        assert "退回 1 件，其余买家保留" in await form.inner_text()
        await form.locator("[name=reason]").fill("有划痕")
        await form.locator("[data-ref=yes]").click()
        await wait_told(page, server, 1)
    assert server.told[0][2] == {
        "amount_minor": 300,
        "reason": "有划痕",
        "restock": False,
        "lines": [{"reservation": "h1", "qty": 1}],
    }


async def refund_without_lines(browser: Browser) -> None:
    async with open_console(browser, reads={READ: [503]}, orders=feed()) as (page, server):
        await page.locator(".feed-refund").click()
        form = page.locator("live-refund-form")
        await form.get_by_text("could not be read (unavailable)").wait_for()
        await form.locator("[name=reason]").fill("Late")
        await form.locator("[data-ref=yes]").click()
        await wait_told(page, server, 1)
        assert "lines" not in server.told[0][2]


async def test_money_goes_back_though_the_lines_cannot_be_read(browser: Browser) -> None:
    # The browser reports the answer's status: that is the one complaint.
    with pytest.raises(AssertionError, match="503"):
        await refund_without_lines(browser)


def page_of(first: int, count: int) -> dict[str, Any]:
    """Return a page of the room's orders, numbered from `first`."""
    return {"orders": [staff_order(id=f"o{first + n}") for n in range(count)]}


@pytest.mark.parametrize(("language", "older"), [("en", "Older orders"), ("zh", "更早的订单")])
async def test_all_orders_are_read_page_by_page_and_kept(
    browser: Browser, language: str, older: str
) -> None:
    """By keyboard: the place stays, the focus goes on, and opened again only news is read."""
    changed = {"orders": [staff_order(id="new"), staff_order(id="o7", state="refunded")]}
    answers = {ALL: [page_of(0, 200), page_of(200, 2), changed]}
    async with open_console(browser, language=language, reads=answers) as (page, server):
        await page.keyboard.press("o")
        rows = page.locator("live-order-list .feed-row")
        await rows.nth(199).wait_for()
        sheet = page.locator("live-order-list dialog")
        await sheet.get_by_role("button", name=older).focus()
        place = await sheet.evaluate("one => one.scrollTop")
        await page.keyboard.press("Enter")
        await rows.nth(201).wait_for()
        assert await sheet.evaluate("one => one.scrollTop") == place
        assert await page.evaluate("document.activeElement.dataset.order") == "o200"
        assert not await sheet.get_by_role("button", name=older).is_visible()
        await page.keyboard.press("Escape")
        await page.keyboard.press("o")
        await rows.nth(202).wait_for()
        assert await rows.nth(8).get_attribute("data-state") == "refunded"
    assert server.asked[:2] == [f"{ALL}?", f"{ALL}?before=o199"]
    assert server.asked[2].startswith(f"{ALL}?since_ms=17953465")


async def test_an_older_order_is_given_back_where_it_is_found(browser: Browser) -> None:
    answers = {ALL: [page_of(1, 3)], "/api/orders/o2": [{"order": staff_order(id="o2")}]}
    async with open_console(browser, reads=answers) as (page, server):
        await page.get_by_role("button", name="All orders").click()
        await page.locator("live-order-list .feed-refund").nth(1).click()
        form = page.locator("live-refund-form")
        await form.locator("[name=h2]").fill("1")
        await form.locator("[name=reason]").fill("Late")
        await form.locator("[data-ref=yes]").click()
        await wait_told(page, server, 1)
        await (
            page.locator("live-order-list").get_by_text("The money is on its way back.").wait_for()
        )
    assert server.told[0][1] == "/api/orders/o2/refunds"
    assert server.told[0][2]["lines"] == [{"reservation": "h2", "qty": 1}]


async def test_a_moderator_sees_no_orders(browser: Browser) -> None:
    async with open_console(browser, user=MODERATOR) as (page, server):
        await page.keyboard.press("o")
        await page.wait_for_timeout(200)
        assert await page.locator("live-order-list").count() == 0
        assert server.asked == []


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_form_and_the_list_fit(browser: Browser, language: str) -> None:
    for width in (320, 390, 1440):
        answers = {ALL: [page_of(1, 3)], READ: [{"order": staff_order()}]}
        options = {"size": (width, 740), "reads": answers}
        async with open_console(browser, language=language, **options) as (page, _):
            await page.keyboard.press("o")
            await page.locator("live-order-list .feed-refund").first.click()
            await page.locator("live-refund-form [name=h2]").wait_for()
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            for dialog in ("live-order-list dialog", "live-refund-form dialog"):
                fits = await page.locator(dialog).evaluate(
                    "one => one.scrollWidth <= one.clientWidth"
                )
                assert fits, (dialog, width)
            box = await page.locator("live-refund-form [name=h2]").bounding_box()
            assert box is not None
            assert box["height"] >= 36
