"""A player and a camera that are sent on (307) to an engine of another host, ticket included."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from server.routes.pages import CONTENT_SECURITY_POLICY
from tests.static.test_console_camera import CameraServer, open_camera, see_preview
from tests.static.test_room_picture import PictureServer, open_stage, stage_is
from tests.support.browser import wait_for

if TYPE_CHECKING:
    from playwright.async_api import Browser, Route

pytestmark = pytest.mark.pages

# As MediaMTX answers pages of any origin.
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link",
}


class Engine:
    """Answers offers as the peer of the page that makes them; `asked` is method, path and query."""

    def __init__(self, origin: str, act: str) -> None:
        self.origin = origin
        self.asked: list[tuple[str, str, str]] = []
        self._act = act

    @property
    def policy(self) -> dict[str, str]:
        """The header of a page that may call it."""
        own = "connect-src 'self'"
        return {
            "Content-Security-Policy": CONTENT_SECURITY_POLICY.replace(own, f"{own} {self.origin}")
        }

    @property
    def address(self) -> dict[str, str]:
        """The header that sends a client on."""
        return {"Location": f"{self.origin}/live/demo?token=ticket"}

    def is_meant(self, route: Route) -> bool:
        """Say whether a request is for it."""
        return route.request.url.startswith(f"{self.origin}/")

    async def answer(self, route: Route) -> None:
        """Answer a request."""
        request = route.request
        url = urlsplit(request.url)
        self.asked.append((request.method, url.path, url.query))
        if request.method != "POST":
            await route.fulfill(headers=CORS)
            return
        answer = await request.page.evaluate(
            f"sdp => window.engine.{self._act}(sdp)", request.post_data
        )
        headers = {**CORS, "Location": f"/live/demo/s{len(self.asked)}", "ETag": '"e"'}
        await route.fulfill(status=201, headers=headers, body=answer)


class RoomElsewhere(PictureServer):
    """A room whose players are sent on."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine("http://hubbub.localhost", "play")

    async def answer(self, route: Route) -> None:
        if self.engine.is_meant(route):
            await self.engine.answer(route)
        elif urlsplit(route.request.url).path == "/r/demo":
            page = self.render()
            await route.fulfill(body=page, content_type="text/html", headers=self.engine.policy)
        else:
            await super().answer(route)

    async def signal(self, route: Route, method: str, path: str) -> None:
        assert (method, path) == ("POST", "/whep/demo"), "all else is the engine's"
        await route.fulfill(status=307, headers=self.engine.address)


class ConsoleElsewhere(CameraServer):
    """A console whose camera is sent on."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine("http://hubbub.invalid", "publish")

    async def answer(self, route: Route) -> None:
        if self.engine.is_meant(route):
            await self.engine.answer(route)
        elif urlsplit(route.request.url).path == "/console/demo":
            page = self.render()
            await route.fulfill(body=page, content_type="text/html", headers=self.engine.policy)
        else:
            await super().answer(route)

    async def signal(
        self, route: Route, method: str, path: str, query: dict[str, list[str]]
    ) -> None:
        assert (method, path) == ("POST", "/whip/demo"), "all else is the engine's"
        await route.fulfill(status=307, headers=self.engine.address)


async def test_a_player_is_sent_on_and_speaks_to_the_engine_from_then_on(browser: Browser) -> None:
    server = RoomElsewhere()
    asked = server.engine.asked
    async with open_stage(browser, server) as (page, _):
        assert asked[0] == ("POST", "/live/demo", "token=ticket")
        await wait_for(page, lambda: ("PATCH", "/live/demo/s1", "") in asked)
        await page.evaluate("window.engine.cut()")
        await wait_for(page, lambda: ("DELETE", "/live/demo/s1", "") in asked)
        await stage_is(page, "playing")


async def test_a_camera_that_was_sent_on_tells_the_shop_of_its_end(browser: Browser) -> None:
    """Else the room would go on to say that its host publishes."""
    server = ConsoleElsewhere()

    def is_told() -> bool:
        return ("POST", "/api/rooms/demo/video/stop") in [call[:2] for call in server.told]

    async with open_camera(browser, server) as (page, _):
        await see_preview(page)
        await page.get_by_role("button", name="Go live with this picture").click()
        await page.locator("live-camera .light-button[data-state=fine]").wait_for()
        assert not is_told()
        await page.get_by_role("button", name="Stop the picture").click()
        await wait_for(page, lambda: ("DELETE", "/live/demo/s1", "") in server.engine.asked)
        await wait_for(page, is_told)
