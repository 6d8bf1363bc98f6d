"""What a recording is made of: parts with one encoding each, and the pieces of a part."""

from __future__ import annotations

from typing import Literal

import msgspec

PartKind = Literal["mp4", "webm"]
# Why a recording stopped before its show did.
EndReason = Literal["disk_full", "folder", "size_limit", "total_limit", "fault"]


class RecordingCounters(msgspec.Struct):
    """What was written, of one recorder or of all; `ended` is by reason, `complete` too."""

    bytes_written: int = 0
    segments: int = 0  # That were begun; each is SEGMENT_MS or longer.
    frames_dropped: int = 0  # That did not reach the disk in time.
    ended: dict[str, int] = {}

    def plus(self, other: RecordingCounters) -> RecordingCounters:
        """Return the sums."""
        names = self.ended.keys() | other.ended.keys()
        return RecordingCounters(
            self.bytes_written + other.bytes_written,
            self.segments + other.segments,
            self.frames_dropped + other.frames_dropped,
            {name: self.ended.get(name, 0) + other.ended.get(name, 0) for name in names},
        )


class PartHead(msgspec.Struct, frozen=True):
    """The first line of a part's index: what a player must know before the first piece."""

    kind: PartKind
    codecs: str  # As in a MIME type, `avc1.42e01f,opus`.
    width: int
    height: int
    from_ms: int  # Wall clock of the first frame, which is at 0 ms of the part.
    init_bytes: int  # The part's file begins with so many bytes of header.


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Bytes of a part that were written together: a movie fragment, or a cluster."""

    offset: int
    size: int
    start_ms: int  # On the part's own time line.
    end_ms: int
    keyframe: bool  # Whether one may begin to play here.


class Segment(msgspec.Struct, frozen=True):
    """Consecutive pieces that a player fetches at once; it begins with a keyframe."""

    offset: int
    size: int
    start_ms: int
    end_ms: int


class Part(msgspec.Struct, frozen=True):
    """One file of a recording, as its index tells; `is_open` while it is being written."""

    number: int
    head: PartHead
    pieces: list[Piece]
    is_open: bool = False
