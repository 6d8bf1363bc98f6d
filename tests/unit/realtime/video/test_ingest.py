"""A publisher's packets: repairs unwrapped, one source listened to, figures kept."""

from __future__ import annotations

from realtime.video.ingest import SOURCE_SILENT_S, IngestTrack
from realtime.video.media import CodecTypes


def ingest() -> IngestTrack:
    """VP8 at 100, its repairs at 101."""
    return IngestTrack("video", "VP8", CodecTypes(media=100, rtx=101), repairs=True)


def test_a_repair_is_unwrapped_and_does_not_hide_the_loss() -> None:
    """Its rate control needs to know; the viewers do not."""
    track = ingest()
    track.accept(100, 7, 1, 0, False, b"a", 0.0)
    came = track.accept(100, 7, 3, 3000, True, b"c", 0.03)
    assert came is not None
    assert came.ask == [2]
    repaired = track.accept(101, 8, 900, 1500, False, b"\x00\x02b", 0.06)
    assert repaired is not None
    assert (repaired.sequence, repaired.payload) == (2, b"b")
    assert track.due(1.0) == ([], False)
    report = track.report(1.0)
    assert report is not None
    assert report.packets_lost == 1


def test_only_one_source_is_listened_to_until_it_is_silent() -> None:
    """Layers would be mixed; an exchanged camera takes over."""
    track = ingest()
    first = track.accept(100, 7, 1, 0, True, b"a", 0.0)
    assert first is not None
    assert first.is_new_source
    assert track.accept(100, 9, 50, 0, True, b"x", 0.1) is None
    later = track.accept(100, 9, 51, 0, True, b"x", SOURCE_SILENT_S + 0.2)
    assert later is not None
    assert later.is_new_source
    assert later.ask == []
    assert track.ssrc == 9


def test_what_was_not_agreed_on_is_left_out() -> None:
    """Other formats, repairs of nothing, bare probes."""
    track = ingest()
    assert track.accept(96, 7, 1, 0, True, b"a", 0.0) is None
    assert track.accept(101, 8, 1, 0, True, b"\x00\x01a", 0.0) is None
    track.accept(100, 7, 1, 0, True, b"a", 0.0)
    assert track.accept(101, 8, 2, 0, True, b"\x00", 0.0) is None


def test_the_wrap_is_no_loss() -> None:
    """And what is asked for is told in 16 bits."""
    track = ingest()
    track.accept(100, 7, 65534, 0, True, b"a", 0.0)
    came = track.accept(100, 7, 1, 0, True, b"a", 0.0)
    assert came is not None
    assert came.ask == [65535, 0]


def test_the_rate_is_of_the_last_seconds() -> None:
    """100 packets of 1000 bytes a second."""
    track = ingest()
    for number in range(500):
        track.accept(100, 7, number, 0, True, bytes(1000), number / 100)
    assert 780_000 < track.bits_per_s < 820_000
