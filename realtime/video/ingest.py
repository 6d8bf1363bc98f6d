"""One publisher's track as it arrives: repairs, figures and which source is the one to listen to.

It decides and counts, `publishers` carries out. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from typing import NamedTuple

from realtime.video.media import CLOCK_RATES, CodecTypes, Kind
from realtime.video.repairs import LossDetector
from realtime.video.reports import Reception, ReceptionReport
from realtime.video.timelines import SEQUENCE_SPAN, nearest

# A source that another one may replace within the same session: browsers change it when a camera is
# exchanged; two at a time would be layers, of which one is enough.
SOURCE_SILENT_S = 1.0
RATE_WINDOW_S = 2.0


class Incoming(NamedTuple):
    """A media packet after its repair wrapping was taken off."""

    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    is_new_source: bool
    ask: list[int]  # Sequence numbers (16 bits) to ask for at once.
    needs_keyframe: bool


class IngestTrack:
    """What is known of one track of one publisher."""

    def __init__(self, kind: Kind, codec: str, types: CodecTypes, *, repairs: bool) -> None:
        self.kind = kind
        self.codec = codec
        self.ssrc: int | None = None
        self._types = types
        self._repairs = repairs
        self._reception = Reception(CLOCK_RATES[kind])
        self._losses = LossDetector()
        self._head: int | None = None
        self._heard_s = 0.0
        self._window_s: float | None = None
        self._window_bytes = 0
        self.bits_per_s = 0

    def accept(  # noqa: PLR0913, PLR0917 - A header's fields, unpacked where they arrive.
        self, payload_type: int, ssrc: int, sequence: int, timestamp: int, marker: bool,
        payload: bytes, now_s: float,
    ) -> Incoming | None:  # fmt: skip
        """Take a packet off the wire; None for what is no media of the source listened to."""
        if payload_type == self._types.rtx:
            if len(payload) < 2 or self.ssrc is None:
                return None  # Bare probing, or a repair of nothing that was heard.
            sequence, payload = int.from_bytes(payload[:2], "big"), payload[2:]
            is_new, repaired = False, True
        elif payload_type == self._types.media:
            is_new, repaired = ssrc != self.ssrc, False
            if is_new and not self._listen_to(ssrc, now_s):
                return None
        else:
            return None
        reference = sequence if self._head is None else self._head
        index = nearest(sequence, reference=reference, span=SEQUENCE_SPAN)
        self._head = index if self._head is None else max(self._head, index)
        self._heard_s = now_s
        if not repaired:  # Else loss would be hidden from the publisher's rate control.
            self._reception.packet(index, timestamp, now_s)
        self._count(len(payload), now_s)
        lost: list[int] = []
        needs_keyframe = False
        if self._repairs:
            lost, needs_keyframe = self._losses.arrived(index, now_s)
        ask = [number & 0xFFFF for number in lost]
        return Incoming(sequence, timestamp, marker, payload, is_new, ask, needs_keyframe)

    def due(self, now_s: float) -> tuple[list[int], bool]:
        """Return sequence numbers to ask for again, and whether a keyframe must help."""
        again, given_up = self._losses.due(now_s)
        return [index & 0xFFFF for index in again], given_up

    @property
    def is_waiting(self) -> bool:
        """Whether a repair is outstanding."""
        return self._losses.is_waiting

    def sender_report(self, ntp: int, now_s: float) -> None:
        """Remember the publisher's report for the next answer to it."""
        self._reception.sender_report(ntp, now_s)

    def report(self, now_s: float) -> ReceptionReport | None:
        """Return the figures since the last report; None before the first packet."""
        return self._reception.report(now_s)

    def _listen_to(self, ssrc: int, now_s: float) -> bool:
        """Change to another source, if the present one is silent."""
        if self.ssrc is not None and now_s - self._heard_s < SOURCE_SILENT_S:
            return False
        self.ssrc = ssrc
        self._head = None
        self._reception = Reception(CLOCK_RATES[self.kind])
        self._losses = LossDetector()
        return True

    def _count(self, payload_bytes: int, now_s: float) -> None:
        """Keep the bit rate, over windows of a fixed length."""
        if self._window_s is None:
            self._window_s = now_s
        elif now_s - self._window_s >= RATE_WINDOW_S:
            self.bits_per_s = int(self._window_bytes * 8 / (now_s - self._window_s))
            self._window_s = now_s
            self._window_bytes = 0
        self._window_bytes += payload_bytes
