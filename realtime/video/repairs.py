"""Decide which lost packets to ask for, and which to send again.

Browsers ask again when a repair is lost; the stock receiver of our library asks once and stalls.
All times are seconds of one monotonic clock.
"""

from __future__ import annotations

from collections import OrderedDict

from realtime.video.intake import Bucket
from realtime.video.media import MediaPacket

NACK_RETRY_S_MIN = 0.020
NACK_TRIES_MAX = 10
# More lost at once is an outage, not loss: a keyframe repairs it with fewer packets.
MISSING_MAX = 512
# So many more a second: a line that loses more carries no picture. A publisher whose numbers jump
# would have hundreds of packets asked for with each that comes, at 80 µs.
ASKED_PER_S = 500
RTT_S_DEFAULT = 0.050
RTT_WEIGHT = 0.125  # Of a new sample, as TCP weighs its round trips (RFC 6298).

# What repairs may cost next to the picture itself, else they take the line that they repair.
RESEND_SHARE = 0.20
RESEND_BURST_BYTES_MIN = 32_000  # A keyframe of a thin picture must be repairable at once.
RESENT_KEPT_MAX = 1024


class RoundTrip:
    """A smoothed round-trip time."""

    def __init__(self) -> None:
        self.rtt_s = RTT_S_DEFAULT

    def sample(self, rtt_s: float) -> None:
        """Weigh in a measured round trip; nonsense of a stranger's clock is left out."""
        if 0.0 <= rtt_s < 10.0:
            self.rtt_s += RTT_WEIGHT * (rtt_s - self.rtt_s)


class _Missing:
    """When a missing packet was asked for, and how often."""

    __slots__ = ("asked_s", "tries")

    def __init__(self, asked_s: float) -> None:
        self.asked_s = asked_s
        self.tries = 1


class LossDetector:
    """Notice gaps in a publisher's sequence and keep asking for what is missing."""

    def __init__(self) -> None:
        self.round_trip = RoundTrip()
        self._head: int | None = None
        self._missing: dict[int, _Missing] = {}
        self._budget = Bucket(ASKED_PER_S, MISSING_MAX)

    def arrived(self, index: int, now_s: float) -> tuple[list[int], bool]:
        """Take an index; return what to ask for at once, and whether only a keyframe helps."""
        if self._head is None:
            self._head = index
            return [], False
        if index <= self._head:
            found = self._missing.pop(index, None)
            if found is not None and found.tries == 1:  # Later tries cannot be told apart.
                self.round_trip.sample(now_s - found.asked_s)
            return [], False
        gap = range(self._head + 1, index)
        self._head = index
        if not gap:
            return [], False
        is_outage = len(gap) + len(self._missing) > MISSING_MAX
        if is_outage or not self._budget.take(len(gap), now_s):
            self._missing.clear()
            return [], True
        for lost in gap:
            self._missing[lost] = _Missing(now_s)
        return list(gap), False

    def due(self, now_s: float) -> tuple[list[int], bool]:
        """Return what to ask for again, and whether a packet was given up: then ask a keyframe."""
        wait_s = max(NACK_RETRY_S_MIN, self.round_trip.rtt_s)
        again: list[int] = []
        given_up: list[int] = []
        for index, missing in self._missing.items():
            if now_s - missing.asked_s < wait_s:
                continue
            if missing.tries >= NACK_TRIES_MAX:
                given_up.append(index)
                continue
            missing.tries += 1
            missing.asked_s = now_s
            again.append(index)
        for index in given_up:
            del self._missing[index]
        return again, bool(given_up)

    @property
    def is_waiting(self) -> bool:
        """Whether something is missing, so that `due` must be called soon."""
        return bool(self._missing)


class ResendBudget:
    """Bound one viewer's repairs: each packet at most once a round trip, all within a share."""

    def __init__(self, now_s: float) -> None:
        self.round_trip = RoundTrip()
        self._resent_s: OrderedDict[int, float] = OrderedDict()
        self._bytes = float(RESEND_BURST_BYTES_MIN)
        self._filled_s = now_s

    def allows(self, packet: MediaPacket, *, bits_per_s: int, now_s: float) -> bool:
        """Say whether a packet may be sent again now, and count it if so."""
        last_s = self._resent_s.get(packet.index)
        if last_s is not None and now_s - last_s < self.round_trip.rtt_s:
            return False
        rate = RESEND_SHARE * bits_per_s / 8
        most = max(rate, RESEND_BURST_BYTES_MIN)
        self._bytes = min(most, self._bytes + rate * (now_s - self._filled_s))
        self._filled_s = now_s
        if self._bytes < len(packet.payload):
            return False
        self._bytes -= len(packet.payload)
        self._resent_s[packet.index] = now_s
        self._resent_s.move_to_end(packet.index)
        if len(self._resent_s) > RESENT_KEPT_MAX:
            self._resent_s.popitem(last=False)
        return True
