"""The main job: a flash sale sells out, fairly, and somebody gets their order.

One host console and three viewer pages in a real Chromium, and 300 sockets over both gateways.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.support.api import (
    Caller,
    audit_now,
    enter,
    eventually,
    log_in,
)
from tests.support.console_page import open_selling_console
from tests.support.program import Program
from tests.support.viewer import Refusal, Viewer

SOCKETS = 300
UNITS = 20
# Long enough for the presses before the opening, whatever else the machine does.
COUNTDOWN_S = 15
CARD = "#card article.card"
MAIN = "#card-main"


@pytest.fixture
async def crowd() -> AsyncIterator[list[asyncio.Task[None]]]:
    """The running sockets; all are gone at the end."""
    tasks: list[asyncio.Task[None]] = []
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def arm_in_console(page: Page) -> None:
    """Arm the flash sale with the form that F opens."""
    await page.locator("live-now-panel [data-ref=arm]").click()
    for name, value in {
        "price": "199",
        "quantity": str(UNITS),
        "per_buyer": "1",
        "countdown_s": str(COUNTDOWN_S),
        "duration_s": "600",
    }.items():
        await page.fill(f"live-arm-form input[name={name}]", value)
    await page.locator("live-arm-form [data-ref=now]").click()


async def come_in(open_page: OpenPage, url: str, name: str, size: tuple[int, int]) -> Page:
    """Open the room and give a name by saying something."""
    page = await open_page(f"{url}/r/demo", *size)
    composer = page.locator("live-composer")
    await composer.click()
    await page.fill("#sign-in-name", name)
    await page.locator("live-sign-in button").click()
    await expect(page.locator("#name-sheet dialog")).to_be_hidden()
    field = composer.locator("input, textarea").first
    await field.fill(f"{name} is here")

    async def is_handed_on() -> bool:
        # What is typed while the line comes back under the new name stays in the field.
        await field.press("Enter")
        return await field.input_value() == ""

    await eventually(is_handed_on)
    await expect(page.locator("live-chat-list")).to_contain_text(f"{name} is here")
    await page.click("#like-button")
    return page


async def press_early(page: Page) -> None:
    """Press before the opening until the card says so; it does for two seconds."""

    async def is_told() -> bool:
        await page.click(MAIN)
        return "Not open yet" in await page.locator(MAIN).inner_text()

    await eventually(is_told)


async def state_of(page: Page) -> str | None:
    """Return the card's state."""
    return await page.locator(CARD).get_attribute("data-state")


async def gather_sockets(url: str, tasks: list[asyncio.Task[None]]) -> list[tuple[Caller, Viewer]]:
    """Let the crowd in."""
    people = []
    for first in range(0, SOCKETS, 50):
        callers = await asyncio.gather(*(enter(url, f"guest {first + n}") for n in range(50)))
        people += [(caller, Viewer(url, token=caller.token)) for caller in callers]
    tasks += [asyncio.create_task(viewer.run()) for _, viewer in people]
    async with asyncio.timeout(60):
        await asyncio.gather(*(viewer.is_in.wait() for _, viewer in people))
    return people


async def press(viewer: Viewer, sale_id: str) -> Any:
    """Press once when the room says that it opened; return the reservation or the refusal."""

    async def is_open() -> bool:
        return viewer.has_seen("flash.opened")

    await eventually(is_open)
    try:
        return (await viewer.ask("reserve", {"sale": sale_id, "qty": 1}))["reservation"]
    except Refusal as refusal:
        return refusal.error


async def pay_on_page(page: Page) -> None:
    """Go from the hold through checkout and the sandbox's page to the receipt."""
    pay = page.locator("#checkout-sheet [data-ref=pay]")

    async def is_checkout_open() -> bool:
        # Right after an answer the card ignores presses, so that a double tap pays nothing.
        await page.click(MAIN)
        return await pay.is_visible()

    await eventually(is_checkout_open)
    await pay.click()
    await page.wait_for_url("**/sandbox-pay/**")
    await page.click("button[value=pay]")
    await page.wait_for_url("**/orders/*")
    await expect(page.locator("#order")).to_contain_text("Paid. It is yours.")


async def expire_one_hold(database_url: str, sale_id: str) -> None:
    """Let the time of one socket's hold be over."""
    connection = await asyncpg.connect(database_url)
    try:
        ended = await connection.fetchval(
            "UPDATE reservations SET release_at_ms = 0, shown_until_ms = 0 WHERE id = ("
            " SELECT r.id FROM reservations r JOIN users u ON u.id = r.user_id"
            " WHERE r.sale_id = $1 AND r.state = 'held' AND u.name LIKE 'guest %' LIMIT 1)"
            " RETURNING id",
            sale_id,
        )
    finally:
        await connection.close()
    assert ended is not None


async def one_is_told_of_its_end(people: list[tuple[Caller, Viewer]]) -> bool:
    """Say whether it was told to whom the hold was; nobody else may hear of it."""
    told = [v for _, v in people if any(kind == "reservation.expired" for kind, _ in v.direct)]
    assert len(told) <= 1
    return len(told) == 1


