"""Both ways of sending put the same bytes on the line, which a receiver of SRTP reads."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pylibsrtp
import pytest
from aiortc.rtp import RtpPacket, unwrap_rtx

from realtime.video import ways
from realtime.video.config import Mode, VideoCounters
from realtime.video.media import Batch, CodecTypes, MediaPacket
from realtime.video.outlets import Outlet, OutletStart
from realtime.video.tracks import LATE_MAX, Track
from realtime.video.wire import FastWire, PlainWire, Wire, open_wire

KEY = bytes(range(30))
SIZES = (10, 1180, 1, 900, 900, 900, 500, 500, 501, 501)
PACKETS = [
    MediaPacket(
        index=index, timestamp=index * 3000, marker=index % 2 == 1, payload=bytes([index]) * n
    )
    for index, n in enumerate(SIZES)
]


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


@contextlib.asynccontextmanager
async def line_to(mode: Mode, ear: socket.socket) -> AsyncIterator[tuple[Wire, Any, VideoCounters]]:
    """A wire to the ear, its connection, and what it counts."""
    loop = asyncio.get_running_loop()
    host, port = ear.getsockname()[:2]
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=(host, 0)
    )
    protocol = SimpleNamespace(transport=transport)
    pair = SimpleNamespace(protocol=protocol, remote_addr=(host, port))
    connection: Any = SimpleNamespace(_nominated={1: pair})
    counters = VideoCounters()
    line = open_wire(mode, connection, sending(), counters)
    assert isinstance(line, FastWire if mode == "fast" else PlainWire)
    try:
        yield line, connection, counters
    finally:
        line.close()
        transport.close()


async def on_the_line(
    mode: Mode, ear: socket.socket, types: CodecTypes, *, repair: bool = False
) -> list[bytes]:
    """What arrives of the packets."""
    async with line_to(mode, ear) as (line, connection, counters):
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
        return came


async def batches_on_the_line(
    mode: Mode, ear: socket.socket, batches: list[list[MediaPacket]], *, shift: int = 9
) -> tuple[list[bytes], int]:
    """What arrives of batches, and how many packets were dropped."""
    async with line_to(mode, ear) as (line, _, counters):
        outlet = outlet_of(CodecTypes(media=100))
        outlet.sequence_shift = shift
        came = []
        for batch in batches:
            before = counters.packets_out
            line.send(batch, outlet)
            came += [ear.recv(2048) for _ in range(counters.packets_out - before)]
        return came, counters.dropped_out


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


@pytest.mark.parametrize("mode", ["fast", "plain"])
async def test_a_viewer_may_be_at_an_address_of_ipv6(mode: Mode, ear: socket.socket) -> None:
    """The library names it by host and port alone."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as far:
        try:
            far.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        far.settimeout(60)
        came = await on_the_line(mode, far, CodecTypes(media=100))
    assert came == await on_the_line(mode, ear, CodecTypes(media=100))


