"""One part of a recording while it is written: frames to bytes to disk, pieces to the index."""

from __future__ import annotations

import contextlib

from realtime.video.ports import EncodedFrame
from realtime.video.recording.containers import PieceFinder
from realtime.video.recording.files import PartFiles, RecordingFolder
from realtime.video.recording.model import PartHead, Piece
from realtime.video.recording.muxer import Muxer, MuxError
from realtime.video.recording.rules import SEGMENT_MS, PartClock

__all__ = ["MuxError", "PartWriter"]
# Keyframe times that are remembered until their piece is told; more means that nothing is told.
KEYFRAMES_MAX = 600
FRAME_MS = 33
# FFmpeg moves all times by so much, so that the sound's first does not become negative.
SHIFT_MS_MAX = 8
# A cluster may begin with a sound just before its keyframe; a fragment begins with the keyframe.
KEYFRAME_MS_MAX = {"mp4": 1, "webm": 40}


class PartWriter:
    """A part from its first keyframe on; the methods raise OSError and MuxError."""

    def __init__(
        self,
        folder: RecordingFolder,
        first: EncodedFrame,
        encoding: bytes,
        *,
        from_ms: int,
        has_audio: bool,
    ) -> None:
        self.codec = first.codec
        self.encoding = encoding
        self.has_audio = has_audio
        self.clock = PartClock(first)
        self.head: PartHead | None = None
        self.end_ms = 0
        self.segments = 0  # As `segments_of` groups the pieces, the open one included.
        self._segment_ms = 0
        self._from_ms = from_ms
        self._muxer = Muxer(first.codec, encoding, first.data, has_audio=has_audio)
        self._finder = PieceFinder(self._muxer.kind)
        self._files = PartFiles(folder, folder.next_number(), self._muxer.kind)
        self._keyframes_ms: set[int] = set()
        self._last_video_ms = 0
        self._frame_ms = FRAME_MS

    @property
    def number(self) -> int:
        """The part's place in the recording, from 1."""
        return self._files.number

    @property
    def size_bytes(self) -> int:
        """How much was written."""
        return self._files.size_bytes

    def add(self, frame: EncodedFrame) -> int:
        """Write a frame; return how many bytes reached the disk."""
        pts = self.clock.place(frame)
        if pts is None:
            return 0
        if frame.kind == "video":
            at_ms = pts * 1000 // frame.clock_rate
            self._frame_ms = max(1, at_ms - self._last_video_ms) if at_ms else FRAME_MS
            self._last_video_ms = at_ms
            if frame.keyframe and len(self._keyframes_ms) < KEYFRAMES_MAX:
                self._keyframes_ms.add(at_ms)
        self._muxer.add(frame.kind, frame.data, pts, keyframe=frame.keyframe)
        return self._flush(self._muxer.take(), self._last_video_ms)

    def close(self) -> int:
        """Write the end; return how many bytes reached the disk."""
        try:
            return self._flush(self._muxer.close(), self._last_video_ms + self._frame_ms)
        finally:
            self._files.close()

    def abandon(self) -> None:
        """Let go of everything without writing; what is on disk stays."""
        with contextlib.suppress(MuxError):
            self._muxer.close()
        self._files.close()

    def _flush(self, data: bytes, end_ms: int) -> int:
        if not data:
            return 0
        self._files.write(data)
        pieces = [found for found in self._finder.push(data) if found.start is not None]
        for found in pieces:
            assert found.start is not None
            if self.head is None:
                self.head = self._write_head(found.offset)
            start_ms = found.start * 1000 // self._muxer.units_per_s
            latest_ms = start_ms + KEYFRAME_MS_MAX[self._muxer.kind]
            keys = [
                at_ms
                for at_ms in self._keyframes_ms
                if start_ms - SHIFT_MS_MAX <= at_ms <= latest_ms
            ]
            piece = Piece(found.offset, found.size, min(keys, default=start_ms), end_ms, bool(keys))
            self._files.write_piece(piece)
            self._count(piece)
            self._keyframes_ms = {at_ms for at_ms in self._keyframes_ms if at_ms > latest_ms}
            self.end_ms = end_ms
        return len(data)

    def _count(self, piece: Piece) -> None:
        is_long = piece.start_ms - self._segment_ms >= SEGMENT_MS
        if piece.keyframe and (not self.segments or is_long):
            self.segments += 1
            self._segment_ms = piece.start_ms

    def _write_head(self, init_bytes: int) -> PartHead:
        muxer = self._muxer
        head = PartHead(
            kind=muxer.kind,
            codecs=muxer.codecs,
            width=muxer.width,
            height=muxer.height,
            from_ms=self._from_ms,
            init_bytes=init_bytes,
        )
        self._files.write_head(head)
        return head
