"""Publish a clip by WHIP again and again, as a camera would, while nobody else publishes.

Invariant: a person's camera always wins. The clip never takes over, and is gone when it is ended
from the other side.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)

from realtime.video.clip import PACKETS_PER_S, Clip, PlayClock
from realtime.video.config import VideoConfig, VideoCounters
from realtime.video.ice import PortRange, Surroundings, confine

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 12.0
RETRY_S = 3.0  # How soon the film follows when a camera has gone.
RETRY_S_MAX = 15.0
# Answers an SDP offer with an SDP answer, and what ends the session there.
Signal = Callable[[str], Awaitable[str]]


class ClipTrack(MediaStreamTrack):
    """Pictures or sounds of a clip, looped, each at its time; timestamps never go back."""

    def __init__(self, kind: str, clip: Clip, clock: PlayClock) -> None:
        super().__init__()
        self.kind = kind
        self._pieces = clip.pictures if kind == "video" else clip.sounds
        self._per_s = clip.frames_per_s if kind == "video" else PACKETS_PER_S
        self._clock = clock
        self._next = 0

    async def recv(self) -> av.Packet[Any]:
        """Wait for the next piece's time and return it."""
        now_s = asyncio.get_running_loop().time()
        # Zero too: a sender that never waits would starve the loop.
        await asyncio.sleep(self._clock.wait_s(self._next, self._per_s, now_s))
        packet = av.Packet(self._pieces[self._next % len(self._pieces)])
        packet.pts = self._next
        packet.time_base = Fraction(1, self._per_s)
        self._next += 1
        return packet


class ClipPublication:
    """One WebRTC connection that sends a clip."""

    def __init__(self, clip: Clip, *, bind_addresses: tuple[str, ...] = ()) -> None:
        self.connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        clock = PlayClock(asyncio.get_running_loop().time())
        for kind in ("video", "audio") if clip.sounds else ("video",):
            track = ClipTrack(kind, clip, clock)
            transceiver = self.connection.addTransceiver(track, direction="sendonly")
            mime_types = {f"{kind}/{clip.codec}" if kind == "video" else "audio/opus"}
            transceiver.setCodecPreferences(
                [
                    codec
                    for codec in RTCRtpSender.getCapabilities(kind).codecs
                    if codec.mimeType in mime_types or codec.mimeType.endswith("/rtx")
                ]
            )
        if bind_addresses:
            self._confine(VideoConfig(bind_addresses=bind_addresses))
        self._settled = asyncio.Event()  # Connected, or never will be.
        self._ended = asyncio.Event()
        self.connection.add_listener("connectionstatechange", self._note_state)

    async def start(self, signal: Signal) -> None:
        """Offer, take the answer, and wait until packets flow.

        Raises what `signal` raises, and ConnectionError or TimeoutError when no connection comes
        about.
        """
        try:
            await self.connection.setLocalDescription(await self.connection.createOffer())
            answer = await signal(self.connection.localDescription.sdp)
            await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._settled.wait()
            if self.connection.connectionState != "connected":
                raise ConnectionError("the other side has ended it before it began")
        except BaseException:
            await self.close()
            raise

    async def wait_ended(self) -> None:
        """Wait until the other side, or the network, has ended it."""
        await self._ended.wait()

    async def close(self) -> None:
        """End it on our side."""
        await self.connection.close()

    def _confine(self, config: VideoConfig) -> None:
        """Gather candidates on the configured addresses only, loopback too."""
        around = Surroundings(config=config, counters=VideoCounters(), ports=PortRange(None))
        transports = {one.sender.transport.transport for one in self.connection.getTransceivers()}
        for transport in transports:
            confine(transport, around)

    def _note_state(self) -> None:
        if self.connection.connectionState in {"connected", "closed", "failed"}:
            self._settled.set()
        if self.connection.connectionState in {"closed", "failed"}:
            self._ended.set()


class PublisherPresentError(Exception):
    """Somebody publishes into the room already."""


class ClipStage:
    """Keeps a clip on a room's stage whenever nobody else is on it.

    `open_signal()` gets a fresh ticket, as a host's page does, and returns what posts the offer
    with it. That raises PublisherPresentError while the stage is taken; every other failure
    (no show, no server, a lost line) is a reason to come again later, too. `bind_addresses` are
    where it sends from; empty is every address of this machine but loopback.
    """

    def __init__(
        self,
        clip: Clip,
        open_signal: Callable[[], Awaitable[Signal]],
        *,
        bind_addresses: tuple[str, ...] = (),
        retry_s: float = RETRY_S,
        retry_s_max: float = RETRY_S_MAX,
    ) -> None:
        self._clip = clip
        self._bind_addresses = bind_addresses
        self._open_signal = open_signal
        self._retry_s = retry_s
        self._retry_s_max = retry_s_max

    async def run(self) -> None:
        """Publish, and come back, until cancelled."""
        wait_s = self._retry_s
        while True:
            try:
                await self._publish_once()
                wait_s = self._retry_s
            except PublisherPresentError:
                # Not a fault, so no longer wait: the stage is empty again at any moment.
                wait_s = self._retry_s
            except Exception as error:  # A demo's film ends no process.
                logger.info("the demo's film waits %.0f s: %r", wait_s, error)
                wait_s = min(2 * wait_s, self._retry_s_max)
            await asyncio.sleep(wait_s)

    async def _publish_once(self) -> None:
        """Publish until it is ended from the other side."""
        publication = ClipPublication(self._clip, bind_addresses=self._bind_addresses)
        try:
            await publication.start(await self._open_signal())
            logger.info("the demo's film is on")
            await publication.wait_ended()
        finally:
            await publication.close()
