"""Encrypt packets for one viewer and hand them to the kernel; the only door to pylibsrtp.

`fast` calls libsrtp's function and the socket, with the same buffers for all viewers;
`plain` uses the public methods of both. Both write the same bytes.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import pylibsrtp
from pylibsrtp import _binding

from realtime.video.config import Mode, VideoCounters
from realtime.video.media import MediaPacket
from realtime.video.outlets import Outlet

HEADER = struct.Struct("!BBHII")  # RFC 3550 §5.1, without sources, padding and extensions.
HEADER_BYTES = HEADER.size
VERSION_2 = 0x80
MARKER = 0x80
# Larger than any packet that can come in (1500) with a trailer and a repair's prefix.
BUFFER_BYTES = 2048
# Linux cuts one call's bytes into datagrams of one size, the last one smaller (UDP GSO): a picture
# is one or two calls for each viewer, not five. Both numbers are of linux/udp.h.
SOL_UDP, UDP_SEGMENT = 17, 103
SEGMENT_SIZE = struct.Struct("=H")
NO_SEGMENTS = {errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP}
RUN_PACKETS = 32  # The kernel takes 64 segments and 65,507 bytes in one call.
# The transport queues what the socket does not take; beyond this the viewer's line is hopeless.
QUEUED_BYTES_MAX = 256_000


class Wire(Protocol):
    """How packets leave for one viewer; while its line is down they are dropped."""

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Send packets of a track as this viewer's outlet numbers them."""
        ...

    def repair(self, packet: MediaPacket, outlet: Outlet) -> None:
        """Send a packet again: wrapped (RFC 4588) where the viewer can, else as it was."""
        ...

    def control(self, data: bytes) -> None:
        """Send a compound RTCP packet."""
        ...

    def close(self) -> None:
        """Give back what the wire holds; it sends nothing afterwards."""
        ...


def open_wire(mode: Mode, connection: Any, session: Any, counters: VideoCounters) -> Wire:
    """Return the wire of a viewer, from its ICE connection and the SRTP session it sends with."""
    if mode == "plain":
        return PlainWire(connection, session, counters)
    return FastWire(connection, session, counters)


def repair_header(packet: MediaPacket, outlet: Outlet) -> tuple[bytes, bytes]:
    """Return the header of a repair and what stands before its payload."""
    sequence = (packet.index + outlet.sequence_shift) & 0xFFFF
    timestamp = (packet.timestamp + outlet.timestamp_shift) & 0xFFFF_FFFF
    marker = MARKER if packet.marker else 0
    if outlet.rtx_type is None:
        header = HEADER.pack(
            VERSION_2, marker | outlet.payload_type, sequence, timestamp, outlet.ssrc
        )
        return header, b""
    header = HEADER.pack(
        VERSION_2,
        marker | outlet.rtx_type,
        outlet.next_rtx_sequence(),
        timestamp,
        outlet.rtx_ssrc,
    )
    return header, sequence.to_bytes(2, "big")


def runs(sealed: Sequence[memoryview]) -> list[list[memoryview]]:
    """Split datagrams, in order, into runs of one size of which only the last may be smaller."""
    found: list[list[memoryview]] = []
    is_open = False
    for one in sealed:
        if is_open and len(one) <= len(found[-1][0]):
            found[-1].append(one)
            is_open = len(one) == len(found[-1][0])
        else:
            found.append([one])
            is_open = True
    return found


class PlainWire:
    """Public methods only: `Session.protect` and the transport's `sendto`."""

    def __init__(self, connection: Any, session: Any, counters: VideoCounters) -> None:
        self._connection = connection
        self._session = session
        self._counters = counters

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Send packets of a track as this viewer's outlet numbers them."""
        for packet in packets:
            header = HEADER.pack(
                VERSION_2,
                outlet.payload_type | (MARKER if packet.marker else 0),
                (packet.index + outlet.sequence_shift) & 0xFFFF,
                (packet.timestamp + outlet.timestamp_shift) & 0xFFFF_FFFF,
                outlet.ssrc,
            )
            self._media(header + packet.payload)

    def repair(self, packet: MediaPacket, outlet: Outlet) -> None:
        """Send a packet again: wrapped (RFC 4588) where the viewer can, else as it was."""
        header, prefix = repair_header(packet, outlet)
        self._media(header + prefix + packet.payload)

    def control(self, data: bytes) -> None:
        """Send a compound RTCP packet."""
        try:
            self._datagram(self._session.protect_rtcp(data))
        except (pylibsrtp.Error, ValueError):
            self._counters.dropped_out += 1

    def close(self) -> None:
        """The transport belongs to the connection."""

    def _media(self, data: bytes) -> None:
        try:
            self._datagram(self._session.protect(data))
        except (pylibsrtp.Error, ValueError):  # Older than the window, or larger than the buffer.
            self._counters.dropped_out += 1

    def _datagram(self, data: bytes) -> None:
        pair = self._connection._nominated.get(1)
        if pair is None:
            self._counters.dropped_out += 1
            return
        transport = pair.protocol.transport
        if transport.is_closing() or transport.get_write_buffer_size() > QUEUED_BYTES_MAX:
            self._counters.dropped_out += 1
            return
        transport.sendto(data, pair.remote_addr)
        self._counters.packets_out += 1
        self._counters.bytes_out += len(data)


