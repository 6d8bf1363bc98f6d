"""Where recordings are cut, what time frames have, how playlists read."""

from __future__ import annotations

import pytest

from realtime.video.ports import EncodedFrame
from realtime.video.recording.containers import PieceFinder
from realtime.video.recording.model import Part, PartHead, Piece, Segment
from realtime.video.recording.rules import (
    PartClock,
    encoding_of,
    follows,
    h264_codec,
    iso_utc,
    playlist,
    segments_of,
    vp8_size,
)

WALL_MS = 1_795_346_500_000
SPS, PPS, IDR = b"\x67\x42\xe0\x1f\xaa", b"\x68\xce\x0f\xc8", b"\x65\x88\x84"
KEYFRAME = b"".join(b"\x00\x00\x00\x01" + unit for unit in (SPS, PPS, IDR))


def make_frame(
    at_ms: int, *, kind: str = "video", wall_ms: int | None = None, keyframe: bool = False
) -> EncodedFrame:
    rate = 90_000 if kind == "video" else 48_000
    return EncodedFrame(
        "video" if kind == "video" else "audio",
        "H264" if kind == "video" else "opus",
        KEYFRAME,
        5_000_000 + at_ms * rate // 1000,
        rate,
        WALL_MS + (at_ms if wall_ms is None else wall_ms),
        keyframe,
    )


def make_head(**changes: object) -> PartHead:
    fields = {"kind": "mp4", "codecs": "avc1.42e01f,opus", "width": 1280, "height": 720}
    fields |= {"from_ms": WALL_MS, "init_bytes": 700}
    return PartHead(**(fields | changes))  # type: ignore[arg-type]


def make_part(*starts_ms: int, is_open: bool = False, number: int = 1) -> Part:
    """Return a part with a keyframe piece of 100 bytes at each time, the last a second long."""
    ends = [*starts_ms[1:], starts_ms[-1] + 1000]
    pieces = [
        Piece(700 + 100 * place, 100, start_ms, end_ms, True)
        for place, (start_ms, end_ms) in enumerate(zip(starts_ms, ends, strict=True))
    ]
    return Part(number, make_head(), pieces, is_open)


def test_an_encoding_is_told_by_its_parameter_sets_or_its_size() -> None:
    encoding = encoding_of("H264", KEYFRAME)
    assert encoding is not None
    assert h264_codec(encoding) == "avc1.42e01f"
    assert encoding_of("H264", KEYFRAME.replace(PPS, b"\x41\x00")) is None
    vp8 = b"\x50\x00\x00\x9d\x01\x2a" + (1280).to_bytes(2, "little") + (720).to_bytes(2, "little")
    assert vp8_size(encoding_of("VP8", vp8) or b"") == (1280, 720)
    assert encoding_of("VP8", b"\x00" * 20) is None
    assert encoding_of("AV1", KEYFRAME) is None


def test_a_picture_follows_unless_codec_time_or_encoding_change() -> None:
    first = make_frame(0, keyframe=True)
    assert follows(first, make_frame(33))
    assert follows(first, make_frame(33, keyframe=True))
    assert not follows(first, make_frame(1001))
    assert not follows(make_frame(50), make_frame(0))


def test_picture_keeps_its_even_times_whatever_its_arrival_was() -> None:
    clock = PartClock(make_frame(0, keyframe=True))
    assert [clock.place(make_frame(ms, wall_ms=ms + ms % 7)) for ms in (0, 33, 66)] == [
        0,
        2970,
        5940,
    ]


def test_sound_is_placed_by_the_wall_clock_and_before_the_part_left_out() -> None:
    clock = PartClock(make_frame(0, keyframe=True))
    assert clock.place(make_frame(0, kind="audio", wall_ms=-20)) is None
    assert clock.place(make_frame(40, kind="audio", wall_ms=20)) == 960


