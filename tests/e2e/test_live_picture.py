"""The host publishes a camera from the console, a viewer decodes it, and the console says so."""

from __future__ import annotations

from collections.abc import Callable

from playwright.async_api import Browser, Page, expect

from tests.support.api import eventually, log_in
from tests.support.browser import MUST_COME_S, wait_until
from tests.support.media.chromium import open_browsers
from tests.support.program import Program

BUILTIN = {
    "HUBBUB_MEDIA_BACKEND": "builtin",
    "HUBBUB_MEDIA_BIND": "127.0.0.1",
    "HUBBUB_DEMO_FILM": "0",
}
FRAMES = """() => {
    const video = document.querySelector('.stage-video');
    return video.getVideoPlaybackQuality().totalVideoFrames;
}"""


async def open_one(
    browser: Browser, address: str, width: int, height: int
) -> tuple[Page, list[str]]:
    """Open a page of the program's; what its scripts fail in is listed."""
    page = await browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(MUST_COME_S * 1000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(address)
    return page, problems


async def stage_is(room: Page, state: str) -> None:
    """Wait until the room's stage shows a state."""
    stage = room.locator("live-stage")
    await expect(stage).to_have_attribute("data-state", state, timeout=60_000)


async def test_a_room_decodes_what_the_console_publishes(
    serve: Callable[..., Program], chromium: str
) -> None:
    program = serve("--demo", environment=BUILTIN)
    url = program.url.replace("127.0.0.1", "localhost")
    host = await log_in(program.url, "host")
    await host.call("POST", "/api/rooms/demo/start")
    async with open_browsers(chromium) as (theirs, mine):
        console, wrong_here = await open_one(theirs, f"{url}/console/demo", 1440, 900)
        await console.fill("#login-name", "host")
        await console.fill("#login-password", "demo-host")
        await console.click("#login-go")
        room, wrong_there = await open_one(mine, f"{url}/r/demo", 390, 844)
        await stage_is(room, "poster")
        await console.click("live-camera .light-button")
        await console.get_by_role("button", name="Go live with this picture").click()
        await stage_is(room, "playing")
        first = await room.evaluate(FRAMES)
        await wait_until(room, f"({FRAMES})() > {first} + 20")
        await expect(console.locator(".camera-light")).to_contain_text("Mb/s", timeout=60_000)

        # The viewer's own figures reach the host.
        async def told() -> bool:
            read = await host.call("GET", "/api/rooms/demo/console")
            return bool(read["picture"]["first_frames"])

        assert await eventually(told)

        await console.get_by_role("button", name="Stop the picture").click()
        await stage_is(room, "off")
        await console.get_by_role("button", name="Go live with this picture").click()
        await stage_is(room, "playing")
        await host.call("POST", "/api/rooms/demo/end")
        await stage_is(room, "ended")
        await host.close()
    assert wrong_here + wrong_there == []
