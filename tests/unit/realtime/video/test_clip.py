"""A clip is read as it will be sent, and its pieces come due at one clock."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from realtime.video.clip import (
    DEMO_CLIP,
    LATE_S_MAX,
    PACKETS_PER_S,
    Clip,
    ClipError,
    PlayClock,
    read_clip,
)

SPS = b"\x00\x00\x01\x67"  # A start code and sequence parameters.


def test_pieces_are_due_evenly_over_all_loops() -> None:
    clock = PlayClock(100.0)

    assert clock.wait_s(0, 30, 100.0) == 0.0
    assert clock.wait_s(450, 30, 114.0) == pytest.approx(1.0)


def test_a_little_late_is_caught_up_with() -> None:
    clock = PlayClock(100.0)

    assert clock.wait_s(3, 30, 100.0 + LATE_S_MAX) == 0.0
    assert clock.wait_s(60, 30, 101.0) == pytest.approx(1.0)


def test_after_a_standstill_it_goes_on_instead_of_hurrying() -> None:
    clock = PlayClock(100.0)

    assert clock.wait_s(30, 30, 161.0) == 0.0
    # The next picture follows a thirtieth later, and sound has moved along.
    assert clock.wait_s(31, 30, 161.0) == pytest.approx(1 / 30)
    assert clock.wait_s(51, 50, 161.0) == pytest.approx(1 / 50)


def test_its_length_and_rate_are_counted() -> None:
    clip = Clip("VP8", 10, (b"12345", b"123") * 10, ())

    assert clip.seconds == 2.0
    assert clip.video_bits_per_s == 320


def test_h264_is_read_with_start_codes_and_parameter_sets(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_film(path, "libx264", {"x264-params": "bframes=0:keyint=10"})

    clip = read_clip(path)

    assert (clip.codec, clip.frames_per_s, len(clip.pictures)) == ("H264", 10, 20)
    assert clip.pictures[0].startswith((b"\x00\x00\x00\x01", b"\x00\x00\x01"))
    # Sequence parameters (7) go before each keyframe (5): a viewer may join at any of them.
    assert [SPS in picture for picture in clip.pictures].count(True) == 2


def test_vp8_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    write_film(path, "libvpx", {})

    assert read_clip(path).codec == "VP8"


def test_b_frames_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_film(path, "libx264", {"x264-params": "bframes=2:b-adapt=0"})

    with pytest.raises(ClipError, match="B-frames"):
        read_clip(path)


def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"nothing" * 100)

    with pytest.raises(ClipError, match="cannot be read"):
        read_clip(path)


def test_another_codec_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_film(path, "mpeg4", {})

    with pytest.raises(ClipError, match=r"no H\.264 and no VP8"):
        read_clip(path)


def test_the_demos_film_plays_in_every_browser() -> None:
    clip = read_clip(DEMO_CLIP)

    assert DEMO_CLIP.stat().st_size <= 2_500_000
    assert clip.frames_per_s == 30
    assert 1_000_000 <= clip.video_bits_per_s <= 1_500_000
    # Sound as long as the pictures, so that the loop closes in both.
    assert len(clip.sounds) == clip.seconds * PACKETS_PER_S
    with av.open(str(DEMO_CLIP)) as container:
        video = container.streams.video[0].codec_context
        assert (video.width, video.height) == (720, 1280)
        assert video.profile == "Constrained Baseline"
    # A viewer who joins waits for a keyframe: they come each second, and nowhere else.
    keyframes = [number for number, picture in enumerate(clip.pictures) if SPS in picture]
    assert keyframes == list(range(0, len(clip.pictures), 30))


def write_film(path: Path, encoder: str, options: dict[str, str]) -> None:
    """Write two seconds at 10 fps, without sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame(64, 64, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 9 % 256]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