def test_a_lasting_distance_between_lips_and_voice_is_closed() -> None:
    clock = PartClock(make_frame(0, keyframe=True))
    assert clock.place(make_frame(0, kind="audio", wall_ms=0)) == 0
    last = None
    for ms in range(20, 4000, 20):
        last = clock.place(make_frame(ms, kind="audio", wall_ms=ms + 100)) or last
    assert last is not None
    assert abs(last / 48 - 4080) < 30


@pytest.mark.parametrize(
    ("at_ms", "wall_ms", "is_broken"),
    [(1033, 1033, False), (2100, 2100, True), (66, 700, True), (66, 110, False), (-500, 66, True)],
)
def test_a_hole_or_another_clock_breaks_a_part(at_ms: int, wall_ms: int, is_broken: bool) -> None:
    clock = PartClock(make_frame(0, keyframe=True))
    clock.place(make_frame(0))
    clock.place(make_frame(33))
    assert clock.is_broken_by(make_frame(at_ms, wall_ms=wall_ms)) is is_broken


def test_segments_are_long_enough_and_the_open_one_is_not_listed() -> None:
    part = make_part(0, 1000, 2000, 4000, 5000, 9000)
    assert segments_of(part) == [
        Segment(700, 300, 0, 4000),
        Segment(1000, 200, 4000, 9000),
        Segment(1200, 100, 9000, 10_000),
    ]
    running = make_part(0, 1000, 2000, 4000, 5000, 9000, is_open=True)
    assert segments_of(running) == segments_of(part)[:2]
    assert segments_of(make_part(0, is_open=True)) == []


def test_pieces_before_the_first_keyframe_are_not_listed() -> None:
    part = make_part(0, 4000)
    broken = Part(1, part.head, [Piece(1, 9, 0, 5, False), *part.pieces])
    assert segments_of(broken) == segments_of(part)


def test_a_running_playlist_only_grows() -> None:
    early = playlist([make_part(0, 4000, 8000, is_open=True)], is_over=False)
    later = playlist([make_part(0, 4000, 8000, 12_000, is_open=True)], is_over=False)
    assert later.startswith(early)
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in early
    assert "ENDLIST" not in early


def test_a_playlist_names_ranges_dates_and_discontinuities() -> None:
    text = playlist([make_part(0, 4000), make_part(0, number=2)], is_over=True, clock_ahead_ms=250)
    lines = text.splitlines()
    assert lines[:3] == ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:6"]
    assert '#EXT-X-MAP:URI="0001.mp4",BYTERANGE="700@0"' in lines
    assert "#EXT-X-BYTERANGE:100@800" in lines
    assert f"#EXT-X-PROGRAM-DATE-TIME:{iso_utc(WALL_MS + 250)}" in lines
    assert lines.count("#EXT-X-DISCONTINUITY") == 1
    assert lines[-1] == "#EXT-X-ENDLIST"


def test_a_show_without_a_picture_has_an_empty_playlist() -> None:
    assert "#EXTINF" not in playlist([], is_over=False)


def test_the_pieces_of_a_file_are_found_however_it_arrives() -> None:
    def box(name: bytes, body: bytes) -> bytes:
        return (8 + len(body)).to_bytes(4, "big") + name + body

    tfhd = box(b"tfhd", b"\x00" * 4 + (1).to_bytes(4, "big"))
    traf = box(b"traf", tfhd + box(b"tfdt", b"\x01\x00\x00\x00" + (90_000).to_bytes(8, "big")))
    data = (
        box(b"ftyp", b"isom") + box(b"moof", box(b"mfhd", b"\x00" * 8) + traf) + box(b"mdat", b"x")
    )
    for step in (1, 7, len(data)):
        finder = PieceFinder("mp4")
        found = [
            one for at in range(0, len(data), step) for one in finder.push(data[at : at + step])
        ]
        assert [(one.offset, one.size, one.start) for one in found] == [
            (0, 12, None),
            (12, len(data) - 12, 90_000),
        ]


def test_a_date_reads_as_iso() -> None:
    assert iso_utc(0) == "1970-01-01T00:00:00.000Z"
    assert iso_utc(1_795_346_577_966) == "2026-11-22T11:22:57.966Z"
