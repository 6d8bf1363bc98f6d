"""A room's track: keyframes first, changes of publisher unseen, groups of pictures at hand."""

from __future__ import annotations

from realtime.video.media import MediaPacket
from realtime.video.packet_ring import PacketRing
from realtime.video.tracks import (
    GOP_BYTES_MAX,
    GOP_FRESH_S,
    GOP_S_MAX,
    HELD_MAX,
    LATE_MAX,
    Track,
)

KEY, DELTA = b"\x10\x00key", b"\x10\x01delta"


def started(sequence: int = 100) -> Track:
    """A track of VP8 with one keyframe."""
    track = Track("video")
    track.restart("VP8")
    track.accept(sequence, 0, True, KEY, 0.0)
    return track


def test_nothing_enters_before_a_keyframe() -> None:
    """What cannot be decoded is not sent."""
    track = Track("video")
    track.restart("VP8")
    assert track.accept(1, 0, True, DELTA, 0.0) == []
    assert [p.index for p in track.accept(2, 3000, True, KEY, 0.03)] == [0]
    assert [p.index for p in track.accept(3, 6000, True, DELTA, 0.06)] == [1]


def test_a_keyframe_whose_first_packet_comes_late_is_whole() -> None:
    """What was held and follows it enters with it, in order; what precedes it does not."""
    track = Track("video")
    track.restart("VP8")
    track.accept(9, 0, True, DELTA, 0.0)
    track.accept(12, 3000, True, b"\x00rest2", 0.01)
    track.accept(11, 3000, False, b"\x00rest1", 0.02)
    entered = track.accept(10, 3000, False, KEY, 0.05)
    assert [(p.index, p.payload) for p in entered] == [
        (0, KEY), (1, b"\x00rest1"), (2, b"\x00rest2"),
    ]  # fmt: skip


def test_of_what_waits_for_a_keyframe_the_newest_is_kept() -> None:
    """Its own packets, however much of other pictures came before them."""
    track = Track("video")
    track.restart("VP8")
    for sequence in range(HELD_MAX + 5):
        track.accept(sequence, 0, True, DELTA, 0.0)
    key = HELD_MAX + 5
    track.accept(key + 1, 3000, True, b"\x00rest", 0.02)
    entered = track.accept(key, 3000, False, KEY, 0.05)
    assert [(p.index, p.payload) for p in entered] == [(0, KEY), (1, b"\x00rest")]


def test_what_is_too_late_for_every_viewers_encryption_is_not_sent() -> None:
    """It would be refused there, one viewer after the other; a repair in time is."""
    track = started(0)
    track.accept(2000, 3000, True, DELTA, 1.0)
    assert track.accept(2000 - LATE_MAX, 1000, True, DELTA, 1.0) == []
    (late,) = track.accept(2001 - LATE_MAX, 1000, True, DELTA, 1.0)
    assert late.index == 2001 - LATE_MAX


def test_a_new_publisher_goes_on_where_the_last_ended() -> None:
    """Indexes without a hole, timestamps by the clock, and a keyframe first."""
    track = started()
    track.accept(101, 3000, True, DELTA, 0.033)
    track.restart("VP8")
    assert track.accept(7, 555, True, DELTA, 5.0) == []
    (packet,) = track.accept(8, 999, True, KEY, 5.033)
    assert packet.index == 2
    assert packet.timestamp == 3000 + 450_000


def test_a_copy_is_not_sent_twice() -> None:
    """A repair that was not needed."""
    track = started()
    assert track.accept(100, 0, True, KEY, 0.1) == []


def test_parameters_and_slices_are_one_keyframe() -> None:
    """It begins at the first packet of its timestamp."""
    track = Track("video")
    track.restart("H264")
    for sequence, payload in enumerate((b"\x67s", b"\x68p", b"\x7c\x85i", b"\x7c\x45i")):
        track.accept(sequence, 0, sequence == 3, payload, 0.0)
    assert (track.keyframe, track.keyframes) == (0, 1)
    track.accept(4, 3000, True, b"\x41s", 0.03)
    track.accept(5, 6000, True, b"\x65i", 0.06)
    assert (track.keyframe, track.keyframes) == (5, 2)


def test_a_joiner_may_start_with_a_young_keyframe() -> None:
    """But not with one too old, nor with too much to send."""
    track = started()
    assert track.gop_start(GOP_S_MAX) == 0
    assert track.gop_start(GOP_S_MAX + 0.1) is None
    assert track.gop_start(GOP_FRESH_S, GOP_FRESH_S) == 0
    assert track.gop_start(GOP_FRESH_S + 0.1, GOP_FRESH_S) is None
    for number in range(1, 3):
        track.accept(100 + number, 3000 * number, True, b"\x10\x01" + bytes(GOP_BYTES_MAX // 2), 1)
    assert track.gop_start(1.0) is None


def test_no_group_is_at_hand_while_a_new_source_has_no_keyframe() -> None:
    """Its packets would follow pictures of another."""
    track = started()
    track.restart("VP8")
    assert track.gop_start(0.1) is None


def test_the_ring_forgets_the_oldest() -> None:
    """And never gives one packet for another."""
    ring = PacketRing(4)
    for index in range(6):
        assert ring.put(MediaPacket(index=index, timestamp=0, marker=False, payload=b""))
    assert ring.get(1) is None
    assert not ring.put(MediaPacket(index=1, timestamp=0, marker=False, payload=b""))
    assert [packet.index for packet in ring.between(0, 6)] == [2, 3, 4, 5]
