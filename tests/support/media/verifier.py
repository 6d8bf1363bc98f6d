"""A viewer that decodes every picture, and asks again for what it lacks, as browsers do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

CONNECT_TIMEOUT_S = 30.0
ASK_AGAIN_S = 0.03  # aiortc asks once; browsers ask until it comes.
Signal = Callable[[str], Awaitable[str]]


class Verifier:
    """One decoding viewer.

    `frames` and `sounds` count what was decoded, `size` is the last picture's, `ended` is set when
    the other side has ended it.
    """

    def __init__(self, kinds: tuple[str, ...] = ("video", "audio")) -> None:
        self.connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._transceivers = {
            kind: self.connection.addTransceiver(kind, direction="recvonly") for kind in kinds
        }
        self.frames = self.sounds = 0
        self.size = (0, 0)
        self.last_picture_s: float | None = None
        self.ended = asyncio.Event()
        self._news = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, signal: Signal) -> None:
        """Offer, take the answer, and wait for the connection."""
        connected = asyncio.Event()

        def note() -> None:
            if self.connection.connectionState in {"connected", "failed", "closed"}:
                connected.set()
            if self.connection.connectionState in {"failed", "closed"}:
                self.ended.set()

        self.connection.add_listener("connectionstatechange", note)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        answer = await signal(self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        for kind in self._transceivers:
            self._tasks.append(asyncio.create_task(self._count(kind)))
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await connected.wait()
        if self.connection.connectionState != "connected":
            raise ConnectionError(f"the verifier is {self.connection.connectionState}")
        self._tasks.append(asyncio.create_task(self._ask_again()))

    async def wait_frames(self, count: int, timeout_s: float = 10.0) -> None:
        """Wait until `count` more pictures were decoded."""
        target = self.frames + count
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(lambda: self.frames >= target)

    async def frames_per_s(self, seconds: float) -> float:
        """Decode for so long, and return the rate."""
        loop = asyncio.get_running_loop()
        before, started_s = self.frames, loop.time()
        await asyncio.sleep(seconds)
        return (self.frames - before) / (loop.time() - started_s)

    async def close(self) -> None:
        """Leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.connection.close()

    async def _count(self, kind: str) -> None:
        track = self._transceivers[kind].receiver.track
        loop = asyncio.get_running_loop()
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                async with self._news:
                    if kind == "video":
                        self.frames += 1
                        self.size = (frame.width, frame.height)
                        self.last_picture_s = loop.time()
                    else:
                        self.sounds += 1
                    self._news.notify_all()
        self.ended.set()

    async def _ask_again(self) -> None:
        """Repeat aiortc's own negative acknowledgements while something is missing."""
        receiver = self._transceivers["video"].receiver
        nack = receiver._RTCRtpReceiver__nack_generator
        while True:
            await asyncio.sleep(ASK_AGAIN_S)
            sources = receiver._RTCRtpReceiver__remote_streams
            if nack.missing and sources:
                await receiver._send_rtcp_nack(next(iter(sources)), sorted(nack.missing))
