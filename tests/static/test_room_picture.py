"""The room's stage in each of its states, with a peer of the page's own as the WHEP engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.static.test_room_page import MAIN, USER, Server, open_room, wait_for_state
from tests.support.browser import wait_for, wait_until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

ENGINE = (Path(__file__).parent / "engine.js").read_text("utf-8")
ON_AIR = {"live": True, "since_ms": 1, "viewers": 3, "codec": "H264"}
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
# Until a real press. The browser's own `userActivation` cannot say: each `evaluate` of the driver
# counts as one, so that the page was refused only when it came before the first look of the test.
REFUSE_PLAY = """
    let isPressed = false;
    addEventListener('pointerdown', (event) => { isPressed ||= event.isTrusted; }, true);
    const play = HTMLMediaElement.prototype.play;
    HTMLMediaElement.prototype.play = function () {
      if (isPressed) return play.call(this);
      this.autoplay = false;
      return Promise.reject(new DOMException('no', 'NotAllowedError'));
    };
"""
LATER = """
    const now = performance.now.bind(performance);
    let ahead = 0;
    performance.now = () => now() + ahead;
    window.later = (ms) => { ahead += ms; };
"""
# What is drawn cannot be told from the attribute alone: the mean of the middle of the shown video.
COLOUR = """() => {
    const video = document.querySelector('.stage-video');
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    const context = canvas.getContext('2d');
    context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 9, 9, 0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}"""


class PictureServer(Server):
    """Also gives out tickets and speaks WHEP; `refuse` is a status and headers instead."""

    def __init__(self, *, language: str = "en", video: dict[str, Any] | None = ON_AIR) -> None:
        super().__init__(user=USER, language=language)
        self.more = {"video": video}
        self.refuse: tuple[int, dict[str, str], dict[str, Any]] | None = None
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.beats: list[dict[str, Any]] = []

    async def answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith("/whep/"):
            await self.signal(route, route.request.method, path)
        else:
            await super().answer(route)

    async def answer_call(self, route: Route, method: str, path: str) -> None:
        if path.endswith("/video/play"):
            ticket = {"protocol": "whep", "url": "/whep/demo", "token": "watch", "ice_servers": []}
            await route.fulfill(status=201, json=ticket)
        elif path.endswith("/video/beats"):
            self.beats.append(route.request.post_data_json)
            await route.fulfill(json={"counted": True})
        else:
            await super().answer_call(route, method, path)

    async def signal(self, route: Route, method: str, path: str) -> None:
        """Answer a request of the player's."""
        self.asked.append((method, path))
        self.headers.append(route.request.headers)
        self.bodies.append(route.request.post_data or "")
        if self.refuse:
            status, headers, body = self.refuse
            await route.fulfill(status=status, headers=headers, json=body)
        elif method == "POST":
            page = route.request.page
            try:
                answer = await page.evaluate("sdp => window.engine.play(sdp)", self.bodies[-1])
            except Exception:
                if page.is_closed():
                    return  # The test is over; raised here, it would fail the one after it.
                raise
            place = f"/whep/demo/s{len(self.posts)}"
            headers = {"Location": place, "ETag": '"tag"', "Content-Type": "application/sdp"}
            await route.fulfill(status=201, headers=headers, body=answer)
        else:
            await route.fulfill(status=204 if method == "PATCH" else 200)

    @property
    def posts(self) -> list[str]:
        """Return the offers so far."""
        return [
            body
            for (method, _), body in zip(self.asked, self.bodies, strict=True)
            if method == "POST"
        ]


@asynccontextmanager
async def open_stage(
    browser: Browser,
    server: PictureServer | None = None,
    *,
    script: str = "",
    state: str | None = "playing",
    **options: Any,
) -> AsyncIterator[tuple[Page, PictureServer]]:
    """Yield a room whose host is on the air."""
    server = server or PictureServer()
    options.setdefault("viewport", PHONE)
    async with open_room(browser, server=server, script=ENGINE + script, **options) as (page, _):
        if state:
            await stage_is(page, state)
        yield page, server


