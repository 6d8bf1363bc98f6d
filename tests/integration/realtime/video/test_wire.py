"""Both ways of sending put the same bytes on the line, which a receiver of SRTP reads."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pylibsrtp
import pytest
from aiortc.rtp import RtpPacket, unwrap_rtx

from realtime.video import wire
from realtime.video.config import Mode, VideoCounters
from realtime.video.media import CodecTypes, MediaPacket
from realtime.video.outlets import Outlet, OutletStart
from realtime.video.tracks import Track
from realtime.video.wire import FastWire, PlainWire, open_wire

KEY = bytes(range(30))
SIZES = (10, 1180, 1, 900, 900, 900, 500, 500, 501, 501)
PACKETS = [
    MediaPacket(
        index=index, timestamp=index * 3000, marker=index % 2 == 1, payload=bytes([index]) * n
    )
    for index, n in enumerate(SIZES)
]


@pytest.fixture
def ear() -> Iterator[socket.socket]:
    """Where the datagrams arrive."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock


def sending() -> pylibsrtp.Session:
    """A session as the library makes it."""
    policy = pylibsrtp.Policy(key=KEY, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    return pylibsrtp.Session(policy)


def outlet_of(types: CodecTypes) -> Outlet:
    """An outlet that began with the first packet."""
    track = Track("video")
    track.restart("VP8")
    start = OutletStart(ssrc=77, rtx_ssrc=78, sequence=9, timestamp=500)
    outlet = Outlet(track, {"VP8": types}, start, 0.0)
    outlet.sequence_shift, outlet.timestamp_shift = 9, 500
    return outlet


async def on_the_line(
    mode: Mode, ear: socket.socket, types: CodecTypes, *, repair: bool = False
) -> list[bytes]:
    """What arrives of the packets."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    protocol = SimpleNamespace(transport=transport)
    pair = SimpleNamespace(protocol=protocol, remote_addr=ear.getsockname())
    connection: Any = SimpleNamespace(_nominated={1: pair})
    counters = VideoCounters()
    line = open_wire(mode, connection, sending(), counters)
    assert isinstance(line, FastWire if mode == "fast" else PlainWire)
    outlet = outlet_of(types)
    if repair:
        for packet in PACKETS:
            line.repair(packet, outlet)
    else:
        line.send(PACKETS, outlet)
    came = [ear.recv(2048) for _ in PACKETS]
    assert (counters.packets_out, counters.dropped_out) == (len(PACKETS), 0)
    assert counters.bytes_out == sum(map(len, came))
    connection._nominated.clear()  # The line is gone: dropped and counted, never raised.
    line.send(PACKETS, outlet)
    assert counters.dropped_out == len(PACKETS)
    line.close()
    transport.close()
    return came


def read(datagrams: list[bytes]) -> list[RtpPacket]:
    """Decrypt and parse, as a viewer does."""
    policy = pylibsrtp.Policy(key=KEY, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND)
    session = pylibsrtp.Session(policy)
    return [RtpPacket.parse(session.unprotect(data)) for data in datagrams]


async def test_both_modes_send_the_same_bytes(ear: socket.socket) -> None:
    """And a viewer reads its own numbers."""
    fast = await on_the_line("fast", ear, CodecTypes(media=100))
    assert fast == await on_the_line("plain", ear, CodecTypes(media=100))
    seen = [
        (p.sequence_number, p.timestamp, p.marker, p.payload_type, p.ssrc, p.payload)
        for p in read(fast)
    ]
    assert seen == [
        (9 + p.index, 500 + p.timestamp, int(p.marker), 100, 77, p.payload) for p in PACKETS
    ]


async def test_a_kernel_that_cannot_segment_gets_one_datagram_a_call(
    ear: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option that no kernel knows is answered like one that this kernel does not know."""
    usual = await on_the_line("fast", ear, CodecTypes(media=100))
    monkeypatch.setattr(wire, "UDP_SEGMENT", 250)
    assert await on_the_line("fast", ear, CodecTypes(media=100)) == usual


@pytest.mark.parametrize(
    ("sizes", "runs"),
    [
        ((), []),
        ((5,), [[5]]),
        ((5, 5, 5), [[5, 5, 5]]),
        ((5, 5, 3, 3), [[5, 5, 3], [3]]),
        ((3, 5, 5), [[3], [5, 5]]),
        ((5, 3, 5, 1, 1), [[5, 3], [5, 1], [1]]),
    ],
)
def test_only_the_last_of_a_run_is_smaller(sizes: tuple[int, ...], runs: list[list[int]]) -> None:
    found = wire.runs([memoryview(bytes(size)) for size in sizes])
    assert [[len(one) for one in run] for run in found] == runs


@pytest.mark.parametrize("mode", ["fast", "plain"])
async def test_repairs_are_wrapped_where_the_viewer_can(mode: Mode, ear: socket.socket) -> None:
    """RFC 4588: another source and sequence, the lost one's number before its payload."""
    wrapped = read(await on_the_line(mode, ear, CodecTypes(media=100, rtx=101), repair=True))
    assert [(p.payload_type, p.ssrc, p.sequence_number) for p in wrapped] == [
        (101, 78, 9 + count) for count in range(len(PACKETS))
    ]
    seen = [unwrap_rtx(p, payload_type=100, ssrc=77) for p in wrapped]
    assert [(p.sequence_number, p.timestamp, p.payload) for p in seen] == [
        (9 + p.index, 500 + p.timestamp, p.payload) for p in PACKETS
    ]


async def test_repairs_without_wrapping_are_the_packets_again(ear: socket.socket) -> None:
    """Byte for byte."""
    plain = await on_the_line("fast", ear, CodecTypes(media=100), repair=True)
    assert plain == await on_the_line("fast", ear, CodecTypes(media=100))
