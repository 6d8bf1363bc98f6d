"""Reception figures for a publisher (RFC 3550 A.3, A.8) and the clock behind viewers' reports.

Times named `wall_s` are Unix seconds of this machine; `now_s` are seconds of a monotonic clock.
"""

from __future__ import annotations

import struct

import msgspec

from realtime.video.media import CLOCK_RATES, Kind

VERSION_2 = 0x80
SENDER_REPORT_TYPE = 200
SENDER_REPORT = struct.Struct("!BBHIQIII")
NTP_EPOCH_S = 2_208_988_800  # From 1900 to 1970.


def ntp_of(wall_s: float) -> int:
    """Return a Unix time as a 64-bit NTP timestamp."""
    return int((wall_s + NTP_EPOCH_S) * (1 << 32)) & 0xFFFF_FFFF_FFFF_FFFF


def unix_of(ntp: int) -> float:
    """Return a 64-bit NTP timestamp as a Unix time in seconds."""
    return ntp / (1 << 32) - NTP_EPOCH_S


def ntp_middle(ntp: int) -> int:
    """Return the middle 32 bits, which receivers repeat as `lsr`."""
    return (ntp >> 16) & 0xFFFF_FFFF


def pack_sender_report(ssrc: int, *, ntp: int, timestamp: int, packets: int, octets: int) -> bytes:
    """Return a sender report without blocks (RFC 3550 §6.4.1); counts and times wrap at 32 bits."""
    return SENDER_REPORT.pack(
        VERSION_2, SENDER_REPORT_TYPE, SENDER_REPORT.size // 4 - 1, ssrc, ntp,
        timestamp & 0xFFFF_FFFF, packets & 0xFFFF_FFFF, octets & 0xFFFF_FFFF,
    )  # fmt: skip


class ReceptionReport(msgspec.Struct, frozen=True):
    """One block of a receiver report."""

    fraction_lost: int  # Of 256, since the last report.
    packets_lost: int
    highest_sequence: int
    jitter: int  # Clock units.
    lsr: int
    dlsr: int  # 1/65536 s.


class Reception:
    """Count what arrived of one source."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._first: int | None = None
        self._head = 0
        self._received = 0
        self._prior = (0, 0)  # Expected and received at the last report.
        self._jitter = 0.0
        self._transit: float | None = None
        self._sender_report: tuple[int, float] | None = None

    def packet(self, index: int, timestamp: int, now_s: float) -> None:
        """Count a packet by its unwrapped sequence number."""
        if self._first is None:
            self._first = self._head = index
        self._received += 1
        if index < self._head:
            return  # Repairs and stragglers say nothing about jitter.
        self._head = index
        transit = now_s * self._clock_rate - timestamp
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < self._clock_rate * 10:  # A wrap or a jump of the sender is no jitter.
                self._jitter += (change - self._jitter) / 16
        self._transit = transit

    def sender_report(self, ntp: int, now_s: float) -> None:
        """Remember the publisher's last report, for its own round trip."""
        self._sender_report = (ntp_middle(ntp), now_s)

    def report(self, now_s: float) -> ReceptionReport | None:
        """Return the next report's block; None before the first packet."""
        if self._first is None:
            return None
        expected = self._head - self._first + 1
        expected_now = expected - self._prior[0]
        lost_now = expected_now - (self._received - self._prior[1])
        self._prior = (expected, self._received)
        fraction = (lost_now << 8) // expected_now if expected_now > 0 and lost_now > 0 else 0
        lsr, dlsr = 0, 0
        if self._sender_report is not None:
            lsr = self._sender_report[0]
            dlsr = min(int((now_s - self._sender_report[1]) * 65536), 0xFFFF_FFFF)
        return ReceptionReport(
            fraction_lost=min(fraction, 255),
            packets_lost=max(-(1 << 23), min(expected - self._received, (1 << 23) - 1)),
            highest_sequence=self._head & 0xFFFF_FFFF,
            jitter=int(self._jitter),
            lsr=lsr,
            dlsr=dlsr,
        )


class CaptureClock:
    """When a publisher's pictures and sounds were captured, told on this machine's clock.

    The distance between the two clocks is taken once and held for both tracks: were each report's
    own arrival used, sound and picture would drift apart by the jitter of the line.
    """

    def __init__(self) -> None:
        self._distance_s: float | None = None
        self._marks: dict[Kind, tuple[float, int]] = {}

    def sender_report(self, kind: Kind, ntp: int, timestamp: int, wall_s: float) -> None:
        """Take a publisher's report; `timestamp` is the room's."""
        sent_s = unix_of(ntp)
        if self._distance_s is None:
            self._distance_s = wall_s - sent_s
        self._marks[kind] = (sent_s + self._distance_s, timestamp)

    def timestamp_at(self, kind: Kind, wall_s: float) -> int | None:
        """Return the room's timestamp of what is captured at a moment; None before a report."""
        mark = self._marks.get(kind)
        if mark is None:
            return None
        return mark[1] + round((wall_s - mark[0]) * CLOCK_RATES[kind])

    def captured_at(self, kind: Kind, timestamp: int) -> float | None:
        """Return when the sample of a timestamp was captured, in Unix seconds."""
        mark = self._marks.get(kind)
        if mark is None:
            return None
        return mark[0] + (timestamp - mark[1]) / CLOCK_RATES[kind]