async def stage_is(page: Page, state: str) -> None:
    """Wait until the stage shows a state."""
    await wait_until(
        page, "state => document.querySelector('live-stage').dataset.state === state", state
    )


async def wait_ended(page: Page, server: PictureServer, no: int) -> None:
    """Wait until the player has ended its session of this number."""
    await wait_for(page, lambda: ("DELETE", f"/whep/demo/s{no}") in server.asked)


async def wait_posts(page: Page, server: PictureServer, count: int) -> None:
    """Wait until the player has made so many offers."""
    await wait_for(page, lambda: len(server.posts) >= count)


async def note(page: Page) -> str:
    """Return what the stage says."""
    return await page.inner_text(".stage-note")


async def test_a_room_without_video_is_as_it_was(browser: Browser) -> None:
    async with open_stage(browser, PictureServer(video=None), state="poster") as (page, server):
        assert server.asked == []
        assert not any("video" in path for _, path, _ in server.calls)
        for part in (".stage-words .button", ".stage-play", ".stage-line", ".stage-note"):
            for one in await page.locator(part).all():
                assert not await one.is_visible()
        await page.keyboard.press("m")
        # Not even the scripts of a picture are loaded.
        assert await page.locator(".stage-video").count() == 0


async def test_the_picture_plays_muted_by_itself_over_standard_whep(browser: Browser) -> None:
    async with open_stage(browser) as (page, server):
        await wait_until(page, "document.querySelector('.stage-video').videoWidth > 0")
        red, _, blue = await page.evaluate(COLOUR)
        assert red < blue
        video = page.locator(".stage-video")
        assert await video.evaluate("one => one.muted && one.playsInline && !one.paused")
        assert await page.inner_text(".stage-words .button >> nth=0") == "Tap for sound"
        assert await note(page) == ""
        await wait_until(page, "document.querySelector('.stage-line').hidden")
        # As when the page is left.
        await page.evaluate("void dispatchEvent(new Event('pagehide'))")
        await wait_ended(page, server, 1)
    offer = server.posts[0]
    assert "a=recvonly" in offer
    assert offer.index("m=audio") < offer.index("m=video")
    assert all(one["authorization"] == "Bearer watch" for one in server.headers)
    patches = [
        (body, headers)
        for (method, _), body, headers in zip(
            server.asked, server.bodies, server.headers, strict=True
        )
        if method == "PATCH"
    ]
    assert "a=candidate:" in patches[0][0]
    assert patches[-1][0].endswith("a=end-of-candidates\r\n")
    assert all(headers["if-match"] == '"tag"' for _, headers in patches)
    assert all(
        headers["content-type"] == "application/trickle-ice-sdpfrag" for _, headers in patches
    )


async def test_the_first_tap_brings_sound_and_then_there_is_a_switch(browser: Browser) -> None:
    async with open_stage(browser) as (page, _):
        chip = page.locator("live-stage [data-ref=sound]")
        box = await chip.bounding_box()
        assert box is not None
        assert box["height"] == 48
        await chip.click()
        assert not await page.evaluate("document.querySelector('.stage-video').muted")
        assert await chip.get_attribute("aria-label") == "Sound off (M)"
        await page.keyboard.press("m")
        assert await page.evaluate("document.querySelector('.stage-video').muted")
        assert await chip.get_attribute("aria-label") == "Sound on (M)"


