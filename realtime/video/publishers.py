"""One publisher's session: what comes goes on the room's tracks, what is missing is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime.video.ingest import IngestTrack
from realtime.video.keyframe_requests import KeyframeRequests
from realtime.video.links import PublisherPeer, PublishersRoom
from realtime.video.media import Kind
from realtime.video.reports import CaptureClock

REPAIR_TICK_S = 0.020
# Scattered numbers take four bytes each; a feedback packet must fit one datagram.
ASKED_AT_ONCE = 256


class PublisherSession:
    """A publisher's connection to one room; the events of its peer come here."""

    def __init__(
        self,
        session_id: str,
        room: PublishersRoom,
        ended: Callable[[PublisherSession], None],
        *,
        gives_way: bool = False,
    ):
        self.id = session_id
        self.gives_way = gives_way  # Anybody who does not takes its place.
        self.room = room
        self.peer: PublisherPeer | None = None
        self.capture = CaptureClock()
        self.requests = KeyframeRequests()
        self.ingests: dict[Kind, IngestTrack] = {}
        self.began_s = self.heard_s = room.clock.now_s()
        self.is_connected = False
        self.media_s: float | None = None  # When the newest media packet came.
        self.since_ms: int | None = None
        self._ended = ended
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_current(self) -> bool:
        """Whether this is the publisher that the room listens to."""
        return self.room.publisher is self

    def packet(  # noqa: PLR0913, PLR0917 - The fields of a header, once a packet.
        self, kind: Kind, payload_type: int, ssrc: int, sequence: int, timestamp: int,
        marker: bool, payload: bytes,
    ) -> None:  # fmt: skip
        """Take a packet to the room's track."""
        room, ingest = self.room, self.ingests.get(kind)
        if not self.is_current or ingest is None:
            return
        now_s = room.clock.now_s()
        self.heard_s = now_s
        room.counters.packets_in += 1
        room.counters.bytes_in += len(payload)
        came = ingest.accept(payload_type, ssrc, sequence, timestamp, marker, payload, now_s)
        if came is None:
            return
        if self.since_ms is None:
            self.since_ms = room.clock.wall_ms()
        self.media_s = now_s
        if came.is_new_source:
            room.restart(kind, ingest.codec)
            if kind == "video":
                self.ask_keyframe()
        if came.ask:
            self._ask_again(ingest, came.ask)
            self._watch_repairs()
        if came.needs_keyframe:
            self.ask_keyframe()
        room.accept(kind, came.sequence, came.timestamp, came.marker, came.payload, now_s)

    def sender_report(self, kind: Kind, ntp: int, timestamp: int) -> None:
        """Learn when what is on the track was captured."""
        now_s = self.room.clock.now_s()
        self.heard_s = now_s
        ingest, track = self.ingests.get(kind), self.room.tracks[kind]
        if not self.is_current or ingest is None or not track.timestamps.started:
            return
        ingest.sender_report(ntp, now_s)
        placed = track.timestamps.place(timestamp)
        self.capture.sender_report(kind, ntp, placed, self.room.clock.wall_ms() / 1000)

    def connected(self) -> None:
        """Note that packets may come."""
        self.is_connected = True
        self.heard_s = self.room.clock.now_s()

    def ended(self) -> None:
        """Have the room let go of this session."""
        self.stop()
        self._ended(self)

    def stop(self) -> None:
        """Ask for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def ask_keyframe(self) -> None:
        """Want a keyframe; it is asked for at once or when the interval has passed."""
        if self.requests.ask(self.room.clock.now_s()):
            self._send_keyframe_request()

    def tick(self, now_s: float) -> None:
        """Send a kept request that is due."""
        if self.requests.due(now_s):
            self._send_keyframe_request()

    def report(self, now_s: float) -> None:
        """Tell the publisher what was received."""
        reports = []
        for ingest in self.ingests.values():
            block = ingest.report(now_s)
            if block is not None and ingest.ssrc is not None:
                reports.append((ingest.ssrc, block))
        if reports and self.peer is not None:
            self.peer.report(reports)

    def _send_keyframe_request(self) -> None:
        ingest = self.ingests.get("video")
        if ingest is None or ingest.ssrc is None or self.peer is None:
            return
        self.peer.ask_keyframe(ingest.ssrc)
        self.room.counters.keyframes_asked += 1

    def _ask_again(self, ingest: IngestTrack, sequences: list[int]) -> None:
        if ingest.ssrc is not None and self.peer is not None:
            for first in range(0, len(sequences), ASKED_AT_ONCE):
                self.peer.ask_again(ingest.ssrc, sequences[first : first + ASKED_AT_ONCE])
            self.room.counters.repairs_asked += len(sequences)

    def _watch_repairs(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(REPAIR_TICK_S, self._repairs_due)

    def _repairs_due(self) -> None:
        """Ask again for what has not come; go on while something is missing."""
        self._timer = None
        now_s = self.room.clock.now_s()
        waiting = False
        for ingest in self.ingests.values():
            again, given_up = ingest.due(now_s)
            if again:
                self._ask_again(ingest, again)
            if given_up:
                self.ask_keyframe()
            waiting = waiting or ingest.is_waiting
        if waiting and self.is_current:
            self._watch_repairs()
