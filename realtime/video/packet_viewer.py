"""The fallback for viewers: whole encoded frames through the library's own sender.

It needs public names of aiortc only, so it is what is left when a release breaks the way of
`peers`. The price: each viewer's packets are made anew, and what a viewer asks for stays within the
library: losses are read from its statistics, and a keyframe is asked for now and then unasked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCRemoteInboundRtpStreamStats, RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import SessionDescription

from realtime.video.codecs import H264_PROFILE, codec_order, random_start
from realtime.video.frames import FrameAssembler, WholeFrame
from realtime.video.ice import Surroundings
from realtime.video.intake import Intake
from realtime.video.links import ViewerEvents
from realtime.video.media import CLOCK_RATES, Batch, CodecTypes, Kind, MediaPacket
from realtime.video.outlets import Outlet, OutletStart
from realtime.video.peers import BasePeer
from realtime.video.ports import VideoError

# Longer than the group of pictures that a joiner is sent at once (3 s); who is further behind
# starts again with a keyframe.
FRAMES_MAX = 256
STATISTICS_S = 1.0  # Receivers report about as often.
# A decoder that asks for a keyframe without a loss (another screen, a restart) is not heard.
KEYFRAME_S = 10.0


class FrameTrack(MediaStreamTrack):
    """Encoded frames as a track of the library; its sender packs what `recv` returns."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        super().__init__()
        self._time_base = Fraction(1, CLOCK_RATES[kind])
        self._frames: asyncio.Queue[WholeFrame] = asyncio.Queue(FRAMES_MAX)

    def put(self, frame: WholeFrame) -> bool:
        """Queue a frame; False when the viewer is too far behind: then nothing is queued."""
        if self._frames.full():
            while not self._frames.empty():
                self._frames.get_nowait()
            return False
        self._frames.put_nowait(frame)
        return True

    async def recv(self) -> av.Packet[Any]:
        """Return the next frame."""
        if self.readyState != "live":
            raise MediaStreamError
        frame = await self._frames.get()
        packet = av.Packet(frame.data)
        packet.pts = packet.dts = frame.timestamp
        packet.time_base = self._time_base
        return packet


class PacketViewer(BasePeer):
    """A viewer's connection that is sent frames; `starts` and `types` are for its outlets."""

    def __init__(self, around: Surroundings, events: ViewerEvents) -> None:
        super().__init__(around, events.ended, Intake())
        self.starts: dict[Kind, OutletStart] = {}
        self.types: dict[Kind, dict[str, CodecTypes]] = {}
        self._events = events
        self._tracks: dict[Kind, FrameTrack] = {}
        self._senders: dict[Kind, RTCRtpSender] = {}
        self._assemblers: dict[Kind, FrameAssembler] = {}
        self._watching: asyncio.Task[None] | None = None

    async def accept(self, offer: str, *, published: str | None) -> None:
        """Answer an offer; it must have the codec that is `published`. Raises VideoError."""
        text = self._take_offer(offer)
        for media in SessionDescription.parse(text).media:
            if media.direction not in {"recvonly", "sendrecv"}:
                raise VideoError("offer_unsupported", "A viewer's tracks are recvonly.")
            kind: Kind = "audio" if media.kind == "audio" else "video"
            self._add(kind, codec_order(kind, published)[0])
        await self._apply(text)  # Refuses an offer without the codec.
        await self._local()

    async def close(self) -> None:
        """End the connection and give back its port."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
            self._watching = None
        await super().close()

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Queue the frames that are whole with these packets."""
        kind, counters = outlet.kind, self._around.counters
        for packet in packets:
            for frame in self._assemblers[kind].push(packet):
                if not self._tracks[kind].put(frame):
                    counters.dropped_out += FRAMES_MAX + 1
                    self._begin(kind)
                    self._events.keyframe_wanted()
                    return
        counters.packets_out += len(packets)
        counters.bytes_out += sum(len(packet.payload) for packet in packets)

    def send_together(self, picture: Batch, sound: Batch, outlets: tuple[Outlet, Outlet]) -> None:
        """Queue a picture and the sound that waited for it."""
        self.send(picture, outlets[0])
        self.send(sound, outlets[1])

    def repair(self, packet: MediaPacket, outlet: Outlet) -> None:
        """The library's sender answers for itself."""

    def report(self, outlet: Outlet, *, ntp: int, timestamp: int) -> None:
        """The library's sender reports by its own clock."""

    def _confine(self) -> None:
        """Bind as configured while the library lets us; rather refuse than listen elsewhere."""
        config = self._around.config
        if hasattr(self._dtls.transport, "_connection"):
            super()._confine()
        elif config.bind_addresses or config.udp_ports or config.advertise_addresses:
            raise VideoError("offer_unsupported", "Media cannot be bound as it is configured.")

    def _add(self, kind: Kind, codec: str) -> None:
        """Have the library send a track in one codec."""
        track = self._tracks[kind] = FrameTrack(kind)
        transceiver = self._pc.addTransceiver(track, direction="sendonly")
        served = [
            one
            for one in RTCRtpSender.getCapabilities(kind).codecs
            if one.mimeType.lower() in {f"{kind}/{codec.lower()}", f"{kind}/rtx"}
        ]
        served.sort(key=lambda one: one.parameters.get("profile-level-id") != H264_PROFILE)
        transceiver.setCodecPreferences(served)
        self._senders[kind] = transceiver.sender
        self.types[kind] = {codec: CodecTypes(media=0)}
        self.starts[kind] = random_start()
        self._begin(kind)

    def _begin(self, kind: Kind) -> None:
        """Wait for a keyframe, where there is such a thing."""
        (codec,) = self.types[kind]
        self._assemblers[kind] = FrameAssembler(kind, codec)

    def _connected(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())
        self._events.connected()

    async def _watch(self) -> None:
        """Read of the library's statistics whether the viewer is there, and what it lost."""
        heard: dict[Kind, datetime] = {}
        lost = 0
        now_s = asyncio.get_running_loop().time
        asked_s = now_s()
        while True:
            await asyncio.sleep(STATISTICS_S)
            wants_keyframe = now_s() - asked_s >= KEYFRAME_S
            for kind, sender in self._senders.items():
                for report in (await sender.getStats()).values():
                    if not isinstance(report, RTCRemoteInboundRtpStreamStats):
                        continue
                    if heard.get(kind) == report.timestamp:
                        continue
                    heard[kind] = report.timestamp
                    self._events.received(kind, 0, 0)
                    if kind == "video":
                        wants_keyframe |= report.packetsLost > lost
                        lost = report.packetsLost
            if wants_keyframe and "video" in self._tracks:
                asked_s = now_s()
                self._events.keyframe_wanted()