async def figures_of(page: Page) -> list[int]:
    """Return (left, held, paid) as a page shows them."""
    bar = page.locator(f"{CARD} live-stock-bar")
    return [
        int(await bar.locator(f"[data-ref={part}-count]").inner_text())
        for part in ("left", "held", "paid")
    ]


async def press_in_page(page: Page) -> str:
    """Press as soon as the card opens; return the state that the answer leads to.

    A card that shows no free unit any more when it opens is an answer too. A press may also meet
    the button when the last unit has just gone and it offers the line: that place is given back.
    """
    card = page.locator(CARD)
    await expect(card).not_to_have_attribute("data-state", "armed", timeout=60_000)
    if await state_of(page) == "open":
        await page.click(MAIN)
    await expect(card).to_have_attribute("data-state", re.compile("held|waiting"), timeout=60_000)
    if await state_of(page) == "waiting":
        await leave_line(page)
    return str(await state_of(page))


async def leave_line(page: Page) -> None:
    """Give one's place in the line back."""

    async def is_out() -> bool:
        # Right after an answer the card ignores presses; an event needs no button in sight.
        if await state_of(page) == "waiting":
            await page.dispatch_event(f"{CARD} [data-ref=let-go]", "click")
        return await state_of(page) == "refused-held_out"

    await eventually(is_out)


async def race(url: str, pages: list[Page], people: list[tuple[Caller, Viewer]]) -> str:
    """Let two pages and all sockets press at the opening; returns the sale."""
    state = await people[0][0].call("GET", "/api/rooms/demo")
    sale_id = str(next(one for one in state["sales"] if one["kind"] == "flash")["id"])
    presses = asyncio.gather(*(press(viewer, sale_id) for _, viewer in people))
    page_states = await asyncio.gather(*(press_in_page(page) for page in pages[:2]))
    answers = await presses
    reserved = {answer["id"] for answer in answers if "id" in answer}
    assert len(reserved) + page_states.count("held") == UNITS
    assert {answer["code"] for answer in answers if "code" in answer} == {"held_out"}
    assert set(page_states) <= {"held", "refused-held_out"}
    return sale_id


async def everybody_agrees(
    pages: list[Page], console: Page, people: list[tuple[Caller, Viewer]], sale_id: str
) -> None:
    """Wait until pages, console and sockets show one paid and the rest held."""
    expected = [0, UNITS - 1, 1]
    for page in pages:
        await eventually(lambda page=page: _shows(page, expected))
    for part, count in zip(("left", "held", "paid"), expected, strict=True):
        figure = console.locator(f"live-now-panel [data-ref=units-{part}]")
        await expect(figure).to_have_text(str(count))

    async def sockets_agree() -> bool:
        has_figures = all(viewer.stock[sale_id] == expected for _, viewer in people)
        newest = {tuple(viewer.sale_events[-3:][0][:2]) for _, viewer in people}
        return has_figures and len(newest) == 1

    await eventually(sockets_agree)


async def _shows(page: Page, expected: list[int]) -> bool:
    """Say whether a page's bar shows these figures."""
    return await figures_of(page) == expected


async def test_main_job(
    serve: Callable[..., Program],
    database_url: str,
    open_page: OpenPage,
    crowd: list[asyncio.Task[None]],
) -> None:
    url = serve().url
    console = await open_selling_console(open_page, url)
    sizes = {"Ada": (390, 844), "Bo": (360, 780), "Cai": (1280, 800)}
    pages = [await come_in(open_page, url, name, size) for name, size in sizes.items()]
    people = await gather_sockets(url, crowd)
    assert len({viewer.processes[0] for _, viewer in people}) == 2

    await arm_in_console(console)
    await asyncio.gather(
        *(expect(page.locator(CARD)).to_have_attribute("data-state", "armed") for page in pages)
    )
    await press_early(pages[0])
    sale_id = await race(url, pages, people)

    # One hold ends, and goes to somebody who has none: the third page.
    await expire_one_hold(database_url, sale_id)
    await expect(pages[2].locator(CARD)).to_have_attribute("data-state", "open", timeout=60_000)
    await pages[2].click(MAIN)
    await expect(pages[2].locator(CARD)).to_have_attribute("data-state", "held")
    await eventually(lambda: one_is_told_of_its_end(people))

    # It is paid on the sandbox's page; buyer and host see the paid order.
    await pay_on_page(pages[2])
    await expect(console.locator("live-now-panel [data-ref=units-paid]")).to_have_text("1")
    await expect(console.locator("live-order-feed")).to_contain_text("Cai")
    await pages[2].goto(f"{url}/r/demo")

    await everybody_agrees(pages, console, people, sale_id)
    operator = await log_in(url, "operator")
    assert (await audit_now(operator))["violations"] == []
    for caller in [operator, *(caller for caller, _ in people)]:
        await caller.close()
