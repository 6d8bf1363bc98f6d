"""A sale by lot, from the host's form to the buyers' receipts, computed again from its public data.

Two units, three phones and six sockets: sockets let go of what they win, so that the units come
down the order drawn until people on phones hold both.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from playwright.async_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.test_main_job import pay_on_page
from tests.e2e.test_waiting_list import CARD, CHANCE, MAIN, STEP_MS, come_in, expect_state
from tests.e2e.test_waiting_list import pay as pay_offer
from tests.support.api import CALM_S, Caller, audit_now, enter, eventually, log_in
from tests.support.console_page import open_selling_console
from tests.support.program import Program
from tests.support.viewer import Viewer

SCRIPT = Path(__file__).parents[2] / "static" / "verify" / "draw.py"
NAMES = ("Ada", "Bo", "Cai")
SOCKETS = 6
UNITS = 2
ENTRIES = len(NAMES) + SOCKETS
CLOSE_ENTRIES = "UPDATE draws SET entry_closes_at_ms = clock_ms() WHERE sale_id = $1"
TERMS = {"price": "199", "quantity": str(UNITS), "per_buyer": "1", "countdown_s": "3"}
# Everybody is in long before; then the rest of the time to enter is skipped.
DRAW_TERMS = {"duration_s": "600", "entry_s": "300"}


class Place(msgspec.Struct, frozen=True):
    """What the script computes of one entry."""

    rank: int
    has_won: bool


async def arm_draw(console: Page) -> None:
    """Fill the form that F opens in as a draw, and arm it."""
    await console.locator("live-now-panel [data-ref=arm]").click()
    await console.locator("live-arm-form input[value=draw]").check()
    for name, value in (TERMS | DRAW_TERMS).items():
        await console.fill(f"live-arm-form input[name={name}]", value)
    await console.locator("live-arm-form [data-ref=now]").click()


async def enter_by_page(page: Page) -> None:
    """Press as soon as entries open, and be in."""
    await expect_state(page, "enter")
    await page.click(MAIN)
    await expect_state(page, "entered")


async def enter_by_socket(viewer: Viewer, sale_id: str) -> None:
    """Enter once the room hears that the sale is open."""

    async def is_open() -> bool:
        return viewer.has_seen("flash.opened")

    await eventually(is_open)
    entry = (await viewer.ask("enter_draw", {"sale": sale_id, "qty": 1}))["entry"]
    assert entry["state"] == "entered"


async def end_entries(database_url: str, sale_id: str) -> None:
    """Let the time to enter be over."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(CLOSE_ENTRIES, sale_id)
    finally:
        await connection.close()


async def mine(page: Page, sale_id: str) -> dict[str, Any]:
    """Return what the server says of the page's own entry."""
    path = f"/api/sales/{sale_id}/entries/mine"
    answer: dict[str, Any] = await page.evaluate("path => fetch(path).then(a => a.json())", path)
    return answer


async def compute(url: str, sale_id: str, entry: str) -> Place:
    """Run the script that the shop serves, in a Python of its own; it must find nothing wrong."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", str(SCRIPT), url, sale_id, "--entry", entry),
        stdout=asyncio.subprocess.PIPE,
    )
    said = (await process.communicate())[0].decode()
    found = re.search(rf"your entry has place (\d+) of {ENTRIES} and (won|did not win)", said)
    assert found, said
    assert process.returncode == 0, said
    assert said.endswith("OK\n")
    return Place(int(found[1]), found[2] == "won")


async def pass_on(viewers: list[Viewer]) -> None:
    """Let go of every unit that a socket wins or is offered, for ever."""
    done: set[str] = set()
    while True:
        for viewer in viewers:
            for kind, payload in viewer.direct:
                held = payload["reservation"]["id"] if kind in {"draw.won", "offer.made"} else None
                if held and held not in done:
                    await viewer.ask("release", {"reservation": held})
                    done.add(held)
        await asyncio.sleep(CALM_S)


@asynccontextmanager
async def crowd(url: str) -> AsyncIterator[list[Viewer]]:
    """Let the sockets in."""
    callers = [await enter(url, f"guest {n}") for n in range(SOCKETS)]
    viewers = [Viewer(url, token=caller.token) for caller in callers]
    tasks = [asyncio.create_task(viewer.run()) for viewer in viewers]
    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(viewer.is_in.wait() for viewer in viewers))
        yield viewers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for caller in callers:
            await caller.close()


async def find_flash_sale(host: Caller) -> dict[str, Any] | None:
    """Return the room's flash sale, once it is armed."""
    state = await host.call("GET", "/api/rooms/demo")
    return next((one for one in state["sales"] if one["kind"] == "flash"), None)


