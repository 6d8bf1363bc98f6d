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
# A track has two sources (SSRC), itself and its repairs; who only reports has one. Something of
# each is kept as long as the session lives, and all are looked through for every packet: with
# 20,000 of them that takes 0.3 ms.
SOURCES_MAX = 32
# What has a source: RTP and RTCP (RFC 7983), told apart by the second byte, as the library does.
FIRST_BYTE_MEDIA, FIRST_BYTE_NO_MEDIA = 128, 192
RTCP_TYPE_FIRST, RTCP_TYPE_LAST = 192, 208


def source_of(data: bytes) -> bytes:
    """Return the source that a datagram is of; nothing for one that has none."""
    if not data or not FIRST_BYTE_MEDIA <= data[0] < FIRST_BYTE_NO_MEDIA:
        return b""
    is_report = len(data) > 1 and RTCP_TYPE_FIRST <= data[1] <= RTCP_TYPE_LAST
    return data[4:8] if is_report else data[8:12]


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
        self._sources: set[bytes] = set()

    def admits(self, size_bytes: int, *, is_check: bool, is_peer: bool, now_s: float) -> bool:
        """Say whether a datagram is looked at.

        `is_peer`: it comes by the path that is chosen, or is a check that no stranger can make.
        """
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

    def admits_source(self, data: bytes) -> bool:
        """Say whether a datagram of the peer is of one of its first sources, or of none."""
        source = source_of(data)
        if not source or source in self._sources:
            return True
        if len(self._sources) >= SOURCES_MAX:
            return False
        self._sources.add(source)
        return True

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
