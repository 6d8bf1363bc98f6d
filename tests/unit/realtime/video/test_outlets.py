"""A viewer's numbers: unbroken, begun low, and good for asking again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from realtime.video.media import Batch, CodecTypes, MediaPacket
from realtime.video.outlets import FIRST_SEQUENCE_MAX, Outlet, OutletStart
from realtime.video.tracks import Track

KEY, DELTA = b"\x10\x00key", b"\x10\x01delta"
TYPES = {"VP8": CodecTypes(media=100, rtx=101), "H264": CodecTypes(media=102)}


def outlet_of(track: Track, sequence: int = 5) -> Outlet:
    """An outlet with known beginnings."""
    start = OutletStart(ssrc=1, rtx_ssrc=2, sequence=sequence, timestamp=1000)
    return Outlet(track, TYPES, start, 0.0)


class Stage:
    """A track of VP8 that is fed pictures of one packet."""

    def __init__(self, first: int = 100) -> None:
        self.track = Track("video")
        self.track.restart("VP8")
        self._sequence = first
        self._timestamp = 0

    def feed(self, payload: bytes = DELTA) -> Batch:
        """The next picture."""
        now_s = self._timestamp / 90_000
        out = self.track.accept(self._sequence & 0xFFFF, self._timestamp, True, payload, now_s)
        self._sequence += 1
        self._timestamp += 3000
        return Batch(out)


def numbers(outlet: Outlet, packets: Sequence[MediaPacket]) -> list[int]:
    """The sequence numbers as the viewer reads them."""
    return [(packet.index + outlet.sequence_shift) & 0xFFFF for packet in packets]


def test_a_viewer_begins_with_the_next_keyframe() -> None:
    """With its own first number and timestamp."""
    stage = Stage()
    stage.feed(KEY)
    outlet = outlet_of(stage.track)
    assert outlet.take(stage.feed()) == ()
    key = stage.feed(KEY)
    assert numbers(outlet, outlet.take(key)) == [5]
    assert key[0].timestamp + outlet.timestamp_shift == 1000
    assert numbers(outlet, outlet.take(stage.feed())) == [6]


@pytest.mark.parametrize("first", [65500, 65535, 0, 40_000])
def test_a_join_near_the_publishers_wrap_begins_low(first: int) -> None:
    """The publisher's number never reaches the viewer."""
    stage = Stage(first)
    outlet = outlet_of(stage.track, FIRST_SEQUENCE_MAX)
    seen = numbers(outlet, outlet.take(stage.feed(KEY)))
    for _ in range(100):
        seen += numbers(outlet, outlet.take(stage.feed()))
    assert seen == list(range(FIRST_SEQUENCE_MAX, FIRST_SEQUENCE_MAX + 101))


def test_a_first_number_that_could_lock_a_viewer_out_is_refused() -> None:
    """See the rollover counter."""
    with pytest.raises(AssertionError, match="rollover"):
        OutletStart(ssrc=1, rtx_ssrc=2, sequence=FIRST_SEQUENCE_MAX + 1, timestamp=0)


def test_a_change_of_publisher_is_not_seen() -> None:
    """Not in the sequence, and not in the timestamps' direction."""
    stage = Stage()
    outlet = outlet_of(stage.track)
    seen = numbers(outlet, outlet.take(stage.feed(KEY)))
    stage.track.restart("VP8")
    for sequence, payload in ((9, DELTA), (10, KEY), (11, DELTA)):
        packets = stage.track.accept(sequence, sequence * 3000, True, payload, 4.0)
        if packets:
            seen += numbers(outlet, outlet.take(Batch(packets)))
    assert seen == [5, 6, 7]


def test_another_codec_gets_its_own_payload_type() -> None:
    """A viewer without it says so."""
    stage = Stage()
    outlet = outlet_of(stage.track)
    assert (outlet.payload_type, outlet.rtx_type) == (100, 101)
    stage.track.restart("H264")
    assert outlet.adopt_codec()
    assert (outlet.payload_type, outlet.rtx_type) == (102, None)
    stage.track.restart("AV1")
    assert not outlet.adopt_codec()


def test_a_burst_catches_up_and_goes_on_live_without_a_copy_or_a_hole() -> None:
    """Packets that come meanwhile, and batches under way, are taken from the ring once."""
    stage = Stage()
    stage.feed(KEY)
    for _ in range(9):
        stage.feed()
    outlet = outlet_of(stage.track)
    outlet.start_at(0)
    seen = numbers(outlet, outlet.catch_up(4))
    live = stage.feed()
    assert outlet.take(live) == ()
    while outlet.catching_up:
        seen += numbers(outlet, outlet.catch_up(4))
    assert list(outlet.take(live)) == []  # It was on the ring.
    seen += numbers(outlet, outlet.take(stage.feed()))
    assert seen == list(range(5, 5 + 12))


def test_what_a_viewer_asks_for_is_found_over_the_wrap() -> None:
    """By its own numbers, and only what it was sent."""
    stage = Stage()
    outlet = outlet_of(stage.track, FIRST_SEQUENCE_MAX)
    outlet.take(stage.feed(KEY))
    for _ in range(60_000):
        outlet.take(stage.feed())
    last = (FIRST_SEQUENCE_MAX + 60_000) & 0xFFFF
    asked = [last, (last - 1) & 0xFFFF, (last + 1) & 0xFFFF, (last - 5000) & 0xFFFF]
    found = outlet.repairs(asked, bits_per_s=1_000_000, now_s=1.0)
    assert numbers(outlet, found) == asked[:2]


def test_a_viewer_that_was_sent_nothing_is_sent_nothing_again() -> None:
    """There is nothing to find."""
    assert outlet_of(Stage().track).repairs([1, 2], bits_per_s=1, now_s=0.0) == []


def sounds(*indexes: int) -> Batch:
    """Sound as it came, which waits in a large room for as long as a picture takes."""
    return Batch(
        MediaPacket(index=index, timestamp=index * 960, marker=False, payload=b"s")
        for index in indexes
    )


def test_sound_that_came_in_another_order_begins_with_its_first() -> None:
    """Else what was sent before it would be numbered below the first, past the wrap."""
    outlet = outlet_of(Track("audio"), sequence=0)
    assert numbers(outlet, outlet.take(sounds(101, 100, 102))) == [1, 0, 2]
    assert numbers(outlet, outlet.take(sounds(103, 99))) == [3]


def test_what_precedes_a_viewers_start_is_not_sent_wherever_it_stands() -> None:
    """A repair may come in the middle of a picture."""
    stage = Stage()
    late = stage.feed(KEY)[0]
    outlet = outlet_of(stage.track, sequence=0)
    outlet.take(stage.feed(KEY))
    following = stage.feed()[0]
    assert numbers(outlet, outlet.take(Batch([following, late]))) == [1]


def test_the_newest_packet_may_be_asked_for_again_wherever_it_stood() -> None:
    """A packet that came after it was sent before it."""
    stage = Stage()
    outlet = outlet_of(stage.track)
    outlet.take(stage.feed(KEY))
    before, newest = stage.feed()[0], stage.feed()[0]
    outlet.take(Batch([newest, before]))
    again = outlet.repairs([7], bits_per_s=1_000_000, now_s=1.0)
    assert again == [newest]
