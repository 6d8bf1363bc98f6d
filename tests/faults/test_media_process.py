"""The media process beside the others: started, left alone by restarts, restarted when it dies."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from server.ops.listeners import reserve_port
from tests.support.api import Caller, eventually, log_in, open_client
from tests.support.program import Program
from tests.support.whip_client import WhipClient, only_loopback

MEDIA = {
    "HUBBUB_MEDIA_BACKEND": "builtin",
    "HUBBUB_MEDIA_BIND": "127.0.0.1",
    "HUBBUB_DEMO_FILM": "0",
}
# A picture that ended is told of within two seconds, and on a busy machine some more.
GONE_WITHIN_S = 20.0


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients reach the media process over loopback."""
    only_loopback(monkeypatch)


@asynccontextmanager
async def host_of(url: str) -> AsyncIterator[Caller]:
    """The demo room's host, with a live show."""
    host = await log_in(url, "host")
    try:
        await host.call("POST", "/api/rooms/demo/start")
        yield host
    finally:
        await host.close()


async def open_session(
    stack: AsyncExitStack, host: Caller, act: str, *, take_over: bool = True
) -> WhipClient:
    """Begin a session with a ticket, and close it with the test."""
    ticket = await host.call("POST", f"/api/rooms/demo/video/{act}", status=201)
    client = WhipClient(host.http, ticket["protocol"], ticket["token"])
    stack.push_async_callback(client.close)
    params = {"take_over": "1"} if act == "publish" and take_over else {}
    answer = await client.begin(**params)
    assert answer.status_code == 201, answer.text
    assert b"Location" in [name for name, _ in answer.headers.raw]  # As it was on the wire.
    return client


async def picture(host: Caller) -> Any:
    """Return what everybody is told of the demo room's picture."""
    return (await host.call("GET", "/api/rooms/demo"))["video"]


async def live_picture(host: Caller) -> Any:
    """Return the demo room's picture while it is live; a busy media process tells it late."""
    seen = await picture(host)
    return seen if seen is not None and seen["live"] else None


async def test_a_picture_goes_from_the_host_to_a_viewer_and_ends_with_the_show(
    serve: Callable[..., Program],
) -> None:
    program = serve("--demo", environment=MEDIA)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(host_of(program.url))
        assert await picture(host) is None
        publisher = await open_session(stack, host, "publish")
        await eventually(lambda: live_picture(host))
        viewer = await open_session(stack, host, "play")
        await eventually(lambda: _enough(viewer))
        shown = await eventually(lambda: live_picture(host))
        assert shown["codec"] in {"VP8", "H264"}
        await host.call("POST", "/api/rooms/demo/end")

        async def is_over() -> bool:
            return await picture(host) is None

        await eventually(is_over, timeout_s=GONE_WITHIN_S)
        assert (await publisher.end()).status_code == 404


async def _enough(viewer: WhipClient) -> bool:
    return viewer.frames >= 10


async def test_a_restart_leaves_the_media_process_and_its_pictures(
    serve: Callable[..., Program],
) -> None:
    program = serve("--demo", environment=MEDIA)
    (media,) = program.children_with_role("media")
    gateways = {process.pid for process in program.children_with_role("gateway")}
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(host_of(program.url))
        await open_session(stack, host, "publish")
        await eventually(lambda: live_picture(host))
        viewer = await open_session(stack, host, "play")
        await eventually(lambda: _enough(viewer))
        program_parent = program.family()[0]
        program_parent.send_signal(signal.SIGUSR2)

        async def is_restarted() -> bool:
            return " restarted" in program.output or '"restarted"' in program.output

        await eventually(is_restarted)
        assert [process.pid for process in program.children_with_role("media")] == [media.pid]
        fresh = {process.pid for process in program.children_with_role("gateway")}
        assert not fresh & gateways
        before = viewer.frames

        async def goes_on() -> bool:
            return viewer.frames > before + 10

        await eventually(goes_on)
        # A gateway that never saw it begin ends the session.
        assert (await viewer.end()).status_code == 200


