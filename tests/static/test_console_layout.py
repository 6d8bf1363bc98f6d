"""What a console shows when its figures are long: nothing lies over anything else."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.static.test_console_page import MINUTE_MS, NOW_MS, make_console, open_console
from tests.static.test_coupon_halt_pages import COUPON, DROP

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.pages

# The left and the right edge of what each of these contains.
EDGES = """parts => parts.map((part) => {
  const range = document.createRange();
  range.selectNodeContents(part);
  const { left, right } = range.getBoundingClientRect();
  return [left, right];
})"""


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_sales_that_open_close_to_each_other_have_names_apart(
    browser: Browser, language: str
) -> None:
    """The later one keeps its name, both are named where one points."""
    windows = [
        {
            "sale": f"f{no}",
            "no": no,
            "quantity": 100 + no,
            "from_ms": at_ms,
            "to_ms": at_ms + 30_000,
        }
        for no, at_ms in ((1, NOW_MS - 20 * MINUTE_MS), (2, NOW_MS - 19 * MINUTE_MS), (3, NOW_MS))
    ]
    series = make_console()["series"] | {"flash": windows}
    async with open_console(browser, language=language, series=series) as (page, _):
        names = page.locator(".plot-window-name")
        await names.first.wait_for()
        edges = await names.evaluate_all(EDGES)
        said = await names.all_text_contents()
        titles = await page.locator(".plot-window title").all_text_contents()
    assert all(right <= left for (_, right), (left, _) in pairwise(edges))
    assert [text[-3:] for text in said] == ["102", "103"]
    assert [text[-3:] for text in titles] == ["101", "102", "103"]


@pytest.mark.parametrize(("language", "name"), [("en", "Team buy of 3"), ("zh", "3 人拼团")])
async def test_the_plot_shows_when_a_group_buy_ran_and_which_orders_came_in_it(
    browser: Browser, language: str, name: str
) -> None:
    """Of three orders one came before, one within it, and one when a flash sale ran too."""
    begin_ms = NOW_MS // MINUTE_MS * MINUTE_MS
    first, second, third = (begin_ms - before * MINUTE_MS for before in (30, 20, 10))
    group = {"sale": "g1", "no": 2, "need": 3, "from_ms": second, "to_ms": NOW_MS + 86_400_000}
    flash = {"sale": "f1", "no": 1, "quantity": 100, "from_ms": third, "to_ms": third + MINUTE_MS}
    series = make_console()["series"] | {"groups": [group], "flash": [flash]}
    series["orders"] = [[at_ms, 3] for at_ms in (first, second, third)]
    async with open_console(browser, language=language, series=series) as (page, _):
        band = page.locator(".plot-window.plot-group")
        await expect(band.locator("title")).to_have_text(name)
        await expect(page.locator(".plot-window-name.plot-group")).to_have_text(name)
        bars = await page.locator(".plot-bar").evaluate_all("bars => bars.map(b => b.classList[1])")
        box, plot = await band.bounding_box(), await page.locator("svg.plot").bounding_box()
    assert bars == [None, "plot-bar-group", "plot-bar-flash"]
    assert box is not None
    assert plot is not None
    assert box["x"] + box["width"] <= plot["x"] + plot["width"]


@pytest.mark.parametrize("size", [(1440, 900), (1180, 860), (360, 740)])
async def test_a_show_of_many_millions_has_room_for_its_figures(
    browser: Browser, size: tuple[int, int]
) -> None:
    figures = make_console()["figures"] | {"gmv_minor": 12_860_092_000, "orders": 99_999}
    async with open_console(browser, size=size, figures=figures) as (page, _):
        if size[0] < 1180:
            await page.locator('.console-tab[data-tab="figures"]').click()
        await page.locator(".figure dd").first.wait_for()
        edges = await page.locator(".figure:not([hidden]) dd").evaluate_all(EDGES)
        names = await page.locator(".figure:not([hidden]) dt").evaluate_all(EDGES)
        panel = await page.locator("live-figures").bounding_box()
    assert panel is not None
    for row in (edges, names):
        one_line = row if size[0] >= 800 else row[:3]
        assert all(right <= left for (_, right), (left, _) in pairwise(one_line))
        assert max(right for _, right in row) <= panel["x"] + panel["width"]


@pytest.mark.parametrize("size", [(1440, 900), (360, 740)])
async def test_a_long_reason_leaves_the_desk_its_buttons(
    browser: Browser, size: tuple[int, int]
) -> None:
    """What is said has the desk's whole width, and the buttons stand in one row below it."""
    async with open_console(browser, size=size) as (page, server):
        drop = DROP | {"coupon": COUPON | {"halt_reason": "A long reason. " * 8}}
        server.socket.send(json.dumps(["S", 2, [["coupon.armed", {"drop": drop}, NOW_MS]]]))
        line = page.locator("live-drop-desk [role=status]")
        await expect(line).to_contain_text("A long reason")
        widths = await line.evaluate("one => [one.offsetWidth, one.parentElement.clientWidth]")
        tops = await page.locator("live-drop-desk .drop-desk button:visible").evaluate_all(
            "all => all.map((one) => one.offsetTop)"
        )
    assert widths[0] == widths[1]
    assert size[0] < 1180 or len(set(tops)) == 1


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_what_can_be_done_with_a_running_sale_is_one_row(
    browser: Browser, language: str
) -> None:
    async with open_console(browser, language=language) as (page, _):
        buttons = page.locator(".now-acts button:visible")
        await expect(buttons).to_have_count(4)
        tops = await buttons.evaluate_all("all => all.map((one) => one.offsetTop)")
    assert len(set(tops)) == 1
