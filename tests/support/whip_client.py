"""A publisher and a viewer on stock aiortc, over the shop's own WHIP and WHEP addresses.

They use loopback alone: `only_loopback` makes the library gather 127.0.0.1, which it skips.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)

SDP = {"Content-Type": "application/sdp"}


def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have aiortc's clients of this process use loopback."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


class WhipClient:
    """One session; `frames` counts the pictures that a viewer has decoded."""

    def __init__(self, http: httpx.AsyncClient, way: str, token: str) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.frames = 0
        self.location = ""
        self._http = http
        self._way = way
        self._headers = {"Authorization": f"Bearer {token}"}
        self._watching: list[asyncio.Task[None]] = []

    async def begin(self, room: str = "demo", **params: str) -> httpx.Response:
        """Offer, and connect when it is answered; return the answer as it came."""
        if self._way == "whip":
            self.peer.addTrack(VideoStreamTrack())
        else:
            self.peer.addTransceiver("video", direction="recvonly")
            self.peer.on("track", self._watch)
        await self.peer.setLocalDescription(await self.peer.createOffer())
        answer = await self._http.post(
            f"/{self._way}/{room}",
            content=self.peer.localDescription.sdp,
            headers={**self._headers, **SDP},
            params=params,
            follow_redirects=True,
        )
        if answer.status_code == httpx.codes.CREATED:
            self.location = answer.headers["location"]
            description = RTCSessionDescription(answer.text, "answer")
            await self.peer.setRemoteDescription(description)
        return answer

    async def end(self) -> httpx.Response:
        """Hang up as a client should."""
        return await self._http.delete(self.location, headers=self._headers)

    async def close(self) -> None:
        """Let go, without a word to the server."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await self.peer.close()

    def _watch(self, track: Any) -> None:
        async def count() -> None:
            while True:
                await track.recv()
                self.frames += 1

        self._watching.append(asyncio.create_task(count()))
