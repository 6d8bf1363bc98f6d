"""Decide which datagrams of a session are looked at, before any is parsed or decrypted. Pure.

Taking one datagram apart costs some 50 to 100 microseconds of the loop that forwards everybody's
pictures, and anybody may send any number. What the session's peer sends and what others do is
counted apart, and checks of the line (STUN) apart from both: a stranger takes nothing from a
viewer, and who floods is still found alive.
"""

from __future__ import annotations

# A browser checks its line twice a second, and its paths every 48 ms while it looks for one.
CHECKS_PER_S, CHECKS_BURST = 50, 100
STRANGE_PER_S, STRANGE_BURST = 200, 300  # Before a path is chosen, everybody is a stranger.
# A viewer reports once a second, and asks for lost packets every 20 ms while it loses many. What
# taking a report apart costs goes by its length.
REPORT_UNIT_BYTES = 128
REPORTS_PER_S, REPORTS_BURST = 80, 600
# A publisher's smallest packets cost as much as its largest.
MEDIA_BYTES_MIN = 600
MEDIA_BURST_S = 2.0
# Who sends too much for so long goes on.
FLOOD_S = 3.0
FLOOD_GAP_S = 1.0


class Bucket:
    """Tokens that come back by the second."""

    __slots__ = ("_burst", "_filled_s", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = self._tokens = burst
        self._filled_s: float | None = None

    def take(self, cost: float, now_s: float) -> bool:
        """Take so many tokens, or none and return False."""
        if self._filled_s is not None:
            more = (now_s - self._filled_s) * self._per_s
            self._tokens = min(self._burst, self._tokens + more)
        self._filled_s = now_s
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True


class Intake:
    """What one session lets in; `media_kbit_per_s` is of a publisher, None: a viewer's reports."""

    def __init__(self, media_kbit_per_s: int | None = None) -> None:
        self.is_publisher = media_kbit_per_s is not None
        bytes_per_s = (media_kbit_per_s or 0) * 125
        self._checks = Bucket(CHECKS_PER_S, CHECKS_BURST)
        self._strange_checks = Bucket(STRANGE_PER_S, STRANGE_BURST)
        self._strange = Bucket(STRANGE_PER_S, STRANGE_BURST)
        self._sent = (
            Bucket(bytes_per_s, bytes_per_s * MEDIA_BURST_S)
            if self.is_publisher
            else Bucket(REPORTS_PER_S, REPORTS_BURST)
        )
        self._over_from_s: float | None = None
        self._over_s = 0.0

    def admits(self, size_bytes: int, *, is_check: bool, is_peer: bool, now_s: float) -> bool:
        """Say whether a datagram is looked at; `is_peer`: it comes by the path that is chosen."""
        if is_check:
            return (self._checks if is_peer else self._strange_checks).take(1, now_s)
        if not is_peer:
            return self._strange.take(1, now_s)
        if self._sent.take(self._cost(size_bytes), now_s):
            return True
        if self._over_from_s is None or now_s - self._over_s > FLOOD_GAP_S:
            self._over_from_s = now_s
        self._over_s = now_s
        return False

    def is_flooded(self, now_s: float) -> bool:
        """Say whether the peer has sent more than it may for long, and still does."""
        return (
            self._over_from_s is not None
            and now_s - self._over_s <= FLOOD_GAP_S
            and now_s - self._over_from_s >= FLOOD_S
        )

    def _cost(self, size_bytes: int) -> int:
        if self.is_publisher:
            return max(size_bytes, MEDIA_BYTES_MIN)
        return 1 + size_bytes // REPORT_UNIT_BYTES
