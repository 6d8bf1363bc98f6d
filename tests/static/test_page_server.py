"""The server that answers pages instead of ours: each by its own answers, and no fault is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.page_server import PageServer, Route, answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.pages

SITE = "http://hubbub.invalid"
STATUS = "fetch('/more', {method: 'POST', body: '[1]'}).then((answer) => answer.status)"


async def test_each_page_has_its_own_answers(browser: Browser) -> None:
    pages = []
    for word in ("first", "second"):

        async def answer(route: Route, word: str = word) -> None:
            await route.fulfill(body=f"<p>{word}", content_type="text/html")

        page = await browser.new_page()
        await answer_page(page, answer)
        pages.append(page)
    for page in pages:
        await page.goto(f"{SITE}/")
    assert [await page.inner_text("p") for page in pages] == ["first", "second"]


async def test_what_an_answer_raises_is_told_at_the_tests_end(
    browser: Browser, page_server: PageServer
) -> None:
    asked: list[tuple[str, Any]] = []

    async def answer(route: Route) -> None:
        asked.append((route.request.method, route.request.post_data_json))
        assert route.request.method == "GET", "a bug"
        await route.fulfill(body="<p>page", content_type="text/html")

    page = await browser.new_page()
    await answer_page(page, answer)
    await page.goto(f"{SITE}/")
    assert await page.evaluate(STATUS) == 500
    assert asked[-1] == ("POST", [1])
    [failure] = page_server.forget()
    assert "AssertionError: a bug" in failure
    # Nobody's page any more.
    assert await page.evaluate(STATUS) == 410
