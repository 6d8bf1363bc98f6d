"""A gateway and a media process in one test, joined by their own HTTP, without sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.auth.secret import derive_key, load_secret
from server.settings import Settings
from server.video.builtin import CONTROL_PURPOSE, BuiltinEngine
from server.video.engine import Engine
from server.video.service import LiveVideo
from server.wiring.gateway import GatewayProcess, build_gateway
from server.wiring.media import MediaProcess, assemble_media
from tests.integration.server.test_edge import Person, sign_in, staff
from tests.support.forwarding import OFFER, RecordingForwarder

URL = "http://127.0.0.1:8000"
SDP = {"Content-Type": "application/sdp"}


class VideoStage:
    """The demo room with a live show, its host, and a forwarder that remembers."""

    def __init__(
        self, gateway: GatewayProcess, media: MediaProcess, forwarder: RecordingForwarder
    ) -> None:
        self.gateway = gateway
        self.media = media
        self.forwarder = forwarder
        transport = httpx.ASGITransport(_as_sent(gateway.app), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url=URL)
        self.host: Person = None  # type: ignore[assignment]  # Signed in when it opens.
        self.room_id = ""

    @property
    def video(self) -> LiveVideo:
        """What the gateway's routes use."""
        video: LiveVideo = self.gateway.app.state.services.video
        return video

    def replace(self, **parts: Any) -> None:
        """Give the gateway another part of its way to video."""
        services = self.gateway.app.state.services
        video = msgspec.structs.replace(services.video, **parts)
        self.gateway.app.state.services = msgspec.structs.replace(services, video=video)

    async def open(self) -> None:
        """Sign the host in and start the show."""
        self.host = await staff(self.gateway, self.http, "host")
        await self.host.call("POST", "/api/rooms/demo/start")
        database = self.gateway.app.state.services.database
        async with database.reading() as connection:
            found = await connection.fetchval("SELECT id FROM rooms WHERE slug = 'demo'")
        self.room_id = str(found)

    async def guest(self) -> Person:
        """Return somebody new."""
        return await sign_in(self.http, "/api/guests", {"name": "Lin"})

    async def moderator(self) -> Person:
        """Return the demo room's moderator."""
        return await staff(self.gateway, self.http, "moderator")

    async def ticket(self, act: str, person: Person | None = None, **params: str) -> str:
        """Return a ticket: the host's to publish, a visitor's to play, unless a person is named."""
        person = person or (self.host if act == "publish" else None)
        headers = {} if person is None else person.headers
        address = f"/api/rooms/demo/video/{act}"
        answer = await self.http.post(address, headers=headers, params=params)
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        return token

    async def offer(
        self, act: str, token: str | None = None, body: str = OFFER, **more: Any
    ) -> httpx.Response:
        """Post an offer; with no token a fresh ticket is fetched."""
        way = "whip" if act == "publish" else "whep"
        token = await self.ticket(act) if token is None else token
        headers = {"Authorization": f"Bearer {token}", **SDP, **more.pop("headers", {})}
        return await self.http.post(f"/{way}/demo", content=body, headers=headers, **more)


def _as_sent(app: ASGIApp) -> ASGIApp:
    """Return the application with headers as plain bytes, which is all that a socket carries."""

    async def sent(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_plain(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [(bytes(name), value) for name, value in message["headers"]]
            await send(message)

        await app(scope, receive, send_plain)

    return sent


@asynccontextmanager
async def open_stage(
    settings: Settings, *, engine: Engine | None = None, forwarder: RecordingForwarder | None = None
) -> AsyncIterator[VideoStage]:
    """Run both processes' parts over the demo shop."""
    settings = msgspec.structs.replace(settings, media_backend="builtin")
    forwarder = forwarder or RecordingForwarder()
    media = assemble_media(settings, "m1", forwarder)
    gateway = await build_gateway(settings, "g1")
    stage = VideoStage(gateway, media, forwarder)
    key = derive_key(load_secret(settings.data, settings.secret), CONTROL_PURPOSE)
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(media.app, raise_app_exceptions=False),
        base_url="http://media",
        headers={"Authorization": f"Bearer {key}"},
    )
    await stage.video.engine.close()
    stage.replace(engine=engine or BuiltinEngine(client))
    await stage.open()
    try:
        yield stage
    finally:
        await stage.http.aclose()
        await client.aclose()
        await gateway.shutdown()
        await media.shutdown()
