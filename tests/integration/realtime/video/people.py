"""Publishers and viewers on stock aiortc, which encode and decode for real, on loopback."""

from __future__ import annotations

import asyncio
import fractions
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import av
from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRemoteOutboundRtpStreamStats,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from realtime.video.config import VideoConfig
from realtime.video.forwarder import BuiltinForwarder
from realtime.video.ports import Session

WIDTH, HEIGHT, FPS = 320, 240, 30
LOOPBACK = VideoConfig(bind_addresses=("127.0.0.1",))
ROOM = "room-1"


@asynccontextmanager
async def forwarding(config: VideoConfig = LOOPBACK) -> AsyncIterator[BuiltinForwarder]:
    """A forwarder on loopback."""
    forwarder = BuiltinForwarder(config, wall_ms=lambda: time.time_ns() // 1_000_000)
    try:
        yield forwarder
    finally:
        await forwarder.close()
        assert forwarder.counters.faults == 0


async def until(condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def picture(number: int) -> av.VideoFrame:
    """A frame whose brightness steps on, with a bar that moves."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    shade = 40 + (number * 7) % 160
    for at, plane in enumerate(frame.planes):
        data = bytearray(bytes([shade if at == 0 else 128]) * plane.buffer_size)
        if at == 0:
            row = (number * 4) % HEIGHT
            data[row * plane.line_size : (row + 8) * plane.line_size] = bytes([235]) * (
                min(8, HEIGHT - row) * plane.line_size
            )
        plane.update(bytes(data[: plane.buffer_size]))
    return frame


class Camera(MediaStreamTrack):
    """Raw pictures: aiortc encodes them and answers requests for keyframes."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self.number = 0

    async def recv(self) -> av.VideoFrame:
        wait = self._began + self.number / FPS - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        frame = picture(self.number)
        frame.pts = self.number * 90_000 // FPS
        frame.time_base = fractions.Fraction(1, 90_000)
        self.number += 1
        return frame


class Encoder(MediaStreamTrack):
    """Encoded H.264 as OBS sends it: a keyframe every `gop` pictures, whoever asks for one."""

    kind = "video"

    def __init__(self, gop: int = 45) -> None:
        super().__init__()
        self._context = av.CodecContext.create("libx264", "w")
        self._context.width, self._context.height = WIDTH, HEIGHT
        self._context.pix_fmt = "yuv420p"
        self._context.time_base = fractions.Fraction(1, FPS)
        self._context.options = {
            "profile": "baseline", "tune": "zerolatency", "preset": "ultrafast",
            "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0",
        }  # fmt: skip
        self._began = time.monotonic()
        self.number = 0

    async def recv(self) -> av.Packet:
        wait = self._began + self.number / FPS - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        frame = picture(self.number)
        frame.pts, frame.time_base = self.number, fractions.Fraction(1, FPS)
        self.number += 1
        (packet,) = self._context.encode(frame)
        return packet


def connection() -> RTCPeerConnection:
    """A client's connection that asks no server for its address."""
    return RTCPeerConnection(
        RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
    )


def prefer(pc: RTCPeerConnection, codec: str) -> None:
    """Have a connection's video offer only one codec, with its repair format."""
    capabilities = RTCRtpSender.getCapabilities("video").codecs
    for transceiver in pc.getTransceivers():
        if transceiver.kind == "video":
            transceiver.setCodecPreferences([c for c in capabilities if c.name in {codec, "rtx"}])


class Publisher:
    """A host: a camera and, unless told otherwise, a microphone."""

    def __init__(
        self, video: MediaStreamTrack | None = None, *, codec: str = "VP8", sound: bool = True
    ) -> None:
        self.pc = connection()
        self.video = video or Camera()
        self.pc.addTransceiver(self.video, direction="sendonly")
        if sound:
            self.pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
        prefer(self.pc, codec)

    async def publish(self, forwarder: BuiltinForwarder, room: str = ROOM, **claim: Any) -> Session:
        """Offer, and take the answer."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        claim = {"take_over": False, **claim}
        session = await forwarder.publish(room, self.pc.localDescription.sdp, **claim)
        await self.pc.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
        return session

    async def vanish(self) -> None:
        """Close without a word to the forwarder's HTTP side."""
        await self.pc.close()


class Header(NamedTuple):
    """A packet as it came in; `at_s` is of the monotonic clock."""

    at_s: float
    ssrc: int
    sequence: int
    timestamp: int


class Viewer:
    """A viewer that decodes every frame."""

    def __init__(self, *, sound: bool = True) -> None:
        self.pc = connection()
        self.pc.addTransceiver("video", direction="recvonly")
        if sound:
            self.pc.addTransceiver("audio", direction="recvonly")
        self.frames: list[tuple[float, int, int]] = []  # Arrival, pts, brightness.
        self.sounds = 0
        self.headers: dict[str, list[Header]] = {"audio": [], "video": []}
        self._tasks: list[asyncio.Task[None]] = []
        self.pc.on("track", self._track)

    async def play(self, forwarder: BuiltinForwarder, room: str = ROOM) -> Session:
        """Offer, and take the answer."""
        for receiver in self.pc.getReceivers():
            self._note_headers(receiver)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        session = await forwarder.play(room, self.pc.localDescription.sdp)
        await self.pc.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
        return session

    def share(self, last_s: float) -> float:
        """Of the pictures of the last seconds of what is published, the share that was decoded.

        By timestamps, whoever is late: a busy machine delays pictures, it does not lose them.
        """
        step = 90_000 // FPS
        newest = max(pts for _, pts, _ in self.frames)
        decoded = sum(1 for _, pts, _ in self.frames if newest - pts < last_s * 90_000)
        return decoded * step / (last_s * 90_000)

    async def told_of_capture(self) -> set[str]:
        """Return of which kinds a sender report came, which says what was captured when."""
        stats = (await self.pc.getStats()).values()
        return {one.kind for one in stats if isinstance(one, RTCRemoteOutboundRtpStreamStats)}

    async def close(self) -> None:
        """Leave."""
        await self.pc.close()
        for task in self._tasks:  # A track that never connected never ends by itself.
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _note_headers(self, receiver: Any) -> None:
        """Look at packets before the library's receiver does, which bears any jump."""
        handle, noted = receiver._handle_rtp_packet, self.headers[receiver._RTCRtpReceiver__kind]

        async def note(packet: Any, arrival_time_ms: int) -> None:
            if not noted or packet.ssrc == noted[0].ssrc:  # Repairs have a source of their own.
                at_s = time.monotonic()
                noted.append(Header(at_s, packet.ssrc, packet.sequence_number, packet.timestamp))
            await handle(packet, arrival_time_ms=arrival_time_ms)

        receiver._handle_rtp_packet = note

    def _track(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.ensure_future(self._watch(track)))

    async def _watch(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, av.VideoFrame):
                brightness = bytes(frame.planes[0])[0]
                assert (frame.width, frame.height) == (WIDTH, HEIGHT)
                self.frames.append((time.monotonic(), int(frame.pts), brightness))
            else:
                self.sounds += 1
