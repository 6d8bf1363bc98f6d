"""A room with one live place: the second viewer sees the recording, then the place of the first."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime

import httpx
from playwright.async_api import expect

from tests.e2e.test_live_picture import FRAMES, open_one, stage_is
from tests.support.api import log_in
from tests.support.browser import wait_until
from tests.support.media.chromium import open_browsers
from tests.support.program import Program

ONE_PLACE = {
    "HUBBUB_MEDIA_BACKEND": "builtin",
    "HUBBUB_MEDIA_BIND": "127.0.0.1",
    "HUBBUB_MEDIA_VIEWERS_PER_ROOM": "1",
}
BEGAN_AT = re.compile(r"PROGRAM-DATE-TIME:(\S+)")
AT_S = "document.querySelector('.stage-video').currentTime"
# What was reckoned is 10 to 15; a loaded machine writes and reads a little later.
LATE_S = (5.0, 40.0)


async def late_s(program: Program, at_s: float) -> float:
    """Return how far behind the wall clock a place in the show's first part is."""
    async with httpx.AsyncClient(follow_redirects=True) as http:
        text = (await http.get(f"{program.url}/hls/demo/live.m3u8")).text
    found = BEGAN_AT.search(text)
    assert found is not None, text
    return time.time() - datetime.fromisoformat(found[1]).timestamp() - at_s


async def test_who_comes_second_sees_the_recording_until_the_first_leaves(
    serve: Callable[..., Program], chromium: str
) -> None:
    program = serve("--demo", environment=ONE_PLACE)
    url = program.url.replace("127.0.0.1", "localhost")
    host = await log_in(program.url, "host")
    await host.call("POST", "/api/rooms/demo/start")
    async with open_browsers(chromium, 1) as (browser,):
        first, wrong_first = await open_one(browser, f"{url}/r/demo", 390, 844)
        await stage_is(first, "playing")
        await expect(first.locator(".stage-note")).to_be_empty()
        second, wrong_second = await open_one(browser, f"{url}/r/demo", 1280, 800)
        note = second.locator(".stage-note")
        await expect(note).to_contain_text("About 15 seconds behind", timeout=60_000)
        await stage_is(second, "playing")
        frames, at_s = await second.evaluate(FRAMES), await second.evaluate(AT_S)
        await wait_until(second, f"({FRAMES})() > {frames} + 20")
        await wait_until(second, f"{AT_S} > {at_s} + 1")
        behind_s = await late_s(program, await second.evaluate(AT_S))
        assert LATE_S[0] < behind_s < LATE_S[1]
        assert await second.evaluate("document.querySelector('.stage-video').srcObject === null")

        await first.close()
        await expect(note).to_be_empty(timeout=60_000)
        await stage_is(second, "playing")
        assert await second.evaluate("document.querySelector('.stage-video').srcObject !== null")
        frames = await second.evaluate(FRAMES)
        await wait_until(second, f"({FRAMES})() > {frames} + 20")
    await host.close()
    assert wrong_first + wrong_second == []
