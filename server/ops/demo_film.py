"""Put the demo's film on the demo room's stage, through the same doors as a host's page.

Invariant: its ticket gives way: it takes over from nobody, and any picture takes over from it.
"""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from realtime.video.clip import DEMO_CLIP, read_clip
from realtime.video.clip_publisher import ClipStage, PublisherPresentError, Signal

CALL_TIMEOUT_S = 10.0
TAKEN = 409


class Door(msgspec.Struct, frozen=True):
    """Where the shop is, which room it shows the film in, and who puts it on."""

    base_url: str  # Without a trailing slash.
    room: str
    login: str
    password: str
    bind_addresses: tuple[str, ...] = ()  # Where its media comes from; empty: all but loopback.


async def show_film(door: Door) -> None:
    """Keep the film on while nobody else publishes, until cancelled."""
    # The shop is its own: no proxy of the environment stands between.
    async with httpx.AsyncClient(
        base_url=door.base_url, timeout=CALL_TIMEOUT_S, trust_env=False
    ) as http:
        entrance = Entrance(http, door)
        stage = ClipStage(
            read_clip(DEMO_CLIP), entrance.open_signal, bind_addresses=door.bind_addresses
        )
        await stage.run()


class Entrance:
    """Gets a ticket, and keeps it: while a camera is on, the film knocks every few seconds."""

    def __init__(self, http: httpx.AsyncClient, door: Door) -> None:
        self._http = http
        self._door = door
        self._ticket: dict[str, Any] | None = None

    async def open_signal(self) -> Signal:
        """Return what publishes with a ticket. Raises httpx.HTTPError."""
        if self._ticket is None:
            names = {"login": self._door.login, "password": self._door.password}
            token = (await self._post("/api/login", names))["token"]
            path = f"/api/rooms/{self._door.room}/video/publish?gives_way=1"
            self._ticket = await self._post(path, {}, token)
        return self._publish

    async def _publish(self, offer: str) -> str:
        assert self._ticket is not None
        ticket, self._ticket = self._ticket, None  # Worthless, unless the answer says otherwise.
        response = await self._http.post(
            ticket["url"],
            content=offer,
            headers={
                "Content-Type": "application/sdp",
                "Authorization": f"Bearer {ticket['token']}",
            },
        )
        if response.status_code == TAKEN:
            self._ticket = ticket
            raise PublisherPresentError
        response.raise_for_status()
        return response.text

    async def _post(
        self, path: str, body: dict[str, str], token: str | None = None
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await self._http.post(path, json=body, headers=headers)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer
