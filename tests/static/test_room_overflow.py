"""The room's stage when WebRTC has no place, and in each wait: it plays late, or says what happens.

Invariant: no server runs; a stand-in has a film recorded a moment ago, and hands out its ranges.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from realtime.video.recording.rules import MEDIA_TYPES, playlist
from tests.static.test_replay_page import RANGE
from tests.static.test_room_page import MAIN, wait_for_state
from tests.static.test_room_picture import (
    REFUSE_PLAY,
    PictureServer,
    note,
    open_stage,
    stage_is,
    wait_posts,
)
from tests.support.axe import find_faults
from tests.support.browser import wait_until
from tests.support.filming import Studio, frames, make_folder

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

    from realtime.video.recording.files import RecordingFolder

pytestmark = pytest.mark.pages

PLAYLIST = "/hls/demo/live.m3u8"
FULL = (503, {"Retry-After": "2"}, {"code": "video_full"})
NO_HLS = """
    MediaSource.isTypeSupported = () => false;
    HTMLMediaElement.prototype.canPlayType = () => '';
"""
LATE = {"en": "About 15 seconds behind", "zh": "晚约 15 秒"}
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
FULL_WORDS = {"en": "All places for the live picture", "zh": "实时画面名额已满"}
AGAIN = {"en": "Try again", "zh": "再试一次"}


class FullServer(PictureServer):
    """Has no place for WebRTC, and a recording under way where a folder is given."""

    def __init__(self, folder: RecordingFolder | None, *, language: str = "en") -> None:
        super().__init__(language=language)
        self.refuse = FULL
        self.folder = folder
        numbers = folder.numbers() if folder is not None else []
        found = [folder.read(no) for no in numbers] if folder is not None else []
        self.parts = [part for part in found if part is not None]

    async def answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if not path.startswith("/hls/"):
            await super().answer(route)
        elif path == PLAYLIST:
            await route.fulfill(body=playlist(self.parts, is_over=False))
        else:
            assert self.folder is not None
            found = RANGE.fullmatch(route.request.headers.get("range", ""))
            assert found is not None
            data = (self.folder.path / path.rpartition("/")[2]).read_bytes()
            body = data[int(found[1]) : int(found[2]) + 1]
            kind = MEDIA_TYPES[path.rpartition(".")[2]]
            await route.fulfill(status=206, body=body, content_type=kind)

    async def answer_call(self, route: Route, method: str, path: str) -> None:
        if path.endswith("/video/play"):
            url = None if self.folder is None else PLAYLIST
            ticket = {"protocol": "whep", "url": "/whep/demo", "token": "watch", "ice_servers": []}
            await route.fulfill(status=201, json=ticket | {"fallback_hls": url})
        else:
            await super().answer_call(route, method, path)


class LackingServer(PictureServer):
    """Has a picture; one address of it does not answer, as when the network loses it."""

    def __init__(self, lacks: str) -> None:
        super().__init__()
        self.lacks: str | None = lacks

    async def answer(self, route: Route) -> None:
        if urlsplit(route.request.url).path == self.lacks:
            await route.abort()
        else:
            await super().answer(route)


@pytest.fixture(scope="module", params=["H264", "VP8"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: Any) -> RecordingFolder:
    """Twenty seconds of a show that goes on."""
    folder = make_folder(tmp_path_factory.mktemp("recordings"))
    Studio(folder).record(frames(20.0, codec=request.param))
    return folder


async def says(page: Page, text: str) -> None:
    """Wait until the stage says something that begins so."""
    begins = "text => document.querySelector('.stage-note')?.textContent.startsWith(text)"
    await wait_until(page, begins, text)


async def look(page: Page, name: str) -> None:
    """Keep a picture of the page where whoever runs the test wants to see it."""
    if place := os.environ.get("HUBBUB_TEST_PICTURES"):
        await page.screenshot(path=str(Path(place) / f"{name}.png"))


async def test_who_finds_no_place_sees_the_recording_until_one_is_free(
    browser: Browser, folder: RecordingFolder
) -> None:
    async with open_stage(browser, FullServer(folder)) as (page, server):
        video = page.locator(".stage-video")
        assert LATE["en"] in await note(page)
        # It begins ten seconds behind the end, muted, and goes on over the attempts for a place.
        await wait_until(page, "document.querySelector('.stage-video').currentTime > 10.5")
        assert await video.evaluate("one => one.currentTime < 14")
        assert await video.evaluate("one => one.srcObject === null && one.muted && !one.paused")
        assert await video.evaluate("one => one.videoWidth") == 160
        await page.click(MAIN)
        await wait_for_state(page, "held")
        await wait_posts(page, server, 2)
        assert await video.evaluate("one => one.srcObject === null && !one.paused")
        server.refuse = None
        await wait_until(page, "document.querySelector('.stage-video').srcObject !== null")
        await wait_until(page, "document.querySelector('.stage-video').videoWidth === 360")
        await stage_is(page, "playing")
        assert await note(page) == ""
        assert await video.evaluate("one => one.getAttribute('src')") is None


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
async def test_what_plays_neither_way_says_full_and_offers_another_try(
    browser: Browser, folder: RecordingFolder, language: str, viewport: dict[str, int]
) -> None:
    server = FullServer(folder, language=language)
    server.refuse = (503, {"Retry-After": "60"}, {"code": "video_full"})
    options = {"viewport": viewport, "script": NO_HLS, "state": "full"}
    async with open_stage(browser, server, **options) as (page, _):
        again = page.get_by_role("button", name=AGAIN[language])
        await again.wait_for(state="visible")
        box = await again.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        await look(page, f"full-{language}-{viewport['width']}")
        assert await find_faults(page) == []
        await page.click(MAIN)
        await wait_for_state(page, "held")
        assert len(server.posts) == 1
        # A press is an attempt at once, though the server asked for a minute.
        await again.click()
        await wait_posts(page, server, 2)
        await says(page, FULL_WORDS[language])  # Its attempt said that it connects.
        server.refuse = None
        await again.click()
        await stage_is(page, "playing")
        assert len(server.posts) == 3


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
async def test_the_late_picture_covers_nothing_of_the_sale(
    browser: Browser, folder: RecordingFolder, language: str, viewport: dict[str, int]
) -> None:
    server = FullServer(folder, language=language)
    async with open_stage(browser, server, viewport=viewport) as (page, _):
        await wait_until(page, "document.querySelector('.stage-video').currentTime > 10.5")
        assert LATE[language] in await note(page)
        await look(page, f"late-{language}-{viewport['width']}")
        said = await page.locator(".stage-note").bounding_box()
        card = await page.locator("live-sale-card").bounding_box()
        assert said is not None
        assert card is not None
        assert said["y"] + said["height"] < card["y"]
        assert await find_faults(page) == []


async def test_without_a_recording_it_is_full_as_before(browser: Browser) -> None:
    async with open_stage(browser, FullServer(None), state="full") as (page, server):
        assert "All places for the live picture are taken" in await note(page)
        server.refuse = None
        await stage_is(page, "playing")


async def test_a_recording_that_has_nothing_yet_is_asked_for_again(
    browser: Browser, folder: RecordingFolder
) -> None:
    server = FullServer(folder)
    parts, server.parts = server.parts, []
    async with open_stage(browser, server, state="full") as (page, _):
        await wait_posts(page, server, 2)
        server.parts = parts
        await stage_is(page, "playing")
        assert LATE["en"] in await note(page)


async def test_a_host_who_sends_nothing_yet_is_named(browser: Browser) -> None:
    server = PictureServer()
    server.refuse = (409, {"Retry-After": "1"}, {"code": "not_live"})
    async with open_stage(browser, server, state="loading") as (page, _):
        await wait_until(page, "document.querySelector('.stage-note').textContent !== ''")
        assert await note(page) == "No picture yet. It appears by itself."
        await wait_posts(page, server, 4)
        await stage_is(page, "loading")
        server.refuse = None
        await stage_is(page, "playing")
        assert await note(page) == ""


async def test_a_network_that_lets_no_offer_through_is_named(browser: Browser) -> None:
    async with open_stage(browser, LackingServer("/whep/demo"), state=None) as (page, server):
        await says(page, "No connection for the picture")
        server.lacks = None
        await stage_is(page, "playing")


async def test_a_script_that_does_not_come_is_asked_for_again_and_that_is_said(
    browser: Browser,
) -> None:
    server = LackingServer("/static/js/pages/room/picture.js")
    async with open_stage(browser, server, state=None) as (page, _):
        await says(page, "The player did not load")
        await page.click(MAIN)
        await wait_for_state(page, "held")
        server.lacks = None
        await stage_is(page, "playing")
        await wait_until(page, "document.querySelector('.stage-note').innerText === ''")


async def test_a_press_on_play_that_is_refused_again_says_so(browser: Browser) -> None:
    script = REFUSE_PLAY.replace("event.isTrusted", "false")
    async with open_stage(browser, script=script, state=None) as (page, _):
        play = page.locator(".stage-play")
        await play.click()
        await says(page, "This browser refuses to play it")
        assert await play.is_visible()