async def test_a_lost_picture_keeps_its_last_frame_and_the_sale_goes_on(browser: Browser) -> None:
    async with open_stage(browser) as (page, server):
        await page.evaluate("window.engine.freeze(true)")
        words = "Sound without a picture for now. Sale and chat work as ever."
        await page.locator("live-stage[data-state=lost] .stage-note", has_text=words).wait_for()
        still = "getComputedStyle(document.querySelector('.stage-still'))"
        await wait_until(page, f"{still}.opacity < .61")
        await page.locator(".stage-still").wait_for(state="visible")
        await page.click(MAIN)
        await wait_for_state(page, "held")
        assert len(server.reserve_keys()) == 1
        await page.evaluate("window.engine.freeze(false)")
        await stage_is(page, "playing")
        await page.locator(".stage-still").wait_for(state="hidden")


async def test_a_session_that_is_cut_is_begun_anew(browser: Browser) -> None:
    async with open_stage(browser) as (page, server):
        await page.evaluate("window.engine.cut()")
        await stage_is(page, "lost")
        await wait_ended(page, server, 1)
        await stage_is(page, "playing")
        assert len(server.posts) == 2


async def test_a_server_without_a_picture_yet_is_asked_again_when_it_says(browser: Browser) -> None:
    server = PictureServer()
    server.refuse = (409, {"Retry-After": "1"}, {"code": "not_live"})
    async with open_stage(browser, server, state="loading") as (page, _):
        await wait_until(
            page, "getComputedStyle(document.querySelector('.stage-line')).visibility === 'visible'"
        )
        await wait_for(page, lambda: bool(server.posts))  # The line was there before, too.
        server.refuse = None
        await stage_is(page, "playing")
        assert len(server.posts) == 2


async def test_an_engine_that_has_no_picture_yet_is_asked_again(browser: Browser) -> None:
    """It knows nothing of our codes: MediaMTX has no such path until somebody publishes."""
    server = PictureServer()
    server.refuse = (404, {}, {"error": "no one is publishing to path 'demo'"})
    async with open_stage(browser, server, state="loading") as (page, _):
        await wait_posts(page, server, 2)
        assert await page.get_attribute("live-stage", "data-state") == "loading"
        server.refuse = None
        await stage_is(page, "playing")


async def test_a_full_house_says_so_and_a_hopeless_offer_is_not_repeated(browser: Browser) -> None:
    server = PictureServer()
    server.refuse = (503, {"Retry-After": "30"}, {"code": "video_full"})
    async with open_stage(browser, server, state="full") as (page, _):
        assert "All places for the live picture are taken" in await note(page)
    server = PictureServer()
    server.refuse = (422, {}, {"code": "offer_unsupported"})
    async with open_stage(browser, server, state="unable") as (page, _):
        assert "cannot be shown here" in await note(page)
        await page.wait_for_timeout(1_500)
        assert len(server.posts) == 1
        await page.click(MAIN)
        await wait_for_state(page, "held")


async def test_a_browser_that_refuses_to_play_gets_a_button(browser: Browser) -> None:
    async with open_stage(browser, script=REFUSE_PLAY, state=None) as (page, _):
        play = page.locator(".stage-play")
        await play.wait_for(state="visible")
        assert not await page.locator("live-stage [data-ref=sound]").is_visible()
        await play.click()
        await stage_is(page, "playing")
        await play.wait_for(state="hidden")


async def test_the_hosts_camera_off_and_on_and_the_end(browser: Browser) -> None:
    async with open_stage(browser) as (page, server):
        server.send(["K", 7, {"video": [1, None]}])
        await stage_is(page, "off")
        assert "no picture" in await note(page)
        await wait_ended(page, server, 1)
        server.send(["K", 7, {"video": [2, ON_AIR]}])
        await stage_is(page, "playing")
        assert len(server.posts) == 2
        ended = {"status": "ended"}
        show = server.make_state()["show"] | ended
        server.more |= {"show": show, "video": None}
        server.send(["Z", "e", 8, server.make_state()])
        await stage_is(page, "ended")
        assert await note(page) == "The show is over."
        await wait_ended(page, server, 2)


