"""A room's sound or picture, whoever publishes it: one line of packets that all viewers share.

Invariant: indexes and timestamps only grow, and a source of video enters with a keyframe.
"""

from __future__ import annotations

from collections import deque

from realtime.video.bitstreams import starts_keyframe
from realtime.video.keyframe_requests import REQUEST_INTERVAL_S
from realtime.video.media import CLOCK_RATES, Kind, MediaPacket
from realtime.video.packet_ring import PacketRing
from realtime.video.timelines import SEQUENCE_SPAN, IndexLine, TimestampLine, nearest

# Newest packets of a source that wait for its keyframe's first, which may come late as a repair.
HELD_MAX = 256
# Viewers' encryption refuses what is so far behind the newest (aiortc's window of SRTP), and costs
# each of them twice the work before it does.
LATE_MAX = 1024
# What is sent at once to a joiner when the publisher gives no keyframe on request.
GOP_S_MAX = 3.0
# As old may a keyframe be that a joiner starts with though the publisher gives others: within that
# time the next may not be asked for. Chromium is up with the live picture 0.1 to 0.2 s later, from
# the oldest as from the youngest.
GOP_FRESH_S = REQUEST_INTERVAL_S
GOP_BYTES_MAX = 1_000_000


class Track:
    """The line of packets of one kind; `codec` is the present source's, None before the first."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.codec: str | None = None
        self.ring = PacketRing()
        self.timestamps = TimestampLine(CLOCK_RATES[kind])
        self.keyframe: int | None = None  # Index where the newest keyframe begins.
        self.keyframes = 0
        self._indexes = IndexLine()
        self._keyframe_timestamp: int | None = None
        self._keyframe_s = 0.0
        self._gop_bytes = 0
        self._gated = True
        self._held: deque[tuple[int, int, bool, bytes]] = deque(maxlen=HELD_MAX)

    @property
    def end(self) -> int:
        """One past the newest index."""
        return self._indexes.head + 1

    def restart(self, codec: str) -> None:
        """Go on with a new source; nothing of a picture enters before its first keyframe."""
        self.codec = codec
        self._indexes.restart()
        self.timestamps.restart()
        self._gated = self.kind == "video"
        self._held.clear()

    def accept(
        self, sequence: int, timestamp: int, marker: bool, payload: bytes, now_s: float
    ) -> list[MediaPacket]:
        """Take a packet of the present source; return what may be sent on because of it."""
        assert self.codec is not None, "a source begins with `restart`"
        begins = self.kind == "video" and starts_keyframe(self.codec, payload)
        if self._gated:
            if not begins:
                self._held.append((sequence, timestamp, marker, payload))
                return []
            self._gated = False
        packet = self._enter(sequence, timestamp, marker, payload, now_s)
        if packet is None:
            return []
        if begins:
            self._note_keyframe(packet, now_s)
        self._gop_bytes += len(payload)
        if not self._held:
            return [packet]
        return [packet, *self._release(sequence, now_s)]

    def gop_start(self, now_s: float, age_s_max: float = GOP_S_MAX) -> int | None:
        """Return where a joiner can start without a new keyframe; None when that is too old."""
        if self._gated or self.keyframe is None or now_s - self._keyframe_s > age_s_max:
            return None
        if self._gop_bytes > GOP_BYTES_MAX or self.ring.get(self.keyframe) is None:
            return None
        return self.keyframe

    def _enter(
        self, sequence: int, timestamp: int, marker: bool, payload: bytes, now_s: float
    ) -> MediaPacket | None:
        """Put a packet on the line; None for one that is a copy, or too late to be sent."""
        index = self._indexes.map(sequence)
        if index is None or self._indexes.head - index >= LATE_MAX:
            return None
        mapped = self.timestamps.map(timestamp, now_s)
        packet = MediaPacket(index=index, timestamp=mapped, marker=marker, payload=payload)
        return packet if self.ring.put(packet) else None

    def _note_keyframe(self, packet: MediaPacket, now_s: float) -> None:
        """Parameters and slices of a keyframe share a timestamp: it begins at their first."""
        if self.keyframe is not None and packet.timestamp == self._keyframe_timestamp:
            self.keyframe = min(self.keyframe, packet.index)
            return
        if self._keyframe_timestamp is not None and packet.timestamp < self._keyframe_timestamp:
            return
        self.keyframe = packet.index
        self.keyframes += 1
        self._keyframe_timestamp = packet.timestamp
        self._keyframe_s = now_s
        self._gop_bytes = 0

    def _release(self, first: int, now_s: float) -> list[MediaPacket]:
        """Let in what was held and follows the keyframe's first packet."""
        held = [
            (nearest(item[0], reference=first, span=SEQUENCE_SPAN), item) for item in self._held
        ]
        self._held.clear()
        entered = (
            self._enter(*item, now_s)
            for order, item in sorted(held, key=lambda pair: pair[0])
            if order > first
        )
        return [packet for packet in entered if packet is not None]
