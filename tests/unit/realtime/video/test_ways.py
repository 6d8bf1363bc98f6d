"""A picture and the sound that goes with it leave in as few calls as their sizes allow."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtpPacket

from realtime.video.layouts import Layout
from realtime.video.media import CodecTypes, MediaPacket
from realtime.video.outlets import Outlet, OutletStart
from realtime.video.tracks import Track
from realtime.video.ways import Way, packet_of

TRAILER_BYTES = 16


def outlet_of(ssrc: int) -> Outlet:
    """An outlet of this source."""
    track = Track("video")
    track.restart("VP8")
    start = OutletStart(ssrc=ssrc, rtx_ssrc=2, sequence=0, timestamp=0)
    return Outlet(track, {"VP8": CodecTypes(media=100)}, start, 0.0)


def packets_of(sizes: list[int]) -> list[MediaPacket]:
    """Packets of these payloads, each with a content of its own."""
    return [
        MediaPacket(index=index, timestamp=0, marker=False, payload=bytes([size % 251]) * size)
        for index, size in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("picture", "sound", "calls"),
    [
        ([1124, 1124, 1125, 1125], [97], [5]),  # As browsers cut a picture.
        ([1124, 1124, 1125, 1125], [97, 97], [4 + 1, 1]),
        ([6, 1127, 1127, 1126, 1126], [97, 97], [3, 4]),  # As the library does.
        ([6, 1127, 1127, 1126, 1126], [97], [1, 4 + 1]),
        ([700], [97, 103], [1 + 1, 1]),
        ([700], [97, 98], [1 + 1, 1]),
    ],
)
def test_the_better_order_is_taken(picture: list[int], sound: list[int], calls: list[int]) -> None:
    """And every datagram lies where encryption and the kernel look for it."""
    buffer = bytearray(1 << 16)
    layouts = [Layout(packets_of(sizes), TRAILER_BYTES) for sizes in (picture, sound)]
    way = Way(layouts, 0, memoryview(buffer))
    outlets = (outlet_of(7), outlet_of(8))
    way.write(outlets)
    assert [run.count for run in way.runs] == calls
    datagrams = [one for run in way.runs for one in run.apart()]
    found = [bytes(one.bytes[0][:-TRAILER_BYTES]) for one in datagrams]
    assert found == list(way.packets(outlets))
    assert [bytes(buffer[cell : cell + 12]) for cell in way.cells] == [one[:12] for one in found]
    assert sorted(found) == sorted(
        packet_of(packet, outlet)
        for sizes, outlet in zip((picture, sound), outlets, strict=True)
        for packet in packets_of(sizes)
    )


def test_a_packet_of_any_size_reads_the_same_each_time_it_is_sent() -> None:
    """In a picture or by itself: SRTP encrypts it under one number, which takes one text only.

    And a receiver that knows nothing of us reads the payload without what fills it up.
    """
    outlet = outlet_of(7)
    for size in (*range(1, 18), *range(1385, 1412)):
        others = packets_of([size, 900, size])
        layout = Layout(others, TRAILER_BYTES)
        buffer = bytearray(layout.sealed_bytes)
        layout.write(memoryview(buffer), outlet)
        written = [bytes(buffer[span]) for span in layout.spans]
        assert written == [packet_of(packet, outlet) for packet in others]
        assert RtpPacket.parse(written[0]).payload == others[0].payload
        assert len(written[0]) <= 12 + max(size, 1400)