@pytest.mark.parametrize("mode", ["fast", "plain"])
async def test_a_kernel_that_cannot_segment_gets_one_datagram_a_call(
    mode: Mode, ear: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option that no kernel knows is answered like one that this kernel does not know."""
    usual = await on_the_line(mode, ear, CodecTypes(media=100))
    monkeypatch.setattr(ways, "UDP_SEGMENT", 250)
    assert await on_the_line(mode, ear, CodecTypes(media=100)) == usual


@pytest.mark.parametrize("mode", ["fast", "plain"])
async def test_without_a_free_descriptor_packets_are_dropped_until_there_is_one(
    mode: Mode, ear: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with every viewer's second one of 1,024: nobody else's packets wait for that."""
    dup = os.dup

    def refuse(handle: int) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    async with line_to(mode, ear) as (line, _, counters):
        monkeypatch.setattr(os, "dup", refuse)
        for _ in range(2):
            line.send(PACKETS, outlet_of(CodecTypes(media=100)))
            line.control(b"\x80\xc9\x00\x01abcd")
        assert (counters.packets_out, counters.dropped_out) == (0, 2 * len(PACKETS) + 2)
        monkeypatch.setattr(os, "dup", dup)
        line.send(PACKETS, outlet_of(CodecTypes(media=100)))
        assert counters.packets_out == len(PACKETS)


async def test_one_packet_that_is_too_old_does_not_take_its_batch_with_it(
    ear: socket.socket,
) -> None:
    """A repair that came after a thousand others is refused by encryption, and nothing else."""
    old = [MediaPacket(index=0, timestamp=0, marker=False, payload=b"old")]
    new = [MediaPacket(index=n, timestamp=0, marker=False, payload=b"new") for n in (2000, 2001)]
    later = [MediaPacket(index=2002, timestamp=0, marker=True, payload=b"later")]
    for mode in ("fast", "plain"):
        came, dropped = await batches_on_the_line(mode, ear, [new, [*old, *later]])
        assert [p.payload for p in read(came)] == [b"new", b"new", b"later"]
        assert dropped == 1


async def test_one_packet_that_is_too_long_costs_nobody_a_second_encryption(
    ear: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The public method takes 1,356 bytes at most; a publisher could have all encrypted twice."""
    calls: list[int] = []
    protect = pylibsrtp.Session.protect

    def counted(session: pylibsrtp.Session, data: bytes) -> bytes:
        calls.append(len(data))
        return protect(session, data)

    monkeypatch.setattr(pylibsrtp.Session, "protect", counted)
    packets = [
        MediaPacket(index=n, timestamp=0, marker=False, payload=bytes([n]) * size)
        for n, size in enumerate((900, 900, 1400, 900, 900))
    ]
    came, dropped = await batches_on_the_line("plain", ear, [packets])
    assert [p.payload[0] for p in read(came)] == [0, 1, 3, 4]
    assert (dropped, len(calls)) == (1, len(packets))


async def test_what_a_track_lets_in_is_not_too_old_for_encryption(ear: socket.socket) -> None:
    """The oldest that may follow the newest; one more is refused."""
    newest = MediaPacket(index=3000, timestamp=0, marker=False, payload=b"newest")
    for behind, is_sent in ((LATE_MAX - 1, True), (LATE_MAX, False)):
        late = MediaPacket(index=3000 - behind, timestamp=0, marker=True, payload=b"late")
        _, dropped = await batches_on_the_line("fast", ear, [[newest], [late]])
        assert (dropped == 0) is is_sent


@pytest.mark.parametrize("mode", ["fast", "plain"])
@pytest.mark.parametrize("count", [30, 31, 32, 33, 70])
async def test_a_long_batch_is_sent_in_parts(mode: Mode, count: int, ear: socket.socket) -> None:
    """As who joins in the middle of a group of pictures gets it."""
    packets = [
        MediaPacket(index=n, timestamp=3000, marker=False, payload=bytes([n]) * 1100)
        for n in range(count)
    ]
    came, dropped = await batches_on_the_line(mode, ear, [packets])
    assert [p.payload for p in read(came)] == [packet.payload for packet in packets]
    assert dropped == 0


@pytest.mark.parametrize("mode", ["fast", "plain"])
async def test_viewers_share_a_batch_and_not_its_headers(mode: Mode, ear: socket.socket) -> None:
    """The second of them reads its own numbers, though the layout is the first one's."""
    first = [MediaPacket(index=-1, timestamp=0, marker=True, payload=b"before")]
    batch = Batch(PACKETS)
    for shift in (9, 65530):
        came, _ = await batches_on_the_line(mode, ear, [first, batch], shift=shift)
        assert [p.sequence_number for p in read(came)] == [
            (shift + p.index) & 0xFFFF for p in first + PACKETS
        ]
    assert len(batch.layouts) == 1


@pytest.mark.parametrize("mode", ["fast", "plain"])
@pytest.mark.parametrize("size", [900, 1100, 40])
async def test_a_picture_and_its_sound_are_each_numbered_by_their_own_outlet(
    mode: Mode, size: int, ear: socket.socket
) -> None:
    """Whether the sound is the run's last and smaller one, or not; for the second viewer, too."""
    sizes = (1100, 1100, size)
    picture = Batch(
        MediaPacket(index=n, timestamp=7, marker=n == 2, payload=bytes([n]) * sizes[n])
        for n in range(3)
    )
    sound = Batch([MediaPacket(index=5, timestamp=960, marker=False, payload=b"s" * 160)])
    for shift in (3, 65_534):
        seen, heard = outlet_of(CodecTypes(media=100)), outlet_of(CodecTypes(media=111))
        seen.sequence_shift, heard.sequence_shift, heard.ssrc = shift, shift + 10, 99
        async with line_to(mode, ear) as (line, connection, counters):
            line.send_together(picture, sound, (seen, heard))  # Its first packet tells the trailer.
            line.send_together(picture, sound, (seen, heard))
            came = [ear.recv(2048) for _ in range(8)]
            assert (counters.packets_out, counters.dropped_out) == (8, 0)
            connection._nominated.clear()
            line.send_together(picture, sound, (seen, heard))
            assert counters.dropped_out == 4
        assert came[:4] == came[4:]
        assert [
            (p.sequence_number, p.timestamp, p.payload_type, p.ssrc) for p in read(came[4:])
        ] == [
            *(((shift + n) & 0xFFFF, 507, 100, 77) for n in range(3)),
            ((shift + 15) & 0xFFFF, 1460, 111, 99),
        ]


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
