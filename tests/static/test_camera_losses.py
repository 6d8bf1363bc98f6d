"""The console's camera when something is lost on the air: a device, the picture, its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_console_camera import WATCHED, CameraServer, open_camera, see_preview
from tests.static.test_console_page import NOW_MS
from tests.support.browser import wait_for, wait_until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.pages

NO_MICROPHONE = """
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      if (wanted.audio) throw new DOMException('no', 'NotFoundError');
      return ask(wanted);
    };
"""
SCREEN_REFUSED = """
    const share = navigator.mediaDevices.getDisplayMedia;
    navigator.mediaDevices.getDisplayMedia = async () => {
      if (!window.isShared) throw new DOMException('no', 'NotAllowedError');
      return share();
    };
"""
TAKEN = """() => {
    window.taken = document.querySelector('.camera-view video').srcObject.getTracks();
}"""
# As when its cable is pulled: the browser ends the track and says so.
UNPLUG = """(kind) => {
    const tracks = document.querySelector('.camera-view video').srcObject.getTracks();
    const track = tracks.find((one) => one.kind === kind);
    track.stop();
    track.dispatchEvent(new Event('ended'));
}"""


async def go_live(page: Page) -> None:
    """Send the camera's picture."""
    await see_preview(page)
    await page.get_by_role("button", name="Go live with this picture").click()
    await page.locator("live-camera .light-button[data-state=fine]").wait_for()


async def test_a_camera_that_is_unplugged_leaves_a_voice_that_can_be_muted_and_let_go(
    browser: Browser,
) -> None:
    async with open_camera(browser) as (page, _):
        await go_live(page)
        await page.evaluate(TAKEN)
        await page.evaluate(UNPLUG, "video")
        await page.locator(".camera-trouble", has_text="The camera is gone").wait_for()
        assert await page.locator(".camera-view p").is_visible()
        await page.get_by_role("button", name="Mute").click()
        voice = "window.taken.find((one) => one.kind === 'audio')"
        assert await page.evaluate(f"!{voice}.enabled && {voice}.readyState === 'live'")
        await page.get_by_role("button", name="Turn the camera on").click()
        await see_preview(page)
        await wait_until(page, "window.taken.every((one) => one.readyState === 'ended')")
        await page.evaluate(TAKEN)
        await page.evaluate(UNPLUG, "video")
        await page.get_by_role("button", name="Stop the picture").click()
        await page.keyboard.press("Escape")
        await wait_until(page, "window.taken.every((one) => one.readyState === 'ended')")


async def test_a_microphone_that_is_unplugged_is_said_and_taken_again(browser: Browser) -> None:
    async with open_camera(browser) as (page, server):
        await go_live(page)
        await page.evaluate(UNPLUG, "audio")
        trouble = page.locator(".camera-trouble", has_text="There is no microphone")
        await trouble.wait_for()
        assert not await page.get_by_role("button", name="Mute").is_visible()
        await page.get_by_role("button", name="Turn the camera on").click()
        await trouble.wait_for(state="detached")
        assert await page.get_by_role("button", name="Mute").is_visible()
        assert len(server.offers) == 1


async def test_a_camera_goes_live_without_a_microphone_and_the_host_knows(
    browser: Browser,
) -> None:
    async with open_camera(browser, script=NO_MICROPHONE) as (page, server):
        await see_preview(page)
        await page.locator(".camera-trouble", has_text="hear nothing").wait_for()
        await page.get_by_role("button", name="Go live with this picture").click()
        await page.locator("live-camera .light-button[data-state=fine]").wait_for()
        await page.locator(".camera-trouble", has_text="hear nothing").wait_for()
        assert len(server.offers) == 1


async def test_a_screen_that_is_not_shared_leaves_the_camera(browser: Browser) -> None:
    script = WATCHED + SCREEN_REFUSED
    async with open_camera(browser, script=script) as (page, server):
        await go_live(page)
        source = page.locator("live-camera [data-ref=source]")
        await source.select_option("screen")
        await page.locator(".camera-trouble", has_text="No screen was shared").wait_for()
        assert await source.input_value() == "camera"
        await page.evaluate("window.isShared = true")
        await source.select_option("screen")
        await wait_until(page, "window.sent.at(-1) === 'video of the screen'")
        await page.evaluate(UNPLUG, "video")
        await page.locator(".camera-trouble", has_text="Sharing the screen has ended").wait_for()
        await page.get_by_role("button", name="Turn the camera on").click()
        await wait_until(page, "window.sent.at(-1) === 'video of the camera'")
        assert len(server.offers) == 1


def tell_picture(server: CameraServer, version: int, video: dict[str, Any] | None) -> None:
    """Tell the console what the room's picture is."""
    server.socket.send(json.dumps(["K", 1, {"video": [version, video]}]))


def picture_of(since_ms: float) -> dict[str, Any]:
    return {"live": True, "since_ms": since_ms, "viewers": 0, "codec": "H264"}


async def test_a_picture_that_the_room_has_lost_is_sent_anew(browser: Browser) -> None:
    """The browser itself takes its dead connection for a good one for ten seconds."""
    async with open_camera(browser) as (page, server):
        await go_live(page)
        tell_picture(server, 1, picture_of(NOW_MS + 60_000))
        await page.locator(".camera-light", has_text="fps").wait_for(timeout=30_000)
        tell_picture(server, 2, picture_of(NOW_MS + 60_000) | {"live": False})
        await page.locator("live-camera .light-button[data-state=bad]").wait_for()
        assert "Not going out" in await page.inner_text("live-camera [data-ref=finding]")
        assert len(server.offers) == 1
        tell_picture(server, 3, None)
        await wait_for(page, lambda: len(server.offers) == 2)
        await page.locator("live-camera .light-button[data-state=fine]").wait_for()


async def test_who_is_replaced_gives_way_and_is_told(browser: Browser) -> None:
    """Else two pages of one host would take the place of each other without end."""
    async with open_camera(browser) as (page, server):
        await go_live(page)
        tell_picture(server, 1, picture_of(NOW_MS + 60_000))
        await page.locator(".camera-light", has_text="fps").wait_for(timeout=30_000)
        tell_picture(server, 2, picture_of(NOW_MS + 70_000))
        await page.locator(".camera-trouble", has_text="taken the place of yours").wait_for()
        await page.locator(".camera-light", has_text="on air from elsewhere").wait_for()
        assert await page.get_by_role("button", name="Go live with this picture").is_visible()
        assert server.ended == ["/whip/demo/s1"]
        assert len(server.offers) == 1