async def test_sound_alone_asks_for_no_video_and_leads_back(browser: Browser) -> None:
    async with open_stage(browser) as (page, server):
        stage = page.locator("live-stage")
        await stage.evaluate(
            """one => one.dispatchEvent(new CustomEvent('live:stage-offer',
                 { detail: { offer: 'sound_only' } }))"""
        )
        await stage_is(page, "sound")
        assert "Sound only" in await note(page)
        await wait_posts(page, server, 2)
        assert "m=video" not in server.posts[-1]
        assert not await page.evaluate("document.querySelector('.stage-video').muted")
        await page.get_by_role("button", name="Show the picture").click()
        await stage_is(page, "playing")
        assert "m=video" in server.posts[-1]


async def test_a_page_out_of_sight_lets_the_picture_go(browser: Browser) -> None:
    hide = """
        let hidden = false;
        Object.defineProperty(document, 'hidden', { get: () => hidden });
        window.hide = (on) => {
          hidden = on;
          document.dispatchEvent(new Event('visibilitychange'));
        };
    """
    async with open_stage(browser, script=hide + LATER) as (page, server):
        await page.evaluate("window.hide(true)")
        await page.evaluate("window.later(25_000)")
        await wait_ended(page, server, 1)
        await page.evaluate("window.hide(false)")
        await stage_is(page, "playing")
        assert len(server.posts) == 2


async def test_the_scrim_follows_the_picture(browser: Browser) -> None:
    async with open_stage(browser) as (page, _):
        ground = "getComputedStyle(document.querySelector('.room')).getPropertyValue('--scrim-34')"
        assert float(await page.evaluate(ground)) == pytest.approx(0.5)
        await page.evaluate("window.engine.paint('#ffffff')")
        await wait_until(page, f"Math.abs({ground} - .72) < .01")
        await page.evaluate("window.engine.paint('#101010')")
        await wait_until(page, f"Math.abs({ground} - .5) < .01")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_nothing_of_the_picture_covers_the_sale(browser: Browser, language: str) -> None:
    server = PictureServer(language=language)
    async with open_stage(browser, server) as (page, _):
        await page.evaluate("window.engine.freeze(true)")
        await stage_is(page, "lost")
        for viewport in (
            PHONE,
            {"width": 320, "height": 640},
            {"width": 820, "height": 1100},
            DESK,
        ):
            await page.set_viewport_size(viewport)
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= viewport["width"]
            words = await page.locator(".stage-words").bounding_box()
            card = await page.locator("#card").bounding_box()
            assert words is not None
            assert card is not None
            assert words["y"] + words["height"] <= card["y"]
        await page.click(MAIN)
        await wait_for_state(page, "held")


async def test_a_tall_picture_is_shown_whole_on_a_desk(browser: Browser) -> None:
    async with open_stage(browser, viewport=DESK) as (page, _):
        fit = "getComputedStyle(document.querySelector('.stage-video')).objectFit"
        await wait_until(page, f"{fit} === 'contain'")
        await page.evaluate("window.engine.resize([640, 360])")
        await wait_until(page, f"{fit} === 'cover'")


async def test_what_was_measured_is_told_and_names_nobody(browser: Browser) -> None:
    # Ten seconds pass in one.
    quick = "const set = window.setInterval; window.setInterval = (f, ms) => set(f, ms / 10);"
    async with open_stage(browser, script=quick) as (page, server):
        await wait_for(page, lambda: len(server.beats) > 1)
    first, second = server.beats[:2]
    assert 0 < first["first_frame_ms"] < 10_000
    assert second["first_frame_ms"] is None
    for beat in (first, second):
        assert set(beat) == {
            "first_frame_ms",
            "played_ms",
            "stalled_ms",
            "stalls",
            "behind_ms",
        }
        assert 0 < beat["played_ms"] < 10_000
        assert 0 <= beat["stalled_ms"] <= beat["played_ms"]
        assert 0 <= beat["behind_ms"] < 2_000