async def hold_draw(
    console: Page, pages: list[Page], viewers: list[Viewer], host: Caller, database_url: str
) -> dict[str, Any]:
    """Arm the draw, let everybody enter, and wait until it is drawn; return the sale."""
    await arm_draw(console)
    sale = await eventually(lambda: find_flash_sale(host))
    commit = sale["draw"]["commit"]
    await asyncio.gather(
        *(enter_by_page(page) for page in pages),
        *(enter_by_socket(viewer, sale["id"]) for viewer in viewers),
    )
    line = console.locator("live-now-panel [data-ref=draw]")
    await expect(line).to_contain_text(f"{ENTRIES} entries", timeout=STEP_MS)
    await end_entries(database_url, sale["id"])
    await expect(line).to_contain_text(f"Drawn: {UNITS} won", timeout=STEP_MS)
    state = await host.call("GET", "/api/rooms/demo")
    drawn: dict[str, Any] = next(one for one in state["sales"] if one["id"] == sale["id"])
    assert drawn["draw"]["commit"] == commit
    assert drawn["draw"]["winners"] == UNITS
    return drawn


async def rank_pages(url: str, pages: list[Page], sale_id: str) -> list[tuple[Page, Place]]:
    """Compute every page's place from the public data; return the pages, first drawn first.

    The server and the page say the same: a place to whoever lost, a hold to whoever won.
    """
    ranked = []
    for page in pages:
        own = await mine(page, sale_id)
        place = await compute(url, sale_id, own["entry"])
        assert (own["rank"], own["of"]) == (place.rank, ENTRIES)
        assert own["state"] == ("won" if place.has_won else "lost")
        if place.has_won:
            await expect_state(page, "held")
            words = f"Drawn: place {place.rank} of {ENTRIES}"
        else:
            words = f"Place {place.rank} of {ENTRIES}"
        await expect(page.locator(CARD)).to_contain_text(words, timeout=STEP_MS)
        ranked.append((page, place))
    return sorted(ranked, key=lambda one: one[1].rank)


async def pay(page: Page, place: Place) -> None:
    """Pay what was won, whose order says the place, or what came down the order."""
    if not place.has_won:
        await expect(page.locator(CHANCE)).to_be_visible(timeout=STEP_MS)
        await pay_offer(page)
        return
    await pay_on_page(page)
    words = f"place {place.rank} of {ENTRIES}"
    await expect(page.locator("#order")).to_contain_text(words, timeout=STEP_MS)


async def let_go(page: Page, place: Place) -> None:
    """Give the unit to whoever is next in the order."""
    if place.has_won:
        await page.get_by_role("button", name="Let it go").click()
        return
    await expect(page.locator(CHANCE)).to_be_visible(timeout=STEP_MS)
    # Right after it came up the sheet ignores presses that were meant for what lay below.
    await page.wait_for_timeout(400)
    await page.locator("#chance-sheet [data-ref=pass]").click()


async def test_a_draw_from_the_form_to_the_receipt(
    serve: Callable[..., Program], database_url: str, open_page: OpenPage
) -> None:
    """Who is drawn pays; what is let go comes to the next in the order; anybody can check it."""
    url = serve().url
    host, operator = await log_in(url, "host"), await log_in(url, "operator")
    console = await open_selling_console(open_page, url)
    pages = [await come_in(open_page, url, name) for name in NAMES]
    async with crowd(url) as viewers:
        sale = await hold_draw(console, pages, viewers, host, database_url)
        ranked = await rank_pages(url, pages, sale["id"])
        passing = asyncio.create_task(pass_on(viewers))
        (first, place), (second, second_place), (third, third_place) = ranked
        assert not third_place.has_won
        await pay(first, place)
        await let_go(second, second_place)
        await pay(third, third_place)

        # Everything is sold; those who still waited are told, and every promise holds.
        async def is_told() -> bool:
            kinds = [{kind for kind, _ in viewer.direct} for viewer in viewers]
            return all({"draw.won", "offer.made", "waiting.closed"} & seen for seen in kinds)

        await eventually(is_told)
        passing.cancel()
        await asyncio.gather(passing, return_exceptions=True)
        state = await host.call("GET", "/api/rooms/demo")
        [stock] = [one["stock"] for one in state["sales"] if one["id"] == sale["id"]]
        assert stock == [0, 0, UNITS]
        assert (await audit_now(operator))["violations"] == []
    for caller in (host, operator):
        await caller.close()
