"""The console's camera panel, with Chromium's fake camera and a WHIP engine inside the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.static.test_console_page import HOST, MODERATOR, Server, open_console
from tests.static.test_room_picture import ENGINE
from tests.support.browser import wait_until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.pages

NO_CAMERA = """
    navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('no', window.refuseAs ?? 'NotAllowedError');
    };
"""
KEY = {"id": "k1", "label": "Studio OBS", "created_at_ms": 1, "last_used_at_ms": None}
# What the page asks of the browser, and hands to the connection: a screen is a canvas here.
WATCHED = """
    window.wanted = [];
    window.sent = [];
    window.limits = [];
    const media = navigator.mediaDevices;
    const getUserMedia = media.getUserMedia.bind(media);
    const screens = new Set();
    media.getUserMedia = (wanted) => {
      window.wanted.push(wanted);
      return getUserMedia(wanted);
    };
    media.getDisplayMedia = async () => {
      const stream = document.createElement('canvas').captureStream(5);
      screens.add(stream.getVideoTracks()[0]);
      return stream;
    };
    const { replaceTrack, setParameters } = RTCRtpSender.prototype;
    RTCRtpSender.prototype.replaceTrack = function (track) {
      const what = screens.has(track) ? 'screen' : 'camera';
      if (track?.kind === 'video') window.sent.push(`video of the ${what}`);
      return replaceTrack.call(this, track);
    };
    RTCRtpSender.prototype.setParameters = function (parameters) {
      window.limits.push(parameters.encodings[0].maxBitrate);
      return setParameters.call(this, parameters);
    };
"""


class CameraServer(Server):
    """Also speaks WHIP and keeps stream keys; `taken` is somebody else's session."""

    # Browsers have no camera for an address that is neither https nor this machine.
    site = "http://hubbub.localhost"
    backend = "builtin"

    def __init__(self, *, user: dict[str, Any] = HOST, language: str = "en") -> None:
        super().__init__(user, language)
        self.taken = False
        self.offers: list[tuple[str, dict[str, list[str]]]] = []
        self.ended: list[str] = []
        self.stream_keys = [KEY]

    async def answer(self, route: Route) -> None:
        method, url = route.request.method, urlsplit(route.request.url)
        if url.path.startswith("/whip/"):
            await self.signal(route, method, url.path, parse_qs(url.query))
        elif url.path == "/api/rooms/demo/video/publish":
            self.told.append((method, url.path, None))
            ticket = {"protocol": "whip", "url": "/whip/demo", "token": "p", "ice_servers": []}
            await route.fulfill(status=201, json=ticket)
        elif url.path.startswith("/api/rooms/demo/video/keys"):
            await self.answer_keys(route, method, url.path)
        else:
            await super().answer(route)

    async def answer_keys(self, route: Route, method: str, path: str) -> None:
        if method == "POST":
            key = KEY | {"id": "k2", "label": route.request.post_data_json["label"]}
            self.stream_keys.append(key)
            fresh = {"key": key, "token": "hsk_secret", "url": "https://shop.example/whip/demo"}
            await route.fulfill(status=201, json=fresh)
        elif method == "DELETE":
            gone = path.rpartition("/")[2]
            self.stream_keys = [one for one in self.stream_keys if one["id"] != gone]
            await route.fulfill(json={})
        else:
            await route.fulfill(json={"keys": self.stream_keys})

    async def signal(
        self, route: Route, method: str, path: str, query: dict[str, list[str]]
    ) -> None:
        if method != "POST":
            if method == "DELETE":
                self.ended.append(path)
            await route.fulfill(status=204 if method == "PATCH" else 200)
            return
        offer = route.request.post_data or ""
        self.offers.append((offer, query))
        if self.taken and "take_over" not in query:
            await route.fulfill(status=409, json={"code": "publisher_present"})
            return
        page = route.request.page
        answer = await page.evaluate("sdp => window.engine.publish(sdp)", offer)
        headers = {"Location": f"s{len(self.offers)}", "Content-Type": "application/sdp"}
        # Relative to the address that was posted to, as RFC 9725 allows.
        headers["Location"] = f"/whip/demo/{headers['Location']}"
        await route.fulfill(status=201, headers=headers, body=answer)


@asynccontextmanager
async def open_camera(
    browser: Browser, server: CameraServer | None = None, *, script: str = "", **options: Any
) -> AsyncIterator[tuple[Page, CameraServer]]:
    """Yield a console with the camera's sheet open."""
    server = server or CameraServer()
    server.script = ENGINE + script
    async with open_console(browser, server=server, **options) as (page, _):
        await page.locator("live-camera .light-button").wait_for()
        await page.keyboard.press("v")
        await page.locator("live-camera dialog").wait_for(state="visible")
        yield page, server


