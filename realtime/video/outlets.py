"""One viewer's end of a track: where it starts, how its headers read, what it is sent again.

Invariant: a viewer sees one unbroken sequence that begins in 0 … 16383. The rollover counter of
SRTP starts at zero and is never sent: a lost first packet near the wrap would lock the viewer out.
"""

from __future__ import annotations

from collections.abc import Sequence

from realtime.video.media import Batch, CodecTypes, Kind, MediaPacket
from realtime.video.repairs import ResendBudget
from realtime.video.timelines import SEQUENCE_SPAN, nearest
from realtime.video.tracks import Track

FIRST_SEQUENCE_MAX = 16_383


class OutletStart:
    """The random numbers that a viewer's track begins with."""

    def __init__(self, *, ssrc: int, rtx_ssrc: int, sequence: int, timestamp: int) -> None:
        assert 0 <= sequence <= FIRST_SEQUENCE_MAX, "see the rollover counter above"
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.sequence = sequence
        self.timestamp = timestamp


class Outlet:
    """What one viewer gets of one track; the wire reads the header fields of it."""

    __slots__ = (
        "_budget",
        "_first",
        "_floor",
        "_head",
        "_start",
        "_track",
        "_types",
        "catching_up",
        "kind",
        "octets_sent",
        "packets_sent",
        "payload_type",
        "resent",
        "rtx_sequence",
        "rtx_type",
        "sequence_shift",
        "ssrc",
        "timestamp_shift",
        "wanted_from",
    )

    def __init__(
        self, track: Track, types: dict[str, CodecTypes], start: OutletStart, now_s: float
    ) -> None:
        self._track = track
        self._types = types
        self._start = start
        self._budget = ResendBudget(now_s)
        self._first: int | None = None
        self._floor = 0
        self._head = -1
        self.kind: Kind = track.kind
        self.ssrc = start.ssrc
        self.payload_type = 0
        self.rtx_type: int | None = None
        self.rtx_sequence = start.sequence
        self.sequence_shift = 0
        self.timestamp_shift = 0
        self.wanted_from = track.end
        self.catching_up = False  # Packets come from the ring, in pieces; live ones wait there.
        self.packets_sent = 0
        self.octets_sent = 0
        self.resent = 0
        self.adopt_codec()

    def adopt_codec(self) -> bool:
        """Take the payload types of the track's codec; False when this viewer did not offer it."""
        codec = self._track.codec
        if codec is None:
            return True
        types = self._types.get(codec)
        if types is None:
            return False
        self.payload_type, self.rtx_type = types.media, types.rtx
        return True

    @property
    def is_waiting(self) -> bool:
        """Whether nothing was sent yet, for want of a keyframe or of any packet."""
        return self._first is None

    @property
    def next_index(self) -> int:
        """The index after the newest that was handed out."""
        return self._head + 1

    def take(self, batch: Batch) -> Sequence[MediaPacket]:
        """Return what to send now that `batch` has come; all of it, in the common case."""
        if self.catching_up:
            return ()
        if self._first is None:
            return self._start_live(batch)
        if batch.least < self._floor:  # From before this viewer came, or caught up with.
            batch = Batch(packet for packet in batch if packet.index >= self._floor)
            if not batch:
                return batch
        # As `_count` does, which would be a call more for each viewer and picture.
        self._head = max(self._head, batch.head)
        self.packets_sent += len(batch)
        self.octets_sent += batch.size_bytes
        return batch

    def start_at(self, index: int) -> None:
        """Start with an index of the past; what follows is handed out by `catch_up`."""
        packet = self._track.ring.get(index)
        assert packet is not None, "a start is looked up before"
        self._open(packet)
        self._head = index - 1
        self.catching_up = True

    def catch_up(self, packets_max: int) -> list[MediaPacket]:
        """Return the next piece of the ring; the piece that reaches the newest packet ends it."""
        end = min(self.next_index + packets_max, self._track.end)
        piece = list(self._track.ring.between(self.next_index, end))
        self._count(piece)
        self._head = end - 1
        self.catching_up = end < self._track.end
        self._floor = end  # Batches that were under way meanwhile are on the ring already.
        return piece

    def repairs(
        self, sequences: Sequence[int], *, bits_per_s: int, now_s: float
    ) -> list[MediaPacket]:
        """Return which of the asked-for packets to send again, within the budget."""
        if self._first is None:
            return []
        found = []
        for sequence in sequences:
            index = nearest(
                sequence - self.sequence_shift, reference=self._head, span=SEQUENCE_SPAN
            )
            packet = self._track.ring.get(index) if self._first <= index <= self._head else None
            if packet and self._budget.allows(packet, bits_per_s=bits_per_s, now_s=now_s):
                found.append(packet)
        self.resent += len(found)
        return found

    def round_trip(self, rtt_s: float) -> None:
        """Take a measured round trip to this viewer."""
        self._budget.round_trip.sample(rtt_s)

    def next_rtx_sequence(self) -> int:
        """Return the sequence number of the next packet of the repair stream."""
        sequence = self.rtx_sequence
        self.rtx_sequence = (sequence + 1) & 0xFFFF
        return sequence

    @property
    def rtx_ssrc(self) -> int:
        """The source of the repair stream."""
        return self._start.rtx_ssrc

    def _start_live(self, batch: Batch) -> Sequence[MediaPacket]:
        """Start with the sound's next packet, or with the picture's next keyframe."""
        if self.kind == "audio":
            self._open(min(batch, key=lambda packet: packet.index))
            self._count(batch)
            return batch
        keyframe = self._track.keyframe
        if keyframe is None or keyframe < self.wanted_from:
            return ()
        first = self._track.ring.get(keyframe)
        end = batch.head + 1
        if first is None or end <= keyframe:
            return ()
        self._open(first)
        # From the ring, not from the batch: the keyframe may have begun in the batch before, or its
        # first packet may have come late.
        packets = list(self._track.ring.between(keyframe, end))
        self._count(packets)
        return packets

    def _open(self, first: MediaPacket) -> None:
        """Fix how indexes and timestamps of the room read for this viewer, for good."""
        self._first = self._floor = first.index
        self.sequence_shift = self._start.sequence - first.index
        self.timestamp_shift = self._start.timestamp - first.timestamp

    def _count(self, packets: Sequence[MediaPacket]) -> None:
        """Keep the figures of sender reports."""
        if packets:
            self._head = max(self._head, *(packet.index for packet in packets))
            self.packets_sent += len(packets)
            self.octets_sent += sum(len(packet.payload) for packet in packets)
