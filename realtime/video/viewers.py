"""One viewer's session: what it is sent, what it asks for again, and whether it is still there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from realtime.video.keyframe_requests import KeyframeWishes
from realtime.video.links import ViewerPeer, ViewersRoom
from realtime.video.media import Batch, Kind
from realtime.video.outlets import Outlet
from realtime.video.reports import ntp_middle, ntp_of

log = logging.getLogger(__name__)

# What one feedback packet may ask for; a stranger's lists thousands.
ASKED_MAX = 512
# Reports come at least this many sent packets apart from a viewer that is there.
UNREPORTED_PACKETS_MIN = 50
CATCH_UP_PACKETS = 32
CATCH_UP_PAUSE_S = 0.004


class ViewerSession:
    """A viewer's connection to one room; the events of its peer come here."""

    def __init__(self, session_id: str, room: ViewersRoom, ended: Callable[[ViewerSession], None]):
        self.id = session_id
        self.room = room
        self.peer: ViewerPeer | None = None
        self.outlets: dict[Kind, Outlet] = {}
        self.began_s = self.heard_s = room.clock.now_s()
        self.is_connected = False
        self._sent_when_heard = 0
        self._wishes = KeyframeWishes()
        self._ended = ended
        self._burst: asyncio.Task[None] | None = None

    def deliver(self, kind: Kind, batch: Batch) -> None:
        """Send a batch of a track to this viewer."""
        outlet = self.outlets.get(kind)
        if outlet is None or self.peer is None or not self.is_connected:
            return
        packets = outlet.take(batch)
        if packets:
            self.peer.send(packets, outlet)

    def deliver_together(self, picture: Batch, sound: Batch) -> None:
        """Send a picture and the sound that waited for it."""
        video, audio = self.outlets.get("video"), self.outlets.get("audio")
        if video is None or audio is None or self.peer is None or not self.is_connected:
            self.deliver("video", picture)
            self.deliver("audio", sound)
            return
        seen, heard = video.take(picture), audio.take(sound)
        if seen is picture and heard is sound:
            self.peer.send_together(picture, sound, (video, audio))
            return
        for packets, outlet in ((seen, video), (heard, audio)):
            if packets:
                self.peer.send(packets, outlet)

    def connected(self) -> None:
        """Begin with a keyframe asked for, or with the last pictures of who gives none."""
        self.is_connected = True
        self.heard_s = self.room.clock.now_s()
        for outlet in self.outlets.values():
            outlet.wanted_from = self.room.tracks[outlet.kind].end
        self.room.welcome(self.id)

    def lost(self, kind: Kind, sequences: Sequence[int]) -> None:
        """Send again what is still there, within the budget."""
        self._heard()
        outlet = self.outlets.get(kind)
        if outlet is None or self.peer is None:
            return
        repairs = outlet.repairs(
            sequences[:ASKED_MAX],
            bits_per_s=self.room.bits_per_s(kind),
            now_s=self.heard_s,
        )
        for packet in repairs:
            self.peer.repair(packet, outlet)
        self.room.counters.repairs_sent += len(repairs)

    def keyframe_wanted(self) -> None:
        """Pass the wish on, together with others'."""
        self._heard()
        if self._wishes.passes(self.heard_s):
            self.room.ask_keyframe()

    def received(self, kind: Kind, lsr: int, dlsr: int) -> None:
        """Measure the round trip to this viewer."""
        self._heard()
        outlet = self.outlets.get(kind)
        if outlet is not None and lsr:
            now = ntp_middle(ntp_of(self.room.clock.wall_ms() / 1000))
            outlet.round_trip(((now - lsr - dlsr) & 0xFFFF_FFFF) / 65536)

    def ended(self) -> None:
        """Have the room let go of this session."""
        self.stop()
        self._ended(self)

    def stop(self) -> None:
        """Send nothing any more."""
        self.is_connected = False
        if self._burst is not None:
            self._burst.cancel()
            self._burst = None

    def is_silent(self, now_s: float, limit_s: float) -> bool:
        """Say whether packets were sent for so long without a word about them."""
        unreported = self._sent() - self._sent_when_heard
        return now_s - self.heard_s > limit_s and unreported >= UNREPORTED_PACKETS_MIN

    def burst_from(self, index: int) -> None:
        """Start the picture in the past, and catch up with it."""
        self.outlets["video"].start_at(index)
        self._burst = asyncio.get_running_loop().create_task(self._catch_up())
        self.room.counters.gop_bursts += 1

    async def _catch_up(self) -> None:
        outlet = self.outlets["video"]
        try:
            while outlet.catching_up and self.peer is not None:
                packets = outlet.catch_up(CATCH_UP_PACKETS)
                self.peer.send(packets, outlet)
                if outlet.catching_up:
                    await asyncio.sleep(CATCH_UP_PAUSE_S)
        except Exception:  # Nobody waits for this task, and live pictures wait behind it.
            self.room.counters.faults += 1
            log.exception("A viewer that could not be caught up with is let go")
            self.ended()

    def _heard(self) -> None:
        self.heard_s = self.room.clock.now_s()
        self._sent_when_heard = self._sent()

    def _sent(self) -> int:
        return sum(outlet.packets_sent for outlet in self.outlets.values())
