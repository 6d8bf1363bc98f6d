"""Where keyframes begin, and what a recorder is given, from payloads of two codecs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.video.bitstreams import START_CODE, depayload, is_keyframe, starts_keyframe

SPS, PPS, IDR, SLICE = b"\x67sps", b"\x68pps", b"\x65idr", b"\x41slice"


def stap(*units: bytes) -> bytes:
    """An aggregate of units."""
    return b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


@pytest.mark.parametrize(
    ("payload", "begins"),
    [
        (IDR, True),
        (SPS, True),
        (PPS, False),
        (SLICE, False),
        (stap(SPS, PPS), True),
        (stap(PPS, SLICE), False),
        (b"\x7c\x85first", True),  # FU-A, start bit, IDR.
        (b"\x7c\x05next", False),
        (b"\x7c\x45last", False),
        (b"\x5c\x81first", False),  # FU-A, start bit, not IDR.
        (b"", False),
        (b"\x7c", False),
        (b"\x78\x00", False),
        (b"\x78\x00\xff\x67", False),  # An aggregate that is cut short.
        (b"\x78\x00\x00\x00\x01\x67", False),  # An empty unit.
    ],
)
def test_h264_keyframes_begin(payload: bytes, begins: bool) -> None:
    """With parameters or an IDR slice, alone, aggregated or fragmented."""
    assert starts_keyframe("H264", payload) is begins


@pytest.mark.parametrize(
    ("payload", "begins"),
    [
        (b"\x10\x00", True),  # S, partition 0, key.
        (b"\x10\x01", False),  # An interframe.
        (b"\x00\x00", False),  # Not the first of its partition.
        (b"\x11\x00", False),  # Partition 1.
        (b"\x90\x80\x7f\x00", True),  # PictureID of 7 bits.
        (b"\x90\x80\xff\xff\x00", True),  # Of 15 bits.
        (b"\x90\xe0\x81\x02\x03\x04\x00", True),  # With TL0PICIDX and TID.
        (b"\x90\xf0\x81\x02\x03\x04\x01", False),
        (b"", False),
        (b"\x10", False),
        (b"\x90", False),
        (b"\x90\x80", False),
        (b"\x90\x80\xff", False),
    ],
)
def test_vp8_keyframes_begin(payload: bytes, begins: bool) -> None:
    """Descriptors of every length."""
    assert starts_keyframe("VP8", payload) is begins


def test_sound_has_no_keyframes_to_wait_for() -> None:
    """But each of its frames can be decoded alone."""
    assert not starts_keyframe("opus", b"\xfc")
    assert is_keyframe("opus", b"\xfc")


def test_h264_becomes_annex_b() -> None:
    """Units get start codes, fragments become one unit again."""
    assert depayload("H264", stap(SPS, PPS)) == START_CODE + SPS + START_CODE + PPS
    parts = (b"\x7c\x85id", b"\x7c\x05r", b"\x7c\x45!")
    assert b"".join(depayload("H264", part) for part in parts) == START_CODE + b"\x65idr!"
    assert is_keyframe("H264", START_CODE + SPS + START_CODE + IDR)
    assert not is_keyframe("H264", START_CODE + SLICE)


def test_vp8_loses_its_descriptor() -> None:
    """Of any length."""
    assert depayload("VP8", b"\x90\xe0\x81\x02\x03\x04frame") == b"frame"
    assert depayload("VP8", b"\x10frame") == b"frame"
    assert is_keyframe("VP8", b"\x10...")
    assert not is_keyframe("VP8", b"\x11...")


@given(st.sampled_from(["H264", "VP8", "opus"]), st.binary(max_size=40))
def test_no_bytes_of_a_stranger_raise(codec: str, payload: bytes) -> None:
    """They are no keyframe, or no data."""
    starts_keyframe(codec, payload)
    is_keyframe(codec, depayload(codec, payload))
