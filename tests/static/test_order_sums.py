"""What an order cost and what of it went back, on the buyer's own pages, in Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_evidence_pages import open_order
from tests.static.test_orders_page import ORDER, open_orders

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.pages


def line(no: int, qty: int, title: str = "Moon cups") -> dict[str, Any]:
    """Return a line of an order."""
    price = {"qty": qty, "unit_price_minor": 12_800, "total_minor": 12_800 * qty}
    return {
        "sku": f"s{no}",
        "title": title,
        "reservation": f"h{no}",
        "sale": "r",
        "no": no,
        **price,
    }


def order(**changes: Any) -> dict[str, Any]:
    """Return a paid order, without the place of a draw."""
    return ORDER | {"state": "paid", "paid_at_ms": ORDER["created_at_ms"]} | changes


COUPON = {"source": "coupon", "amount_minor": 3_000, "title": "Autumn"}
PARTS = {
    "subtotal_minor": 25_600,
    "discounts": [COUPON],
    "shipping_minor": 0,
    "tax_minor": 0,
    "tax_included": True,
}
REDUCED = order(id="o1", lines=[line(1, 2)], total_minor=22_600, parts=PARTS)
TWO = order(id="o2", lines=[line(1, 1), line(2, 1)], total_minor=25_600)
PLAIN = order(id="o3", lines=[line(1, 1)], total_minor=12_800)


async def read(page: Page, selector: str) -> list[str]:
    """Return what these elements say, in one currency sign."""
    texts = await page.locator(selector).all_inner_texts()
    return [" ".join(text.replace("CN¥", "¥").split()) for text in texts]


@pytest.mark.parametrize(("language", "total"), [("en", "Total"), ("zh", "合计")])
async def test_every_order_of_the_list_says_what_it_cost(
    browser: Browser, language: str, total: str
) -> None:
    """A coupon's order does not look as if it had cost its goods, and several lines are summed."""
    answers = {"GET /api/orders": {"orders": [REDUCED, TWO, PLAIN]}}
    async with open_orders(browser, language, **answers) as (page, _):
        await page.locator(".order-card").nth(2).wait_for()
        reduced, two, plain = await read(page, ".order-card")
        totals = await read(page, ".order-card .sums-total")
    assert totals == [f"{total} ¥226.00", f"{total} ¥256.00"]
    assert "Autumn −¥30.00" in reduced
    assert two.count("¥128") == 2
    assert plain.count("¥") == 1


@pytest.mark.parametrize("state", ["paid", "awaiting_payment", "expired"])
async def test_an_order_names_its_number_and_its_total_once(browser: Browser, state: str) -> None:
    shown = order(state=state, lines=[line(1, 2), line(2, 1)], total_minor=35_400, parts=PARTS)
    payment = {"id": "p1", "state": "created", "url": "/pay"}
    answers = {"GET /api/orders/o1": {"order": shown | {"payment": payment}}}
    async with open_order(browser, **answers) as (page, _):
        await page.locator(".order-line").nth(1).wait_for()
        totals = await read(page, ".sums-total")
        words = await read(page, ".order-line .order-words")
    assert totals == ["Total ¥354.00"]
    assert [text.count("Order") for text in words] == [1, 0]


async def test_the_buyer_reads_which_units_went_back(browser: Browser) -> None:
    refund = {
        "id": "r1",
        "state": "done",
        "amount_minor": 11_300,
        "currency": "CNY",
        "reason": "One came <b>broken</b>",
        "origin": "person",
        "created_at_ms": ORDER["created_at_ms"],
        "lines": [{"reservation": "h1", "qty": 1}],
    }
    shown = REDUCED | {"refunds": [refund], "refunded_minor": 11_300}
    async with open_order(browser, **{"GET /api/orders/o1": {"order": shown}}) as (page, _):
        await page.locator(".receipt-refunds").wait_for()
        (said,) = await read(page, "[data-refund=done]")
    assert "Moon cups × 1" in said
    assert "One came <b>broken</b>" in said
    assert "¥113.00" in said


async def test_a_long_name_beside_a_large_price_stays_readable(browser: Browser) -> None:
    """Where both have no place in one row, the price goes below."""
    name = "Hand-thrown wood-fired kiln-change oil-spot tenmoku tea bowl with stand"
    long = line(8, 2, name) | {"unit_price_minor": 129_990_000}
    answers = {"GET /api/orders": {"orders": [order(lines=[long], total_minor=259_980_000)]}}
    async with open_orders(browser, **answers) as (page, _):
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.locator(".order-card").wait_for()
        widths = await page.locator(".order-card .order-words").evaluate(
            "one => [one.clientWidth, document.documentElement.scrollWidth]"
        )
    assert widths[0] >= 180
    assert widths[1] <= 360


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("formed", "Your team is complete, and your seat is not paid. Pay in time to have it."),
        ("forming", "We have not heard from the bank yet."),
    ],
)
async def test_an_order_that_a_whole_team_waits_for_says_that_it_is_to_be_paid(
    browser: Browser, state: str, words: str
) -> None:
    """The bank has said no, or was never asked: nothing comes by itself."""
    group = {"id": "g1", "state": state, "paid": 2, "need": 3, "deadline_ms": 0}
    shown = order(state="awaiting_payment", paid_at_ms=None, lines=[line(1, 1) | {"group": group}])
    payment = {"id": "p1", "state": "created", "url": "/pay"}
    answers = {"GET /api/orders/o1": {"order": shown | {"payment": payment}}}
    async with open_order(browser, **answers) as (page, _):
        await page.locator(".order-note").wait_for()
        (said,) = await read(page, ".order-note")
    assert words in said