async def test_a_killed_media_process_leaves_no_room_live_and_comes_back(
    serve: Callable[..., Program],
) -> None:
    program = serve("--demo", environment=MEDIA)
    (media,) = program.children_with_role("media")
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(host_of(program.url))
        await open_session(stack, host, "publish")
        await eventually(lambda: live_picture(host))
        media.kill()

        async def is_over() -> bool:
            return await picture(host) is None

        await eventually(is_over, timeout_s=GONE_WITHIN_S)

        async def is_back() -> bool:
            found = program.children_with_role("media")
            return bool(found) and found[0].pid != media.pid

        await eventually(is_back)

        async def begins_anew() -> bool:
            try:
                await open_session(stack, host, "publish")
            except AssertionError:
                return False
            return True

        await eventually(begins_anew)
        await eventually(lambda: live_picture(host))


async def test_without_the_setting_there_is_no_media_process(serve: Callable[..., Program]) -> None:
    assert serve().children_with_role("media") == []


async def test_another_shop_of_ours_is_an_engine(
    serve: Callable[..., Program], tmp_path: Any
) -> None:
    """The `whip` backend end to end: offers go through one shop to the next, media directly."""
    engine = serve("--demo", environment=MEDIA)
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(host_of(engine.url))
        made = await far.call("POST", "/api/rooms/demo/video/keys", {"label": "near"}, status=201)
        near = serve(
            "--demo",
            environment={
                "DATA": str(tmp_path),
                "HUBBUB_MEDIA_BACKEND": "whip",
                "HUBBUB_WHIP_PUBLISH_URL": f"{engine.url}/whip/{{room}}",
                "HUBBUB_WHIP_PLAY_URL": f"{engine.url}/whep/{{room}}",
                "HUBBUB_WHIP_TOKEN": made["token"],
                "HUBBUB_REDIS_PREFIX": "near:",
            },
        )
        host = await stack.enter_async_context(host_of(near.url))
        publisher = await open_session(stack, host, "publish")
        await eventually(lambda: live_picture(host))
        await eventually(lambda: live_picture(far))
        viewer = await open_session(stack, host, "play")
        await eventually(lambda: _enough(viewer))
        assert (await publisher.end()).status_code == 200

        async def is_over() -> bool:
            return await picture(host) is None and await picture(far) is None

        await eventually(is_over)


async def test_the_media_role_runs_by_itself(serve: Callable[..., Program]) -> None:
    reserved, port = reserve_port("127.0.0.1", 0)
    with reserved:  # Nobody else gets the port until a process listens on it.
        environment = {**MEDIA, "HUBBUB_MEDIA_URL": f"http://127.0.0.1:{port}"}
        shop = serve("--demo", environment=environment)
        assert shop.children_with_role("media") == []
        alone = serve("--role", "media", "--demo", environment=environment, ready=False)
        await _answers(port)
    assert len(alone.children_with_role("media")) == 1
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(host_of(shop.url))
        await open_session(stack, host, "publish")
        await eventually(lambda: live_picture(host))
        async with open_client(f"http://127.0.0.1:{port}") as http:
            assert "hubbub_media_rooms_live" in (await http.get("/metrics")).text


async def _answers(port: int) -> None:
    """Wait until a process at this port says that it is alive."""

    async def is_alive() -> bool:
        try:
            async with open_client(f"http://127.0.0.1:{port}") as http:
                return (await http.get("/healthz")).is_success
        except httpx.TransportError:
            return False

    await eventually(is_alive)


async def test_the_demo_room_shows_its_film_until_a_camera_comes(
    serve: Callable[..., Program],
) -> None:
    program = serve("--demo", environment={**MEDIA, "HUBBUB_DEMO_FILM": "1"})
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(host_of(program.url))
        film = await eventually(lambda: live_picture(host))
        viewer = await open_session(stack, host, "play")
        await eventually(lambda: _enough(viewer))
        assert film["codec"] == "H264"
        # As OBS does: it knows nothing of taking over, and need not.
        camera = await open_session(stack, host, "publish", take_over=False)

        async def newer(than_ms: int) -> Any:
            seen = await live_picture(host)
            return seen if seen is not None and seen["since_ms"] > than_ms else None

        shown = await eventually(lambda: newer(film["since_ms"]))
        before = viewer.frames

        async def goes_on() -> bool:
            return viewer.frames > before + 10

        await eventually(goes_on)
        await camera.end()
        # Some seconds later the film is on again, and the viewer has never left.
        await eventually(lambda: newer(shown["since_ms"]))
        before = viewer.frames
        await eventually(goes_on)
