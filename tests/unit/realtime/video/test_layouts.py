"""A batch laid out once reads, for each viewer, as if its headers were written one by one."""

from __future__ import annotations

import struct

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from realtime.video.layouts import HEADER_BYTES, Layout, runs
from realtime.video.media import CodecTypes, MediaPacket
from realtime.video.outlets import Outlet, OutletStart
from realtime.video.tracks import Track

HEADER = struct.Struct("!BBHII")
TRAILER_BYTES = 16


def outlet_of(sequence_shift: int, timestamp_shift: int, payload_type: int = 100) -> Outlet:
    """An outlet with these shifts."""
    track = Track("video")
    track.restart("VP8")
    start = OutletStart(ssrc=0xDEADBEEF, rtx_ssrc=2, sequence=0, timestamp=0)
    outlet = Outlet(track, {"VP8": CodecTypes(media=payload_type)}, start, 0.0)
    outlet.sequence_shift, outlet.timestamp_shift = sequence_shift, timestamp_shift
    return outlet


def expected(packet: MediaPacket, outlet: Outlet) -> bytes:
    """A packet as RFC 3550 has it, filled up to a multiple of eight."""
    missing = -len(packet.payload) % 8
    padding = bytes(missing - 1) + bytes([missing]) if missing else b""
    header = HEADER.pack(
        0xA0 if padding else 0x80,
        outlet.payload_type | (0x80 if packet.marker else 0),
        (packet.index + outlet.sequence_shift) & 0xFFFF,
        (packet.timestamp + outlet.timestamp_shift) & 0xFFFF_FFFF,
        outlet.ssrc,
    )
    return header + packet.payload + padding


def written(layout: Layout, outlet: Outlet) -> list[bytes]:
    """What lies in a buffer that had something else in it before."""
    buffer = bytearray(b"\xaa" * (layout.sealed_bytes + 1))
    layout.write(memoryview(buffer), outlet)
    assert buffer[-1] == 0xAA
    return [
        bytes(buffer[offset : offset + size - TRAILER_BYTES])
        for offset, size in zip(layout.offsets, layout.sealed, strict=True)
    ]


PACKETS = st.lists(
    st.builds(
        MediaPacket,
        index=st.integers(0, 200_000),
        timestamp=st.integers(0, 1 << 40),
        marker=st.booleans(),
        payload=st.binary(max_size=20),
    ),
    min_size=1,
    max_size=8,
)


@given(PACKETS, st.integers(-(1 << 20), 1 << 20), st.integers(-(1 << 42), 1 << 42))
def test_any_packets_read_as_each_viewer_numbers_them(
    packets: list[MediaPacket], sequence_shift: int, timestamp_shift: int
) -> None:
    """Late repairs among them, and pictures far apart."""
    layout = Layout(packets, TRAILER_BYTES)
    for outlet in (outlet_of(sequence_shift, timestamp_shift), outlet_of(0, 0, payload_type=127)):
        assert written(layout, outlet) == [expected(packet, outlet) for packet in packets]


@pytest.mark.parametrize("sequence", range(0xFFFC, 0x10001))
@pytest.mark.parametrize("timestamp", [0xFFFF_FFFF, 0xFFFF_FFFE, 0])
def test_a_counter_that_wraps_within_a_batch(sequence: int, timestamp: int) -> None:
    """Neither spills into its neighbour."""
    packets = [
        MediaPacket(index=index, timestamp=index // 2, marker=index == 3, payload=b"x")
        for index in range(4)
    ]
    outlet = outlet_of(sequence, timestamp)
    found = written(Layout(packets, TRAILER_BYTES), outlet)
    assert found == [expected(packet, outlet) for packet in packets]


def test_sizes_are_what_encryption_is_told() -> None:
    """Native integers, of header and payload."""
    layout = Layout([MediaPacket(index=0, timestamp=0, marker=False, payload=b"abc")], 10)
    assert struct.unpack("=i", layout.sizes) == (HEADER_BYTES + 8,)
    assert (layout.sealed, layout.sealed_bytes, layout.count) == ([30], 30, 1)


@pytest.mark.parametrize(
    ("size_bytes", "found"),
    [(0, 0), (1, 7), (7, 1), (8, 0), (1393, 7), (1400, 0), (1401, 0), (1478, 0)],
)
def test_padding_tells_its_length_and_a_large_packet_gets_none(size_bytes: int, found: int) -> None:
    """Read back by the library's parser, as a viewer's does."""
    packet = MediaPacket(index=1, timestamp=2, marker=True, payload=b"p" * size_bytes)
    (data,) = written(Layout([packet], TRAILER_BYTES), outlet_of(0, 0))
    assert len(data) == HEADER_BYTES + size_bytes + found
    read = RtpPacket.parse(data)
    assert (read.payload, read.padding_size) == (packet.payload, found)


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ((), []),
        ((5,), [[5]]),
        ((5, 5, 5), [[5, 5, 5]]),
        ((5, 5, 3, 3), [[5, 5, 3], [3]]),
        ((3, 5, 5), [[3], [5, 5]]),
        ((5, 3, 5, 1, 1), [[5, 3], [5, 1], [1]]),
    ],
)
def test_only_the_last_of_a_run_is_smaller(sizes: tuple[int, ...], found: list[list[int]]) -> None:
    assert [[sizes[at] for at in run] for run in runs(sizes)] == found
