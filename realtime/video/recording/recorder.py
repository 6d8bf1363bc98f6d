"""Write a room's frames to disk beside the live picture, which never waits for it.

Invariant: whatever happens to the disk ends this recording with a reason, and nothing else.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable

import msgspec

from realtime.video.ports import EncodedFrame
from realtime.video.recording.files import RecordingFolder
from realtime.video.recording.model import EndReason, PartHead, RecordingCounters
from realtime.video.recording.part import MuxError, PartWriter
from realtime.video.recording.queue import FrameQueue
from realtime.video.recording.rules import SEGMENT_MS, encoding_of, follows

log = logging.getLogger(__name__)

# How long a picture is kept back to learn whether there is sound: a file's streams are named first.
SOUND_WAIT_MS = 1_500
# That is by the publisher's clock, which may stand still: no more than so many frames are.
HELD_MAX = 256
# The publisher is asked for a keyframe at most so often.
ASK_EVERY_MS = 1_000
# Encodings that cannot be packed, one after the other, before the recording is given up.
FAULTS_MAX = 20
# What the disk keeps for PostgreSQL, which must never meet a full one.
FREE_BYTES_MIN = 1_000_000_000
# How much is written between two looks at the disk.
LOOK_EVERY_BYTES = 8_000_000
# A publisher whose clock is off by more than this is dated by ours.
CLOCK_MS_MAX = 3_000
CLOSE_TIMEOUT_S = 5.0
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Limits(msgspec.Struct, frozen=True):
    """What recordings may take: bytes of a show, of all, and what must be left on the disk."""

    bytes_max: int
    total_bytes_max: int | None = None
    free_bytes_min: int = FREE_BYTES_MIN


class PartNews(msgspec.Struct, frozen=True):
    """How far a part has come."""

    number: int
    head: PartHead
    size_bytes: int
    end_ms: int  # On the part's time line.
    is_open: bool


class Recorder:
    """A `FrameSink`: call it with frames in the loop's thread; a thread of its own writes."""

    def __init__(
        self,
        folder: RecordingFolder,
        *,
        limits: Limits,
        ask_keyframe: Callable[[], None],
        now_ms: Callable[[], int],
        queue: FrameQueue | None = None,
    ) -> None:
        self.ended: EndReason | None = None
        self._folder = folder
        self._limits = limits
        self._ask_keyframe = ask_keyframe
        self._now_ms = now_ms
        self._queue = queue or FrameQueue()
        self._news: dict[int, PartNews] = {}
        self._part: PartWriter | None = None
        self._held: list[EncodedFrame] = []  # A keyframe and what follows, until sound is heard.
        self._heard_ms: int | None = None  # Wall clock of the last sound.
        self._lacks_sound = False
        self._needs_keyframe = True
        self._asked_ms: int | None = None
        self._keyed_ms: int | None = None
        self._behind_ms = 0  # How much later than the publisher says its last keyframe came.
        self._faults = 0
        self._size_bytes = 0
        self._written_bytes = 0  # By this recorder; the size counts earlier ones' files too.
        self._segments = 0
        self._looked_bytes: int | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many frames did not fit into the queue."""
        return self._queue.dropped

    @property
    def counters(self) -> RecordingCounters:
        """What this recorder has written; from the loop's thread, a moment late."""
        return RecordingCounters(self._written_bytes, self._segments, self._queue.dropped)

    def news(self) -> list[PartNews]:
        """Return how far every part of this recorder has come, in order."""
        return [self._news[number] for number in sorted(self._news)]

    def __call__(self, frame: EncodedFrame) -> None:
        """Take a frame without waiting; see to it that keyframes come often enough."""
        if self.ended is not None:
            return
        self._queue.put(frame)
        if frame.kind != "video":
            return
        if frame.keyframe:
            self._keyed_ms = frame.wall_ms
            self._behind_ms = self._now_ms() - frame.wall_ms
        else:
            self._ask_where_due(frame.wall_ms)

    def _ask_where_due(self, wall_ms: int) -> None:
        """Ask for a keyframe where a segment should end, or the writer cannot go on without."""
        age_ms = None if self._keyed_ms is None else wall_ms - self._keyed_ms
        is_due = age_ms is None or not 0 <= age_ms < SEGMENT_MS
        if not (is_due or self._needs_keyframe or self._queue.is_waiting_for_keyframe):
            return
        if self._asked_ms is None or abs(wall_ms - self._asked_ms) >= ASK_EVERY_MS:
            self._asked_ms = wall_ms
            self._ask_keyframe()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Finish what is in the queue; False when the disk did not take it in time. Blocks."""
        self._queue.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        """Write until the queue is closed or the disk refuses; the writer's thread."""
        try:
            while (frame := self._queue.take()) is not None:
                self._write(frame)
            self._finish()
        except OSError as error:
            self._end("disk_full" if error.errno in DISK_FULL else "folder", error)
        except Exception as error:
            log.exception("a recording failed")
            self._end("fault", error)

    def _finish(self) -> None:
        """Write what is held back, and the end; what cannot be packed is nobody's fault by now."""
        try:
            if self._part is None and self._held:
                self._open(self._held)
            self._close_part()
        except MuxError as error:
            log.warning("the last part of a recording was given up: %s", error)

    def _end(self, reason: EndReason, error: object) -> None:
        """Give the recording up; what is on disk stays and plays."""
        log.warning("recording ended in %s: %s (%s)", self._folder.path, reason, error)
        self.ended = reason
        self._queue.close()
        part, self._part = self._part, None
        if part is not None:
            part.abandon()
            self._tell(part, is_open=False)

    def _write(self, frame: EncodedFrame) -> None:
        if self.ended is not None:
            return
        try:
            if frame.kind == "audio":
                self._write_sound(frame)
            else:
                self._write_picture(frame)
            self._check_limits()
        except MuxError as error:
            self._faults += 1
            log.warning("a part of a recording was given up: %s", error)
            part, self._part = self._part, None
            self._held = []
            if part is not None:
                part.abandon()
                self._tell(part, is_open=False)
            if self._faults > FAULTS_MAX:
                self._end("fault", error)

    def _write_sound(self, frame: EncodedFrame) -> None:
        self._heard_ms = frame.wall_ms
        if self._held:
            self._held.append(frame)
            self._open(self._held)
        elif self._part is not None:
            self._lacks_sound |= not self._part.has_audio
            self._add(self._part, frame)

    def _write_picture(self, frame: EncodedFrame) -> None:
        part = self._part
        if part is not None and self._ends(part, frame):
            self._close_part()
            part = None
        if part is not None:
            self._needs_keyframe = False
            self._add(part, frame)
            return
        if self._held and not follows(self._held[-1], frame):
            self._held = []
        if not self._held and not frame.keyframe:
            self._needs_keyframe = True
            return
        self._held.append(frame)
        waited_ms = frame.wall_ms - self._held[0].wall_ms
        if self._hears(frame) or waited_ms >= SOUND_WAIT_MS or len(self._held) >= HELD_MAX:
            self._open(self._held)

    def _ends(self, part: PartWriter, frame: EncodedFrame) -> bool:
        """Say whether a part ends before this picture: another encoding, a hole, or new sound."""
        if frame.codec != part.codec or part.clock.is_broken_by(frame):
            return True
        if not frame.keyframe:
            return False
        encoding = encoding_of(frame.codec, frame.data)
        return (encoding is not None and encoding != part.encoding) or self._lacks_sound

    def _hears(self, frame: EncodedFrame) -> bool:
        return self._heard_ms is not None and abs(frame.wall_ms - self._heard_ms) < SOUND_WAIT_MS

    def _open(self, frames: list[EncodedFrame]) -> None:
        """Begin a part with what was held back; its first frame is a keyframe."""
        self._held = []
        first = frames[0]
        encoding = encoding_of(first.codec, first.data)
        if encoding is None:
            self._needs_keyframe = True  # It does not say how it is encoded; the next one may.
            return
        self._lacks_sound = False
        has_audio = any(one.kind == "audio" for one in frames) or self._hears(first)
        is_ours = abs(self._behind_ms) <= CLOCK_MS_MAX
        part = PartWriter(
            self._folder,
            first,
            encoding,
            from_ms=first.wall_ms + (0 if is_ours else self._behind_ms),
            has_audio=has_audio,
        )
        self._part = part
        self._needs_keyframe = False
        for frame in frames:
            self._add(part, frame)

    def _add(self, part: PartWriter, frame: EncodedFrame) -> None:
        before = part.segments
        self._wrote(part.add(frame), part.segments - before)
        self._tell(part, is_open=True)

    def _close_part(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            before = part.segments
            self._wrote(part.close(), part.segments - before)
            self._tell(part, is_open=False)
            self._faults = 0

    def _wrote(self, size_bytes: int, segments: int) -> None:
        self._size_bytes += size_bytes
        self._written_bytes += size_bytes
        self._segments += segments

    def _tell(self, part: PartWriter, *, is_open: bool) -> None:
        if part.head is not None:
            self._news[part.number] = PartNews(
                part.number, part.head, part.size_bytes, part.end_ms, is_open
            )

    def _check_limits(self) -> None:
        """End at the show's limit, and before the disk is full; raises OSError of its folder."""
        if self._looked_bytes is None:  # What an earlier process wrote of this show counts too.
            self._looked_bytes = 0
            self._size_bytes = self._folder.size_bytes()
            self._look_at_disk()
        if self._size_bytes - self._looked_bytes >= LOOK_EVERY_BYTES:
            self._looked_bytes = self._size_bytes
            self._look_at_disk()
        if self._size_bytes > self._limits.bytes_max and self.ended is None:
            self._close_part()
            self._end("size_limit", f"{self._limits.bytes_max} bytes")

    def _look_at_disk(self) -> None:
        if self._folder.free_bytes() < self._limits.free_bytes_min:
            self._close_part()
            self._end("disk_full", "the rest of the disk is kept for the database")
