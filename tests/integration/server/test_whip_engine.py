"""An engine of somebody else's behind our addresses: proxied with a token, redirected without.

The engine is a stateful fake of MediaMTX that calls our authentication callback as it documents.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from server.settings import Settings
from server.video.picture import ENGINE_TTL_S
from server.video.whip_engine import Registered, WhipEngine, open_engine_client
from tests.integration.server.video_stage import SDP, VideoStage, open_stage
from tests.support.fake_mediamtx import FakeMediaMtx
from tests.support.forwarding import ANSWER, FRAGMENT, OFFER

TOKEN = "engine-token"
PROXIED = {
    "publish": "http://mtx:8889/live/{room}/whip",
    "play": "http://mtx:8889/live/{room}/whep",
}
CALLBACK = "/internal/media/auth"


class Joined:
    """The stage with the fake behind it."""

    def __init__(self, stage: VideoStage, engine: FakeMediaMtx) -> None:
        self.stage = stage
        self.engine = engine

    def use(self, templates: dict[str, str], token: str | None = TOKEN) -> None:
        """Let the gateway reach the engine by these addresses."""
        client = open_engine_client(token)
        client._transport = httpx.ASGITransport(self.engine.app)
        client._mounts = {}
        engine = WhipEngine(
            client, templates, broker=self.stage.video.broker, now_ms=self.stage.video.now_ms
        )
        self.stage.replace(engine=engine, backend="whip", engine_token=token)


@pytest.fixture
async def joined(settings: Settings) -> AsyncIterator[Joined]:
    """A shop whose video is carried by the fake, proxied."""
    async with open_stage(settings) as stage:
        joined = Joined(stage, FakeMediaMtx(stage.http))
        joined.use(PROXIED)
        yield joined


async def test_an_offer_goes_through_with_the_operators_token_alone(joined: Joined) -> None:
    stage, engine = joined.stage, joined.engine
    ticket = await stage.ticket("publish")
    answer = await stage.offer("publish", ticket)
    assert (answer.status_code, answer.text) == (201, ANSWER)
    assert engine.authorization == [f"Bearer {TOKEN}"]
    assert ticket not in str(engine.asked)
    assert answer.headers["link"] == '<stun:engine:3478>; rel="ice-server"'
    everything = answer.text + str(answer.headers)
    assert TOKEN not in everything
    assert "mtx" not in everything
    assert engine.publishers["demo"] not in everything


async def test_a_session_is_mended_and_ended_at_the_engine(joined: Joined) -> None:
    stage, engine = joined.stage, joined.engine
    ticket = await stage.ticket("publish")
    begun = await stage.offer("publish", ticket)
    headers = {
        "Authorization": f"Bearer {ticket}",
        "Content-Type": "application/trickle-ice-sdpfrag",
        "If-Match": begun.headers["etag"],
    }
    location = begun.headers["location"]
    assert (await stage.http.patch(location, content=FRAGMENT, headers=headers)).status_code == 204
    assert engine.patched == [(engine.publishers["demo"], '"mtx"')]
    assert (await stage.http.delete(location, headers=headers)).status_code == 200
    assert engine.publishers == {}
    answer = await stage.http.delete(location, headers=headers)
    assert answer.json()["code"] == "session_unknown"


async def test_the_room_is_live_while_somebody_publishes(joined: Joined) -> None:
    stage = joined.stage
    ticket = await stage.ticket("publish")
    begun = await stage.offer("publish", ticket)
    shown = (await stage.http.get("/api/rooms/demo")).json()["video"]
    assert (shown["live"], shown["viewers"], shown["codec"]) == (True, None, None)
    headers = {"Authorization": f"Bearer {ticket}"}
    await stage.http.delete(begun.headers["location"], headers=headers)
    assert (await stage.http.get("/api/rooms/demo")).json()["video"] is None


async def test_an_ended_show_ends_the_engines_sessions(joined: Joined) -> None:
    stage, engine = joined.stage, joined.engine
    await stage.offer("publish")
    assert (await stage.offer("play")).status_code == 201
    await stage.host.call("POST", "/api/rooms/demo/end")
    assert (engine.publishers, engine.readers) == ({}, {"demo": []})


async def test_a_room_without_a_publisher_is_not_live(joined: Joined) -> None:
    answer = await joined.stage.offer("play")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_live")


async def test_second_publishers_and_those_who_come_back(joined: Joined) -> None:
    stage = joined.stage
    moderator = await stage.moderator()
    assert (await stage.offer("publish", await stage.ticket("publish", moderator))).is_success
    assert (await stage.offer("publish")).json()["code"] == "publisher_present"
    assert (await stage.offer("publish", params={"take_over": "1"})).status_code == 201


async def test_what_gives_way_is_ended_for_a_camera_and_ends_none(joined: Joined) -> None:
    stage = joined.stage
    moderator = await stage.moderator()
    film = await stage.ticket("publish", moderator, gives_way="1")
    assert (await stage.offer("publish", film)).status_code == 201
    assert (await stage.offer("publish")).status_code == 201
    assert (await stage.offer("publish", film)).json()["code"] == "publisher_present"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_offer"),
        (422, "offer_unsupported"),
        (401, "engine_refused"),
        (307, "engine_refused"),
        (200, "engine_refused"),
        (500, "media_unavailable"),
        (503, "video_full"),
    ],
)
async def test_what_an_engine_says_becomes_ours(joined: Joined, status: int, code: str) -> None:
    joined.engine.status = status
    assert (await joined.stage.offer("publish")).json()["code"] == code


@pytest.mark.parametrize(
    "location",
    ["http://elsewhere/x", "//elsewhere/x", "https://mtx:8889/x", "http://mtx:1/x", "ftp://mtx/"],
)
async def test_a_session_elsewhere_is_refused(joined: Joined, location: str) -> None:
    joined.engine.location = location
    answer = await joined.stage.offer("publish")
    assert (answer.status_code, answer.json()["code"]) == (502, "engine_refused")


async def test_an_engine_that_is_away_is_503(joined: Joined) -> None:
    stage = joined.stage
    client = open_engine_client(None)
    templates = {"publish": "http://127.0.0.1:1/{room}", "play": "http://127.0.0.1:1/{room}"}
    engine = WhipEngine(client, templates, broker=stage.video.broker, now_ms=stage.video.now_ms)
    stage.replace(engine=engine)
    answer = await stage.offer("publish")
    assert (answer.status_code, answer.json()["code"]) == (503, "media_unavailable")
    await engine.close()


async def test_with_the_ticket_in_the_address_the_client_is_sent_on(joined: Joined) -> None:
    stage, engine = joined.stage, joined.engine
    joined.use({act: f"{url}?token={{token}}" for act, url in PROXIED.items()}, token=None)
    ticket = await stage.ticket("publish")
    answer = await stage.offer("publish", ticket)
    assert answer.status_code == 307
    assert answer.headers["location"] == f"http://mtx:8889/live/demo/whip?token={ticket}"
    transport = httpx.ASGITransport(engine.app)
    async with httpx.AsyncClient(transport=transport) as browser:
        own = await browser.post(answer.headers["location"], content=OFFER, headers=SDP)
        assert own.status_code == 201
        forged = await browser.post(f"{PROXIED['play'].replace('{room}', 'demo')}?token=x")
        assert forged.status_code == 401
    assert [one["action"] for one in engine.asked] == ["publish", "read"]


async def test_a_room_is_told_of_who_was_sent_on_until_it_is_stopped(joined: Joined) -> None:
    """Else no page would ever ask the engine for the picture."""
    stage = joined.stage
    joined.use({act: f"{url}?token={{token}}" for act, url in PROXIED.items()}, token=None)

    async def shown() -> dict[str, Any] | None:
        picture: dict[str, Any] | None = (await stage.http.get("/api/rooms/demo")).json()["video"]
        return picture

    assert (await stage.offer("play")).status_code == 307
    assert await shown() is None
    assert (await stage.offer("publish")).status_code == 307
    picture = await shown()
    assert picture is not None
    assert (picture["live"], picture["viewers"]) == (True, None)
    await stage.host.call("POST", "/api/rooms/demo/video/stop")
    assert await shown() is None
    assert (await stage.offer("publish")).status_code == 307
    await stage.host.call("POST", "/api/rooms/demo/end")
    assert await stage.video.picture(stage.room_id) is None


async def test_the_callback_lets_in_whom_our_addresses_would(joined: Joined) -> None:
    stage = joined.stage
    publish, play = await stage.ticket("publish"), await stage.ticket("play")
    _, made = await stage.host.call("POST", "/api/rooms/demo/video/keys", {"label": "OBS"})

    async def ask(action: str, path: str = "live/demo", **where: str) -> int:
        body = {"action": action, "path": path, **where}
        return (await stage.http.post(CALLBACK, json=body)).status_code

    assert await ask("publish", token=publish) == 200
    assert await ask("publish", password=made["token"]) == 200
    assert await ask("read", query=f"token={play}") == 200
    assert await ask("playback", query=f"jwt={play}&x=1") == 200
    assert await ask("publish", token=TOKEN) == 200
    assert await ask("publish", token=play) == 403
    assert await ask("read", token=publish) == 403
    assert await ask("read") == 401
    assert await ask("read", token=TOKEN + "x") == 401
    assert await ask("read", "live/nowhere", token=play) == 404
    assert await ask("api", token=TOKEN) == 403
    await stage.host.call("POST", "/api/rooms/demo/end")
    assert await ask("read", token=play) == 409


async def test_without_an_engine_there_is_no_callback(stage: VideoStage) -> None:
    answer = await stage.http.post(CALLBACK, json={"action": "publish"})
    assert answer.status_code == 404


async def test_viewers_who_say_no_goodbye_do_not_fill_redis(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many are remembered, the newest; a publisher always, to be ended with its room."""
    monkeypatch.setattr("server.video.whip_engine.REGISTERED_MAX", 5)
    monkeypatch.setattr("server.video.whip_engine.PRUNE_EVERY", 1)
    stage = joined.stage
    engine = stage.video.engine
    assert isinstance(engine, WhipEngine)
    now_ms = 1_000_000_000
    engine._now_ms = lambda: now_ms
    assert (await stage.offer("publish")).status_code == 201
    key = engine._key(stage.room_id)
    for _ in range(12):
        now_ms += 1
        assert (await stage.offer("play")).status_code == 201
    kept = [
        msgspec.json.decode(value, type=Registered)
        for value in (await stage.video.broker.read_fields(key)).values()
    ]
    assert sorted(one.at_ms - 1_000_000_000 for one in kept) == [0, 9, 10, 11, 12]
    now_ms += ENGINE_TTL_S * 1000
    assert (await stage.offer("play")).status_code == 201
    assert len(await stage.video.broker.read_fields(key)) == 2  # Of this moment; one to the ms.