async def see_preview(page: Page) -> None:
    """Wait until the host sees the camera."""
    await wait_until(page, "document.querySelector('.camera-view video').videoWidth > 0")


def acts(page: Page) -> Any:
    """Return the row of buttons."""
    return page.locator(".camera-acts")


async def test_a_shop_without_video_offers_no_camera(browser: Browser) -> None:
    async with open_console(browser) as (page, _):
        await page.keyboard.press("v")
        await page.wait_for_timeout(100)
        assert not await page.locator("live-camera .light-button").is_visible()
        assert not await page.locator("live-camera dialog").is_visible()
    async with open_console(browser, user=MODERATOR) as (page, _):
        assert await page.locator("live-camera").count() == 0


async def test_the_host_sees_the_picture_before_anybody_and_goes_live(browser: Browser) -> None:
    async with open_camera(browser) as (page, server):
        await see_preview(page)
        assert server.offers == []
        assert await page.evaluate("document.querySelector('.camera-view video').muted")
        await page.get_by_role("button", name="Go live with this picture").click()
        await page.locator("live-camera .light-button[data-state=fine]").wait_for()
        says = page.locator(".camera-light", has_text="fps")
        await says.wait_for()
        assert "Mb/s" in await says.inner_text()
        assert await page.locator("#stage-own").is_visible()
        # Another device, or silence, is no new session.
        await page.get_by_role("button", name="Mute").click()
        assert await page.get_by_role("button", name="Muted. Unmute").is_visible()
        await page.get_by_role("button", name="Stop the picture").click()
        await page.locator("live-camera .light-button[data-state=none]").wait_for()
    offer, _ = server.offers[0]
    assert len(server.offers) == 1
    assert "a=sendonly" in offer
    video = offer.partition("m=video")[2]
    rates = [line for line in video.splitlines() if line.startswith("a=rtpmap:")]
    first = "H264" if "H264" in video else "VP8"
    assert first in rates[0]
    assert server.ended == ["/whip/demo/s1"]


async def test_screen_devices_and_rate_change_on_the_air_without_a_new_session(
    browser: Browser,
) -> None:
    async with open_camera(browser, script=WATCHED) as (page, server):
        await see_preview(page)
        await page.get_by_role("button", name="Go live with this picture").click()
        await page.locator("live-camera .light-button[data-state=fine]").wait_for()
        await page.locator("live-camera [data-ref=source]").select_option("screen")
        await wait_until(page, "window.sent.includes('video of the screen')")
        assert await page.locator("live-camera [data-ref=camera]").is_disabled()
        microphone = page.locator("live-camera [data-ref=microphone]")
        chosen = await microphone.locator("option").last.get_attribute("value")
        await microphone.select_option(chosen)
        await wait_until(page, "id => window.wanted.at(-1).audio.deviceId?.exact === id", chosen)
        await page.locator("live-camera [data-ref=source]").select_option("camera")
        await wait_until(page, "window.sent.at(-1) === 'video of the camera'")
        await page.locator("live-camera [data-ref=bitrate]").select_option("800000")
        await wait_until(page, "window.limits.at(-1) === 800000")
        assert len(server.offers) == 1


async def test_closing_the_sheet_lets_a_camera_go_that_is_not_on_the_air(browser: Browser) -> None:
    async with open_camera(browser) as (page, _):
        await see_preview(page)
        await page.evaluate("window.seen = document.querySelector('.camera-view video').srcObject")
        await page.keyboard.press("Escape")
        await wait_until(page, "window.seen.getTracks().every((one) => one.readyState === 'ended')")
        await page.keyboard.press("v")
        await see_preview(page)
        await page.get_by_role("button", name="Go live with this picture").click()
        await page.locator("live-camera .light-button[data-state=fine]").wait_for()
        await page.keyboard.press("Escape")
        await page.wait_for_timeout(200)
        await page.locator("live-camera .light-button[data-state=fine]").wait_for()
        assert await page.evaluate("document.querySelector('#stage-own').srcObject.active")


