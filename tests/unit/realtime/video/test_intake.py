"""Of what is sent to a session so much is looked at, and no more."""

from __future__ import annotations

import pytest

from realtime.video.intake import (
    CHECKS_BURST,
    FLOOD_S,
    REPORTS_BURST,
    REPORTS_PER_S,
    SOURCES_MAX,
    STRANGE_BURST,
    Bucket,
    Intake,
    source_of,
)


def let_in(intake: Intake, times: list[float], **more: bool | int) -> int:
    """How many datagrams, one at each time, are looked at."""
    size = int(more.get("size_bytes", 60))
    is_check, is_peer = bool(more.get("is_check")), bool(more.get("is_peer", True))
    return sum(
        intake.admits(size, is_check=is_check, is_peer=is_peer, now_s=now_s) for now_s in times
    )


def spread(per_s: int, seconds: float, from_s: float = 0.0) -> list[float]:
    """Evenly spread times."""
    return [from_s + number / per_s for number in range(int(per_s * seconds))]


def test_a_bucket_fills_up_to_its_burst() -> None:
    bucket = Bucket(2.0, 3)
    assert [bucket.take(1, 0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(1, 0.5)
    assert not bucket.take(1, 0.5)
    assert [bucket.take(1, 99.0) for _ in range(4)] == [True, True, True, False]


def test_an_honest_viewer_is_heard_while_it_loses_much() -> None:
    """A list of lost packets every 20 ms and a report a second, for ten seconds."""
    intake = Intake()
    times = spread(50, 10) + spread(1, 10)
    assert let_in(intake, sorted(times)) == len(times)
    assert not intake.is_flooded(10.0)


def test_a_flood_of_reports_is_cut_and_found_out() -> None:
    intake = Intake()
    seen = let_in(intake, spread(5_000, FLOOD_S + 0.5))
    assert seen <= REPORTS_BURST + REPORTS_PER_S * (FLOOD_S + 1)
    assert intake.is_flooded(FLOOD_S + 0.5)
    assert not intake.is_flooded(FLOOD_S + 9)


def test_long_reports_count_by_their_length() -> None:
    """Twelve units each: a list of 6,000 lost packets is a millisecond of work."""
    assert let_in(Intake(), [0.0] * 600, size_bytes=1_450) == REPORTS_BURST // 12


def test_short_floods_do_not_end_anybody() -> None:
    """A line that stood still delivers everything at once."""
    intake = Intake()
    for burst in range(5):
        let_in(intake, [burst * 5.0] * 2_000)
        assert not intake.is_flooded(burst * 5.0 + 1)


def test_who_floods_is_still_asked_and_answered_whether_it_is_there() -> None:
    """Consent to send (RFC 7675) has tokens of its own."""
    intake = Intake()
    let_in(intake, [1.0] * 10_000)
    assert let_in(intake, [1.0], is_check=True) == 1
    assert let_in(intake, [1.0] * 1_000, is_check=True) == CHECKS_BURST - 1


def test_strangers_take_nothing_from_the_peer() -> None:
    """Neither its reports nor its checks, and they never end its session."""
    intake = Intake()
    times = spread(5_000, FLOOD_S + 1)
    assert let_in(intake, times, is_peer=False) < STRANGE_BURST + 1_000
    assert let_in(intake, times, is_peer=False, is_check=True) < STRANGE_BURST + 1_000
    assert not intake.is_flooded(FLOOD_S + 1)
    assert let_in(intake, [FLOOD_S + 1] * REPORTS_BURST) == REPORTS_BURST
    assert let_in(intake, [FLOOD_S + 1] * CHECKS_BURST, is_check=True) == CHECKS_BURST


@pytest.mark.parametrize(("size_bytes", "per_s", "flooded"), [
    (1_200, 800, False),  # 7.7 Mb/s of a camera.
    (1_200, 1_200, True),  # 11.5 Mb/s.
    (60, 1_600, False),
    (60, 2_500, True),  # Small packets cost as much as large ones.
])  # fmt: skip
def test_a_publisher_sends_as_much_as_is_set(size_bytes: int, per_s: int, flooded: bool) -> None:
    intake = Intake(8_000)
    times = spread(per_s, 12)
    seen = let_in(intake, times, size_bytes=size_bytes)
    assert (seen < len(times)) is flooded
    assert intake.is_flooded(12.0) is flooded


RTP = b"\x80\x60" + bytes(6)
REPORT = b"\x80\xc9" + bytes(2)


@pytest.mark.parametrize(
    ("data", "source"),
    [
        (RTP + b"abcd" + b"payload", b"abcd"),
        (b"\xbf\xe0" + bytes(6) + b"abcd", b"abcd"),  # All of the first byte's bits; a marker.
        (REPORT + b"abcd" + bytes(16), b"abcd"),
        (b"\x80\xd0" + bytes(2) + b"abcdefgh", b"abcd"),
        (b"\x80\xd1" + bytes(2) + b"abcdefgh", b"efgh"),
        (RTP + b"ab", b"ab"),  # Cut short: nobody reads it.
        (b"\x80", b""),
        (b"\x80\xc9", b""),
        (b"", b""),
        (b"\x16" + b"handshake" * 9, b""),
        (b"\xc0" + b"nothing of ours" * 9, b""),
    ],
)
def test_a_source_is_read_where_the_library_reads_it(data: bytes, source: bytes) -> None:
    assert source_of(data) == source


def test_a_session_has_so_many_sources_and_no_more() -> None:
    """Those that it began with go on, and what has no source is not asked for one."""
    intake = Intake()
    first = [RTP + bytes([number]) * 4 for number in range(SOURCES_MAX)]
    assert all(intake.admits_source(data) for data in first)
    assert not intake.admits_source(RTP + b"more")
    assert not intake.admits_source(REPORT + b"more")
    assert all(intake.admits_source(data) for data in first)
    assert intake.admits_source(REPORT + bytes(4)), "a source may report on what it hears, too"
    assert intake.admits_source(b"\x16handshake")