class FastWire:
    """libsrtp's function on shared buffers, and a non-blocking socket of the same file."""

    _cells: ClassVar = [_binding.ffi.new("char[]", BUFFER_BYTES) for _ in range(RUN_PACKETS)]
    _views: ClassVar = [memoryview(_binding.ffi.buffer(cells)) for cells in _cells]
    _length = _binding.ffi.new("int *")
    _protect = staticmethod(_binding.lib.srtp_protect)

    def __init__(self, connection: Any, session: Any, counters: VideoCounters) -> None:
        self._connection = connection
        self._session = session  # Kept: the raw context lives as long as it does.
        self._context = session._srtp[0]
        self._counters = counters
        self._pair: Any = None
        self._socket: socket.socket | None = None
        self._has_segments = sys.platform == "linux"

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Send packets of a track as this viewer's outlet numbers them."""
        if not self._follow_pair():
            self._counters.dropped_out += len(packets)
            return
        for start in range(0, len(packets), RUN_PACKETS):
            sealed = self._seal(packets[start : start + RUN_PACKETS], outlet)
            for run in runs(sealed) if self._has_segments else [[one] for one in sealed]:
                self._send_run(run)

    def _seal(self, packets: Sequence[MediaPacket], outlet: Outlet) -> list[memoryview]:
        """Encrypt up to RUN_PACKETS packets, each into a buffer of its own."""
        length, protect, pack, context = (
            self._length,
            self._protect,
            HEADER.pack_into,
            self._context,
        )
        kind, shift = outlet.payload_type, outlet.sequence_shift
        later, ssrc = outlet.timestamp_shift, outlet.ssrc
        sealed = []
        for packet, cells, view in zip(packets, self._cells, self._views, strict=False):
            payload = packet.payload
            size = HEADER_BYTES + len(payload)
            pack(
                view, 0, VERSION_2, kind | 0x80 if packet.marker else kind,
                (packet.index + shift) & 0xFFFF, (packet.timestamp + later) & 0xFFFF_FFFF, ssrc,
            )  # fmt: skip
            view[HEADER_BYTES:size] = payload
            length[0] = size
            if protect(context, cells, length):
                self._counters.dropped_out += 1
            else:
                sealed.append(view[: length[0]])
        return sealed

    def _send_run(self, run: list[memoryview]) -> None:
        """Hand datagrams of one size, the last one perhaps smaller, to the kernel at once."""
        assert self._socket is not None, "a pair was followed"
        address, counters = self._pair.remote_addr, self._counters
        try:
            if len(run) == 1:
                counters.bytes_out += self._socket.sendto(run[0], address)
            else:
                size = SEGMENT_SIZE.pack(len(run[0]))
                control = [(SOL_UDP, UDP_SEGMENT, size)]
                counters.bytes_out += self._socket.sendmsg(run, control, 0, address)
            counters.packets_out += len(run)
        except BlockingIOError:  # Its buffer is full: a repair may follow.
            counters.dropped_out += len(run)
        except OSError as error:
            if len(run) > 1 and error.errno in NO_SEGMENTS:
                self._has_segments = False
                for one in run:
                    self._send_run([one])
            else:  # The line is down.
                counters.dropped_out += len(run)

    def repair(self, packet: MediaPacket, outlet: Outlet) -> None:
        """Send a packet again: wrapped (RFC 4588) where the viewer can, else as it was."""
        header, prefix = repair_header(packet, outlet)
        data = header + prefix + packet.payload
        size = len(data)
        view = self._views[0]
        view[:size] = data
        self._length[0] = size
        if self._protect(self._context, self._cells[0], self._length):
            self._counters.dropped_out += 1
            return
        self._datagram(view[: self._length[0]])

    def control(self, data: bytes) -> None:
        """Send a compound RTCP packet."""
        try:
            self._datagram(self._session.protect_rtcp(data))
        except (pylibsrtp.Error, ValueError):
            self._counters.dropped_out += 1

    def close(self) -> None:
        """Close this wire's own handle of the socket."""
        self._connection = None
        self._pair = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _datagram(self, data: bytes | memoryview) -> None:
        if not self._follow_pair():
            self._counters.dropped_out += 1
            return
        assert self._socket is not None, "a pair was followed"
        try:
            self._counters.bytes_out += self._socket.sendto(data, self._pair.remote_addr)
            self._counters.packets_out += 1
        except OSError:
            self._counters.dropped_out += 1

    def _follow_pair(self) -> bool:
        """Use the pair that ICE nominates now; False while there is none."""
        connection = self._connection
        pair = connection._nominated.get(1) if connection is not None else None
        if pair is self._pair and pair is not None:
            return True
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._pair = pair
        if pair is None or pair.protocol.transport.is_closing():
            self._pair = None
            return False
        handle = pair.protocol.transport.get_extra_info("socket").fileno()
        self._socket = socket.socket(fileno=os.dup(handle))
        self._socket.setblocking(False)
        return True
