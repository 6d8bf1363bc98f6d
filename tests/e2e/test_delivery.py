"""Real pages and real sockets say when they drew the host's news, and the host's light shows it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.support.api import Caller, eventually, log_in
from tests.support.program import Program
from tests.support.viewer import Viewer

SOCKETS = 12
LIGHT = "live-delivery-light .light"


async def announce(host: Caller, room: Page, text: str) -> None:
    """Announce, and wait until the page shows it."""
    await host.call("POST", "/api/rooms/demo/announce", {"text": text})
    await expect(room.locator("live-banner")).to_contain_text(text)


async def measured(host: Caller, room: Page) -> bool:
    """Announce three things; say whether the page and all sockets were asked and have answered.

    An answer counts for three seconds. Who was asleep for longer is asked about three others.
    """
    for text in ("Moon cups next", "Then the tray", "Two bowls left"):
        await announce(host, room, text)

    async def are_counted() -> Any:
        read = (await host.call("GET", "/api/rooms/demo/console"))["delivery"]
        events = read["events"][:3]
        return events if [event["asked"] for event in events] == [SOCKETS + 1] * 3 else None

    events = await eventually(are_counted)
    return all(event["acked"] == SOCKETS + 1 for event in events)


async def test_the_hosts_light_shows_what_viewers_pages_reported(
    serve: Callable[..., Program], open_page: OpenPage
) -> None:
    program = serve("--demo")
    url = program.url
    host = await log_in(url, "host")
    await host.call("POST", "/api/rooms/demo/start")
    console = await open_page(f"{url}/console/demo", 1440, 900)
    await console.fill("#login-name", "host")
    await console.fill("#login-password", "demo-host")
    await console.click("#login-go")
    light = expect(console.locator(LIGHT))
    await light.to_contain_text("No sale event in the last minute", timeout=60_000)
    viewers = [Viewer(url) for _ in range(SOCKETS)]
    tasks = [asyncio.create_task(viewer.run()) for viewer in viewers]
    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(viewer.is_in.wait() for viewer in viewers))
        room = await open_page(f"{url}/r/demo")
        # The first may reach the page in its snapshot; from then on it is in the room, and asked.
        await announce(host, room, "Welcome")
        await eventually(lambda: measured(host, room), 240)
        await expect(console.locator(LIGHT)).to_have_text(
            re.compile(r"Delivery \d+\.\d % within 400 ms")
        )
        await console.click(LIGHT)
        rows = console.locator("live-delivery-light tbody tr")
        await expect(rows.first).to_contain_text(f"{SOCKETS + 1} of {SOCKETS + 1}")
        await expect(rows.first).to_contain_text("Announcement")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await host.close()