async def test_another_publisher_is_taken_over_only_when_the_host_says_so(browser: Browser) -> None:
    server = CameraServer()
    server.taken = True
    server.excused = "409"
    async with open_camera(browser, server) as (page, _):
        await see_preview(page)
        await page.get_by_role("button", name="Go live with this picture").click()
        ask = page.locator("live-ask dialog")
        await ask.wait_for(state="visible")
        assert "viewers stay" in await ask.inner_text()
        await page.keyboard.press("Escape")
        await ask.wait_for(state="hidden")
        assert "Somebody else publishes" in await page.inner_text(".camera-trouble >> nth=0")
        await page.get_by_role("button", name="Go live with this picture").click()
        await ask.wait_for(state="visible")
        await page.get_by_role("button", name="Take over").click()
        await page.locator("live-camera .light-button[data-state=fine]").wait_for()
    assert [query for _, query in server.offers] == [{}, {}, {"take_over": ["1"]}]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "did not allow it"),
        ("NotFoundError", "No camera or microphone was found"),
        ("NotReadableError", "Another program uses the camera"),
    ],
)
async def test_no_camera_is_said_in_words_with_the_way_out(
    browser: Browser, name: str, words: str
) -> None:
    script = f"window.refuseAs = '{name}';" + NO_CAMERA
    async with open_camera(browser, script=script) as (page, _):
        trouble = page.locator(".camera-trouble", has_text=words)
        await trouble.wait_for()
        assert not await page.get_by_role("button", name="Go live").is_visible()
        assert await page.get_by_role("button", name="Turn the camera on").is_visible()


async def test_a_page_without_https_says_why_it_has_no_camera(browser: Browser) -> None:
    server = CameraServer()
    server.site = "http://hubbub.invalid"
    async with open_camera(browser, server) as (page, _):
        await page.locator(".camera-trouble", has_text="https pages only").wait_for()


async def test_a_stream_key_is_shown_once_and_revoked(browser: Browser) -> None:
    async with open_camera(browser) as (page, server):
        await page.get_by_text("Use OBS or another program").click()
        await page.locator(".stream-row", has_text="Studio OBS").wait_for()
        await page.get_by_label("Name of the key").fill("Second desk")
        await page.keyboard.press("Enter")
        token = page.get_by_label("Key (Bearer token)")
        await token.wait_for(state="visible")
        assert await token.input_value() == "hsk_secret"
        assert (
            await page.get_by_label("Address", exact=True).input_value()
            == "https://shop.example/whip/demo"
        )
        await page.keyboard.press("Escape")
        await page.locator("live-camera dialog").wait_for(state="hidden")
        await page.keyboard.press("v")
        await page.locator(".stream-row", has_text="Second desk").wait_for()
        assert await token.input_value() == ""
        await page.locator(".stream-row", has_text="Second desk").get_by_role("button").click()
        await wait_until(page, "document.querySelectorAll('.stream-row').length === 1")
        assert [key["id"] for key in server.stream_keys] == ["k1"]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_camera_fits_every_width(browser: Browser, language: str) -> None:
    async with open_camera(browser, CameraServer(language=language)) as (page, _):
        await see_preview(page)
        await page.locator(".camera-acts button >> nth=0").click()
        await page.locator(".camera-light", has_text="Mb/s").wait_for()
        await page.locator(".stream-keys summary").click()
        for width, height in ((1440, 860), (1180, 860), (820, 1100), (360, 740)):
            await page.set_viewport_size({"width": width, "height": height})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            body = page.locator("live-camera .sheet-body")
            assert await body.evaluate("one => one.scrollWidth <= one.clientWidth")


async def test_the_picture_light_says_the_medians_and_the_sheet_the_rest(browser: Browser) -> None:
    figures = {"window_s": 120, "beats": 40, "stalls": 3, "stalled_share": 0.003}
    figures |= {"first_frames": 9, "first_frame_ms_p50": 1_200, "first_frame_ms_p95": 2_800}
    figures |= {"behind_ms_p50": 400, "behind_ms_p95": None}
    async with open_console(browser, user=MODERATOR, picture=figures) as (page, _):
        light = page.locator("live-picture-light .light[data-state=fine]")
        await light.wait_for()
        words = "Picture 1.2 s first frame 0.3 % stalled · 0.4 s behind"
        assert " ".join((await light.inner_text()).split()) == words
        await light.click()
        sheet = page.locator("live-picture-light dialog")
        cells = [text.strip() for text in await sheet.locator("tbody td").all_inner_texts()]
        assert cells == ["1.2 s", "2.8 s", "0.4 s", "unknown"]
        assert "3 stalls in 40 reports" in await sheet.inner_text()
    async with open_console(browser) as (page, _):
        assert not await page.locator("live-picture-light .light").is_visible()
