"""Whole frames, in order, and nothing that cannot be decoded."""

from __future__ import annotations

from realtime.video.frames import FRAME_PACKETS_MAX, WAITING_MAX, FrameAssembler
from realtime.video.media import MediaPacket


def part(
    index: int, frame: int, *, key: bool = False, first: bool = False, last: bool = False
) -> MediaPacket:
    """A piece of a frame of VP8."""
    head = (b"\x10" + (b"\x00" if key else b"\x01")) if first else b"\x00"
    payload = head + bytes([frame & 0xFF])
    return MediaPacket(index=index, timestamp=frame * 3000, marker=last, payload=payload)


def test_a_frame_is_whole_with_its_last_packet() -> None:
    """Two packets, one frame."""
    frames = FrameAssembler("video", "VP8")
    assert frames.push(part(0, 1, key=True, first=True)) == []
    (whole,) = frames.push(part(1, 1, last=True))
    assert (whole.data, whole.timestamp, whole.keyframe) == (b"\x00\x01\x01", 3000, True)


def test_a_repair_lets_everything_after_it_out_in_order() -> None:
    """What came meanwhile waited."""
    frames = FrameAssembler("video", "VP8")
    frames.push(part(0, 0, key=True, first=True, last=True))
    assert frames.push(part(2, 2, first=True, last=True)) == []
    assert frames.push(part(3, 3, first=True, last=True)) == []
    out = frames.push(part(1, 1, first=True, last=True))
    assert [whole.timestamp for whole in out] == [3000, 6000, 9000]


def test_after_an_unrepaired_loss_frames_go_on_with_a_keyframe() -> None:
    """Those between would be decoded wrongly."""
    frames = FrameAssembler("video", "VP8")
    frames.push(part(0, 0, key=True, first=True, last=True))
    out = []
    for number in range(2, WAITING_MAX["video"] + 10):  # 1 never comes.
        out += frames.push(part(number, number, key=number == 200, first=True, last=True))
    assert [whole.timestamp // 3000 for whole in out[:3]] == [200, 201, 202]
    assert out[0].keyframe


def test_frames_end_even_without_a_marker() -> None:
    """The next timestamp ends them."""
    frames = FrameAssembler("video", "VP8")
    assert frames.push(part(0, 0, key=True, first=True)) == []
    (whole,) = frames.push(part(1, 1, first=True))
    assert whole.timestamp == 0


def test_a_recorder_that_begins_between_keyframes_waits_for_one() -> None:
    """An interframe is of no use to it."""
    frames = FrameAssembler("video", "VP8")
    assert frames.push(part(0, 0, first=True, last=True)) == []
    assert len(frames.push(part(1, 1, key=True, first=True, last=True))) == 1


def test_probing_packets_are_no_frames() -> None:
    """They are empty."""
    frames = FrameAssembler("video", "VP8")
    frames.push(part(0, 0, key=True, first=True, last=True))
    empty = MediaPacket(index=1, timestamp=3000, marker=False, payload=b"")
    assert frames.push(empty) == []
    assert len(frames.push(part(2, 2, first=True, last=True))) == 1


def test_lost_sound_is_left_out() -> None:
    """Eight packets later the rest goes on, in order."""
    frames = FrameAssembler("audio", "opus")
    out = []
    for index in [0, *range(2, 12)]:
        packet = MediaPacket(index=index, timestamp=index * 960, marker=False, payload=b"s")
        out += frames.push(packet)
    assert [whole.timestamp // 960 for whole in out] == [0, *range(2, 12)]


def test_a_picture_that_never_ends_is_not_kept() -> None:
    """Pieces without a last one would fill the memory that all rooms share."""
    frames = FrameAssembler("video", "VP8")
    frames.push(part(0, 0, key=True, first=True))
    for index in range(1, 3 * FRAME_PACKETS_MAX):
        assert frames.push(part(index, 0)) == []
    assert len(frames._ready) == FRAME_PACKETS_MAX + 1
    index = 3 * FRAME_PACKETS_MAX
    assert frames.push(part(index, 1, first=True, last=True)) == []
    (whole,) = frames.push(part(index + 1, 2, key=True, first=True, last=True))
    assert whole.timestamp == 6000
