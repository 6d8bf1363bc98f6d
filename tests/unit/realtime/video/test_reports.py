"""Reception figures, and sound and picture on one clock."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket

from realtime.video.reports import (
    CaptureClock,
    Reception,
    ntp_middle,
    ntp_of,
    pack_sender_report,
    unix_of,
)


def test_times_go_to_ntp_and_back() -> None:
    """Within a microsecond."""
    assert unix_of(ntp_of(1_790_000_000.25)) == pytest.approx(1_790_000_000.25, abs=1e-6)


def test_loss_is_told_since_the_last_report_and_in_all() -> None:
    """RFC 3550: a fraction of 256, and a sum."""
    reception = Reception(90_000)
    for index in (100, 101, 103, 104):
        reception.packet(index, index * 3000, index / 30)
    first = reception.report(5.0)
    assert first is not None
    assert (first.fraction_lost, first.packets_lost, first.highest_sequence) == (51, 1, 104)
    for index in (105, 106):
        reception.packet(index, index * 3000, index / 30)
    second = reception.report(6.0)
    assert second is not None
    assert (second.fraction_lost, second.packets_lost) == (0, 1)


def test_steady_packets_have_no_jitter_and_unsteady_ones_do() -> None:
    """In clock units."""
    steady, unsteady = Reception(90_000), Reception(90_000)
    for index in range(100):
        steady.packet(index, index * 3000, index / 30)
        unsteady.packet(index, index * 3000, index / 30 + (index % 2) * 0.010)
    calm, rough = steady.report(9.0), unsteady.report(9.0)
    assert calm is not None
    assert rough is not None
    assert calm.jitter < 5
    assert 700 < rough.jitter <= 900


def test_the_publisher_learns_its_round_trip() -> None:
    """Its last report and how long ago that was."""
    reception = Reception(48_000)
    assert reception.report(0.0) is None
    reception.packet(1, 0, 0.0)
    ntp = ntp_of(1_790_000_000.0)
    reception.sender_report(ntp, 1.0)
    report = reception.report(1.5)
    assert report is not None
    assert (report.lsr, report.dlsr) == (ntp_middle(ntp), 32_768)


def test_sound_and_picture_are_placed_on_one_clock() -> None:
    """Though the publisher's clock is hours off and its second report was late on the way."""
    clock = CaptureClock()
    theirs = 1_000_000.0
    clock.sender_report("video", ntp_of(theirs), 90_000, wall_s=2_000_000.0)
    clock.sender_report("audio", ntp_of(theirs + 1.0), 48_000, wall_s=2_000_001.7)
    shown = clock.timestamp_at("video", 2_000_002.0)
    heard = clock.timestamp_at("audio", 2_000_002.0)
    assert (shown, heard) == (90_000 + 180_000, 48_000 + 48_000)
    assert clock.captured_at("audio", 48_000) == pytest.approx(2_000_001.0)
    assert clock.captured_at("video", 90_000) == pytest.approx(2_000_000.0)


def test_nothing_is_told_before_the_publisher_told_anything() -> None:
    """A guess would set sound against picture."""
    assert CaptureClock().timestamp_at("video", 1.0) is None


def test_a_sender_report_is_what_the_library_writes() -> None:
    """Whatever the size of the counts."""
    found = pack_sender_report(
        7, ntp=1 << 63, timestamp=(1 << 32) + 5, packets=(1 << 32) + 2, octets=9
    )
    info = RtcpSenderInfo(ntp_timestamp=1 << 63, rtp_timestamp=5, packet_count=2, octet_count=9)
    assert found == bytes(RtcpSrPacket(ssrc=7, sender_info=info))
