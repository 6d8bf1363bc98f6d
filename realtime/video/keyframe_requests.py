"""Ask a publisher for keyframes on behalf of many viewers, seldom; notice who does not answer.

All times are seconds of one monotonic clock.
"""

from __future__ import annotations

from realtime.video.intake import Bucket

# A keyframe costs as much as dozens of pictures; a crowd that joins shares one.
REQUEST_INTERVAL_S = 1.0
# Browsers answer within a picture and a round trip. OBS never does.
ANSWER_WAIT_S = 0.5


# One viewer's wishes, each of which costs the publisher and all others: four at once, as on a line
# that has just changed, then one in as many seconds.
WISHES_BURST = 4
WISHES_PER_S = 0.25


class KeyframeWishes:
    """What one viewer may ask of everybody's picture."""

    def __init__(self) -> None:
        self._bucket = Bucket(WISHES_PER_S, WISHES_BURST)
        self._passed_s: float | None = None

    def passes(self, now_s: float) -> bool:
        """Say whether a wish is passed on; one that was, is kept until it is granted."""
        if self._passed_s is not None and now_s - self._passed_s < REQUEST_INTERVAL_S:
            return False
        if not self._bucket.take(1, now_s):
            return False
        self._passed_s = now_s
        return True


class KeyframeRequests:
    """The requests of one publisher's video."""

    def __init__(self) -> None:
        self.is_ignored = False  # The last request that could be judged had no keyframe follow it.
        self._asked_s: float | None = None
        self._open = False  # Asked, and neither answered nor judged yet.
        self._wanted = False  # Somebody waits for the interval to pass.

    def ask(self, now_s: float) -> bool:
        """Want a keyframe; return True when the request is to be sent now, else it is kept."""
        self._wanted = True
        return self.due(now_s)

    def due(self, now_s: float) -> bool:
        """Return True when a kept request is to be sent now."""
        self.judge(now_s)
        if not self._wanted:
            return False
        if self._asked_s is not None and now_s - self._asked_s < REQUEST_INTERVAL_S:
            return False
        self._asked_s = now_s
        self._wanted = False
        self._open = True
        return True

    def keyframe(self, now_s: float) -> None:
        """Take note that a keyframe began: whoever waited has it."""
        self.judge(now_s)
        if self._open:
            self.is_ignored = False
        self._open = False
        self._wanted = False

    def judge(self, now_s: float) -> None:
        """Take an unanswered request for ignored once its time is over."""
        if self._open and self._asked_s is not None and now_s - self._asked_s >= ANSWER_WAIT_S:
            self.is_ignored = True
            self._open = False
