"""One room: at most one publisher, its two tracks, and everybody who is handed them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from realtime.video.config import VideoConfig, VideoCounters
from realtime.video.fanout import FanOut
from realtime.video.frames import FrameAssembler
from realtime.video.links import Clock
from realtime.video.media import CLOCK_RATES, Kind, MediaPacket
from realtime.video.ports import EncodedFrame, FrameSink, VideoState
from realtime.video.publishers import PublisherSession
from realtime.video.reports import ntp_of
from realtime.video.tracks import GOP_FRESH_S, GOP_S_MAX, Track
from realtime.video.viewers import ViewerSession

log = logging.getLogger(__name__)


class Room:
    """The sessions and tracks of one room."""

    def __init__(
        self, room_id: str, config: VideoConfig, counters: VideoCounters, clock: Clock
    ) -> None:
        self.id = room_id
        self.config = config
        self.counters = counters
        self.clock = clock
        self.publisher: PublisherSession | None = None
        self.viewers: dict[str, ViewerSession] = {}
        self.joining = 0  # Viewers whose answer is being made.
        self.endings = 0  # How often all of it was ended.
        self.holds = 0  # Answers of either side that are being made.
        self.sinks: list[FrameSink] = []
        self.told = VideoState()
        self.orphaned_s = clock.now_s()
        self.unusable: Callable[[ViewerSession], None] = lambda viewer: None
        self.tracks: dict[Kind, Track] = {"audio": Track("audio"), "video": Track("video")}
        self._fanout = FanOut(self.viewers.values, counters)
        self._assemblers: dict[Kind, FrameAssembler] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nobody is left to keep the room for."""
        return not (self.publisher or self.viewers or self.holds or self.sinks)

    def restart(self, kind: Kind, codec: str) -> None:
        """Go on with a new source of a track; viewers without its codec are ended."""
        self.tracks[kind].restart(codec)
        self._assemblers.pop(kind, None)
        for viewer in tuple(self.viewers.values()):
            outlet = viewer.outlets.get(kind)
            if outlet is not None and not outlet.adopt_codec():
                self.unusable(viewer)

    def accept(  # noqa: PLR0913, PLR0917 - The fields of a header, once a packet.
        self, kind: Kind, sequence: int, timestamp: int, marker: bool, payload: bytes, now_s: float
    ) -> None:
        """Put a packet on its track and hand on what is ready."""
        track = self.tracks[kind]
        keyframes = track.keyframes
        packets = track.accept(sequence, timestamp, marker, payload, now_s)
        if track.keyframes != keyframes:
            self.counters.keyframes_in += 1
            if self.publisher is not None:
                self.publisher.requests.keyframe(now_s)
        if not packets:
            return
        if self.viewers:
            self._fanout.put(kind, packets)
        if self.sinks:
            self._feed_sinks(kind, packets)

    def expect(self) -> None:
        """Have a young keyframe when the viewer who was answered just now is connected."""
        young_s = GOP_FRESH_S / 2  # Connecting takes a few round trips.
        if self.tracks["video"].gop_start(self.clock.now_s(), young_s) is None:
            self.ask_keyframe()

    def welcome(self, session_id: str) -> None:
        """Get a viewer its first picture."""
        viewer = self.viewers.get(session_id)
        if viewer is not None and "video" in viewer.outlets and not self._burst(viewer):
            self.ask_keyframe()

    def ask_keyframe(self) -> None:
        """Want a keyframe of whoever publishes."""
        if self.publisher is not None:
            self.publisher.ask_keyframe()

    def bits_per_s(self, kind: Kind) -> int:
        """Return the rate of a track; zero without a publisher."""
        ingest = self.publisher.ingests.get(kind) if self.publisher else None
        return ingest.bits_per_s if ingest is not None else 0

    def tick(self, now_s: float) -> None:
        """Send due requests; give the last pictures to those who wait in vain for a new one."""
        if self.publisher is None:
            return
        self.publisher.tick(now_s)
        if self.publisher.requests.is_ignored:
            for viewer in tuple(self.viewers.values()):
                if viewer.is_connected:
                    self._burst(viewer)

    async def report(self, now_s: float) -> None:
        """Tell the publisher what came, and each viewer when what it sees was captured."""
        publisher = self.publisher
        if publisher is None:
            return
        publisher.report(now_s)
        wall_s = self.clock.wall_ms() / 1000
        ntp = ntp_of(wall_s)
        stamps = {kind: publisher.capture.timestamp_at(kind, wall_s) for kind in self.tracks}
        for count, viewer in enumerate(tuple(self.viewers.values()), start=1):
            for kind, outlet in viewer.outlets.items():
                stamp = stamps[kind]
                if stamp is not None and viewer.peer is not None and not outlet.is_waiting:
                    viewer.peer.report(outlet, ntp=ntp, timestamp=stamp + outlet.timestamp_shift)
            if count % 50 == 0:
                await asyncio.sleep(0)

    def state(self, now_s: float) -> VideoState:
        """Return what the room's picture is doing."""
        publisher, viewers = self.publisher, len(self.viewers)
        if publisher is None or publisher.media_s is None:
            return VideoState(viewers=viewers)
        live = now_s - publisher.media_s <= self.config.stall_s
        video = publisher.ingests.get("video")
        return VideoState(
            live=live,
            since_ms=publisher.since_ms,
            viewers=viewers,
            codec=video.codec if video is not None else None,
            bits_per_s=video.bits_per_s if video is not None and live else 0,
        )

    async def close(self) -> None:
        """Hand on nothing any more."""
        await self._fanout.close()

    def _burst(self, viewer: ViewerSession) -> bool:
        """Start a waiting viewer with the last pictures, if they are young or it must be.

        Says whether it did.
        """
        outlet = viewer.outlets.get("video")
        if outlet is None or not outlet.is_waiting or self.publisher is None:
            return False
        age_s_max = GOP_S_MAX if self.publisher.requests.is_ignored else GOP_FRESH_S
        start = self.tracks["video"].gop_start(self.clock.now_s(), age_s_max)
        if start is None:
            return False
        viewer.burst_from(start)
        return True

    def _feed_sinks(self, kind: Kind, packets: list[MediaPacket]) -> None:
        """Hand whole frames to the sinks; an error of a sink is its own."""
        codec = self.tracks[kind].codec
        assert codec is not None, "a packet was accepted"
        assembler = self._assemblers.get(kind)
        if assembler is None:
            assembler = self._assemblers[kind] = FrameAssembler(kind, codec)
        for packet in packets:
            for whole in assembler.push(packet):
                captured_s = (
                    self.publisher.capture.captured_at(kind, whole.timestamp)
                    if self.publisher is not None
                    else None
                )
                frame = EncodedFrame(
                    kind=kind,
                    codec=codec,
                    data=whole.data,
                    rtp_timestamp=whole.timestamp,
                    clock_rate=CLOCK_RATES[kind],
                    wall_ms=self.clock.wall_ms() if captured_s is None else int(captured_s * 1000),
                    keyframe=whole.keyframe,
                )
                for sink in tuple(self.sinks):
                    try:
                        sink(frame)
                    except Exception:
                        self.counters.faults += 1
                        log.exception("A sink failed on a frame of room %s", self.id)
