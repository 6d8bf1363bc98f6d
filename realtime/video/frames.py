"""Put whole encoded frames together from packets, in order, after loss repair; nothing is decoded.

Invariant: frames come out in order, and after a picture that could not be repaired none comes
before the next keyframe, so that whoever stores them can decode all of them.
"""

from __future__ import annotations

import msgspec

from realtime.video.bitstreams import depayload, is_keyframe, starts_keyframe
from realtime.video.media import Kind, MediaPacket

# How many packets may wait for a missing one before it is taken for lost: ~1.5 s of a picture
# (repairs are given up sooner), 160 ms of sound, whose losses are not repaired.
WAITING_MAX: dict[Kind, int] = {"video": 256, "audio": 8}
# 5 MB; a keyframe of 4K has one. A picture that never ends is none, and is not kept.
FRAME_PACKETS_MAX = 4096


class WholeFrame(msgspec.Struct, frozen=True, gc=False):
    """The bytes of one frame; `timestamp` is the room's."""

    data: bytes
    timestamp: int
    keyframe: bool


class FrameAssembler:
    """Assemble the frames of one track."""

    def __init__(self, kind: Kind, codec: str) -> None:
        self._kind = kind
        self._codec = codec
        self._next: int | None = None
        self._waiting: dict[int, MediaPacket] = {}
        self._ready: list[MediaPacket] = []  # The beginning of a frame, without a hole.
        self._needs_keyframe = kind == "video"

    def push(self, packet: MediaPacket) -> list[WholeFrame]:
        """Take a packet; return the frames that are whole because of it, oldest first."""
        if self._next is None:
            self._next = packet.index
        if packet.index < self._next:
            return []
        self._waiting[packet.index] = packet
        frames = self._drain()
        if len(self._waiting) > WAITING_MAX[self._kind]:
            self._skip()
            frames += self._drain()
        return frames

    def _drain(self) -> list[WholeFrame]:
        """Move on over everything that has no hole before it."""
        assert self._next is not None, "a packet was pushed"
        frames: list[WholeFrame] = []
        while (packet := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            if self._ready and packet.timestamp != self._ready[0].timestamp:
                self._finish(frames)  # The marker's packet came without its bit.
            # Empty ones fill the line, to probe it.
            if packet.payload and len(self._ready) <= FRAME_PACKETS_MAX:
                self._ready.append(packet)
            if self._ready and (packet.marker or self._kind == "audio"):
                self._finish(frames)
        return frames

    def _finish(self, frames: list[WholeFrame]) -> None:
        """End the present frame and hand it out, unless it needs one that was lost."""
        ready, self._ready = self._ready, []
        if len(ready) > FRAME_PACKETS_MAX:
            self._needs_keyframe = True
            return
        timestamp = ready[0].timestamp
        data = b"".join(depayload(self._codec, packet.payload) for packet in ready)
        keyframe = is_keyframe(self._codec, data)
        if not data or (self._needs_keyframe and not keyframe):
            return
        self._needs_keyframe = False
        frames.append(WholeFrame(data=data, timestamp=timestamp, keyframe=keyframe))

    def _skip(self) -> None:
        """Give up what is missing: go on at the next packet, for a picture at the next keyframe."""
        self._ready = []
        indexes = sorted(self._waiting)
        if self._kind == "video":
            self._needs_keyframe = True
            starts = (
                index
                for index in indexes
                if starts_keyframe(self._codec, self._waiting[index].payload)
            )
            first = next(starts, indexes[-1] + 1)
        else:
            first = indexes[0]
        self._next = first
        self._waiting = {i: held for i, held in self._waiting.items() if i >= first}
