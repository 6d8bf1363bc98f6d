"""Frames on their way from the forwarder's loop to the thread that writes them.

Invariant: putting never waits. What does not fit is counted, and of the picture nothing is let in
again before a keyframe, so that whatever is written can be decoded.
"""

from __future__ import annotations

import threading
from collections import deque

from realtime.video.ports import EncodedFrame

# Eight seconds of picture and sound; a disk that stands still for longer costs a hole.
FRAMES_MAX = 640
# A keyframe of 4K is one megabyte.
BYTES_MAX = 16_000_000


class FrameQueue:
    """A bounded queue between two threads."""

    def __init__(self, frames_max: int = FRAMES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self.dropped = 0
        self.is_waiting_for_keyframe = False
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._frames: deque[EncodedFrame] = deque()
        self._bytes = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, frame: EncodedFrame) -> bool:
        """Take a frame, or count it as dropped and return False."""
        with self._changed:
            has_room = (
                len(self._frames) < self._frames_max
                and self._bytes + len(frame.data) <= self._bytes_max
            )
            is_video = frame.kind == "video"
            if is_video and has_room and frame.keyframe:
                self.is_waiting_for_keyframe = False
            if self._is_closed:
                return False
            if not has_room or (is_video and self.is_waiting_for_keyframe):
                self.dropped += 1
                self.is_waiting_for_keyframe |= is_video
                return False
            self._frames.append(frame)
            self._bytes += len(frame.data)
            self._changed.notify()
            return True

    def take(self) -> EncodedFrame | None:
        """Wait for a frame; None when the queue is closed and empty."""
        with self._changed:
            while not self._frames:
                if self._is_closed:
                    return None
                self._changed.wait()
            frame = self._frames.popleft()
            self._bytes -= len(frame.data)
            return frame

    def close(self) -> None:
        """Take no more; what is in is still handed out."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
