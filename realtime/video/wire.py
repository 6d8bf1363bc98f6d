"""Encrypt packets for one viewer and hand them to the kernel; the only door to pylibsrtp.

`fast` calls libsrtp's function and the socket, with the same buffers for all viewers;
`plain` uses the public methods of both. Both write the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, ClassVar, Protocol

import pylibsrtp
from pylibsrtp import _binding

from realtime.video.config import Mode, VideoCounters
from realtime.video.layouts import MARKER, VERSION_2, Layout
from realtime.video.media import Batch, MediaPacket
from realtime.video.outlets import Outlet
from realtime.video.ways import HEADER, Run, Way, packet_of

NO_SEGMENTS = {errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP}
# The kernel takes 64 segments and 65,507 bytes in one call. No packet that can come in is longer
# than 2,048 bytes with a trailer and a repair's prefix.
PACKETS_AT_ONCE = 31
BUFFER_BYTES = 2048 * PACKETS_AT_ONCE
# The transport queues what the socket does not take; beyond this the viewer's line is hopeless.
QUEUED_BYTES_MAX = 256_000


class Wire(Protocol):
    """How packets leave for one viewer; while its line is down they are dropped."""

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Send packets of a track as this viewer's outlet numbers them."""
        ...

    def send_together(self, picture: Batch, sound: Batch, outlets: tuple[Outlet, Outlet]) -> None:
        """Send a picture and the sound that waited for it."""
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


def repair_of(packet: MediaPacket, outlet: Outlet) -> bytes:
    """Return a packet to send again: wrapped (RFC 4588) where the viewer can, else as it was."""
    if outlet.rtx_type is None:
        return packet_of(packet, outlet)
    sequence = (packet.index + outlet.sequence_shift) & 0xFFFF
    header = HEADER.pack(
        VERSION_2,
        outlet.rtx_type | (MARKER if packet.marker else 0),
        outlet.next_rtx_sequence(),
        (packet.timestamp + outlet.timestamp_shift) & 0xFFFF_FFFF,
        outlet.rtx_ssrc,
    )
    return header + sequence.to_bytes(2, "big") + packet.payload


class PlainWire:
    """Public methods only: `Session.protect` and the transport's `sendto`."""

    def __init__(self, connection: Any, session: Any, counters: VideoCounters) -> None:
        self._connection = connection
        self._session = session
        self._counters = counters

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Send packets of a track as this viewer's outlet numbers them."""
        transport, address = self._line()
        if transport is None:
            self._counters.dropped_out += len(packets)
            return
        protect, send = self._session.protect, transport.sendto
        sent = size_bytes = 0
        for plain in self._written(packets, outlet):
            try:
                data = protect(plain)
            except (pylibsrtp.Error, ValueError):  # Older than the window, or too long.
                continue
            send(data, address)
            sent += 1
            size_bytes += len(data)
        self._counters.packets_out += sent
        self._counters.bytes_out += size_bytes
        self._counters.dropped_out += len(packets) - sent

    def send_together(self, picture: Batch, sound: Batch, outlets: tuple[Outlet, Outlet]) -> None:
        """Send a picture and the sound that waited for it."""
        self.send(picture, outlets[0])
        self.send(sound, outlets[1])

    def repair(self, packet: MediaPacket, outlet: Outlet) -> None:
        """Send a packet again: wrapped (RFC 4588) where the viewer can, else as it was."""
        self._encrypted(self._session.protect, repair_of(packet, outlet))

    def control(self, data: bytes) -> None:
        """Send a compound RTCP packet."""
        self._encrypted(self._session.protect_rtcp, data)

    def close(self) -> None:
        """The transport belongs to the connection."""

    @staticmethod
    def _written(packets: Sequence[MediaPacket], outlet: Outlet) -> list[bytes]:
        """Return the packets as this viewer's outlet numbers them."""
        batch = packets if isinstance(packets, Batch) else Batch(packets)
        if not batch:
            return []
        layout = batch.layouts.get("plain") or batch.layouts.setdefault("plain", Layout(batch, 0))
        buffer = bytearray(layout.sealed_bytes)
        with memoryview(buffer) as view:
            layout.write(view, outlet)
            return [bytes(view[span]) for span in layout.spans]

    def _encrypted(self, protect: Callable[[bytes], bytes], data: bytes) -> None:
        """Encrypt and send one packet."""
        transport, address = self._line()
        sealed = b""
        with contextlib.suppress(pylibsrtp.Error, ValueError):  # Too old, or too long.
            sealed = protect(data)
        if transport is None or not sealed:
            self._counters.dropped_out += 1
            return
        transport.sendto(sealed, address)
        self._counters.packets_out += 1
        self._counters.bytes_out += len(sealed)

    def _line(self) -> tuple[Any, Any]:
        """Return what to send on, and where to; None while there is no line, or a hopeless one."""
        pair = self._connection._nominated.get(1)
        if pair is None:
            return None, None
        transport = pair.protocol.transport
        if transport.is_closing() or transport.get_write_buffer_size() > QUEUED_BYTES_MAX:
            return None, None
        return transport, pair.remote_addr


class FastWire:
    """libsrtp's function on one shared buffer, and a non-blocking socket of the same file."""

    _cells = _binding.ffi.new("char[]", BUFFER_BYTES)
    _view = memoryview(_binding.ffi.buffer(_cells))
    _sizes = _binding.ffi.new("int[]", PACKETS_AT_ONCE)
    _sizes_view = memoryview(_binding.ffi.buffer(_sizes))
    _lengths: ClassVar = list(map(_sizes.__add__, range(PACKETS_AT_ONCE)))  # A pointer to each.
    _protect = staticmethod(_binding.lib.srtp_protect)

    def __init__(self, connection: Any, session: Any, counters: VideoCounters) -> None:
        self._connection = connection
        self._session = session  # Kept: the raw context lives as long as it does.
        self._context = session._srtp[0]
        self._counters = counters
        self._pair: Any = None
        self._address: Any = None
        self._socket: socket.socket | None = None
        self._has_segments = sys.platform == "linux"
        self._trailer_bytes: int | None = None  # What encryption adds; the first packet tells.

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Send packets of a track as this viewer's outlet numbers them."""
        if not self._is_up():
            self._counters.dropped_out += len(packets)
            return
        while self._trailer_bytes is None and packets:
            self._one(packet_of(packets[0], outlet))
            packets = packets[1:]
        batch = packets if isinstance(packets, Batch) else Batch(packets)
        for way in batch.layouts.get(self._trailer_bytes) or self._lay_out(batch):
            self._send_way(way, (outlet,))

    def send_together(self, picture: Batch, sound: Batch, outlets: tuple[Outlet, Outlet]) -> None:
        """Send a picture and, behind it, the sound that waited for it."""
        trailer, count = self._trailer_bytes, len(picture) + len(sound)
        if trailer is None or count > PACKETS_AT_ONCE:
            self.send(picture, outlets[0])
            self.send(sound, outlets[1])
        elif self._is_up():
            key = ("together", trailer)  # A picture is sent with one sound only.
            way = picture.layouts.get(key)
            if way is None:
                layouts = [Layout(picture, trailer), Layout(sound, trailer)]
                way = picture.layouts[key] = Way(layouts, self._cells, self._view)
            self._send_way(way, outlets)
        else:
            self._counters.dropped_out += count

    def _is_up(self) -> bool:
        """Whether there is a line, which is mostly the one that there was."""
        pair = self._pair
        is_same = pair is not None and self._connection._nominated.get(1) is pair
        return is_same or self._follow_pair()

    def _send_way(self, way: Way, outlets: Sequence[Outlet]) -> None:
        """Write, encrypt and send."""
        way.write(outlets)
        self._sizes_view[: len(way.sizes)] = way.sizes
        if any(map(self._protect, repeat(self._context), way.cells, self._lengths)):
            # One is older than the window: the others are sent all the same. Encrypting a packet
            # twice is no harm, as it is the same packet.
            for packet in way.packets(outlets):
                self._one(packet)
        else:
            self._hand_over(way.runs if self._has_segments else way.datagrams)

    def _lay_out(self, batch: Batch) -> list[Way]:
        """Lay a batch out for every viewer whose encryption adds as much."""
        trailer = self._trailer_bytes or 0
        parts = (
            batch[start : start + PACKETS_AT_ONCE]
            for start in range(0, len(batch), PACKETS_AT_ONCE)
        )
        ways = [Way([Layout(part, trailer)], self._cells, self._view) for part in parts]
        batch.layouts[trailer] = ways
        return ways

    def _hand_over(self, runs: Sequence[Run]) -> None:
        """Hand runs of encrypted datagrams to the kernel, each at once."""
        assert self._socket is not None, "a pair was followed"
        address, sock = self._address, self._socket
        sent = size_bytes = dropped = 0
        for run in runs:
            try:
                if run.control:
                    sock.sendmsg(run.bytes, run.control, 0, address)
                else:
                    sock.sendto(run.bytes[0], address)
            except BlockingIOError:  # Its buffer is full: a repair may follow.
                dropped += run.count
            except OSError as error:
                if run.control and error.errno in NO_SEGMENTS:
                    self._has_segments = False
                    self._hand_over(run.datagrams)
                else:  # The line is down.
                    dropped += run.count
            else:
                sent += run.count
                size_bytes += run.size_bytes
        counters = self._counters
        counters.packets_out += sent
        counters.bytes_out += size_bytes
        if dropped:
            counters.dropped_out += dropped

    def repair(self, packet: MediaPacket, outlet: Outlet) -> None:
        """Send a packet again: wrapped (RFC 4588) where the viewer can, else as it was."""
        self._one(repair_of(packet, outlet))

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

    def _one(self, data: bytes) -> None:
        """Encrypt and send one packet."""
        size = len(data)
        self._view[:size] = data
        self._sizes[0] = size
        if self._protect(self._context, self._cells, self._sizes):
            self._counters.dropped_out += 1
            return
        self._trailer_bytes = self._sizes[0] - size
        self._datagram(self._view[: self._sizes[0]])

    def _datagram(self, data: bytes | memoryview) -> None:
        if not self._follow_pair():
            self._counters.dropped_out += 1
            return
        assert self._socket is not None, "a pair was followed"
        try:
            self._counters.bytes_out += self._socket.sendto(data, self._address)
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
        try:
            self._socket = socket.socket(fileno=os.dup(handle))
        except OSError:  # No descriptor is free just now.
            self._pair = None
            return False
        self._socket.setblocking(False)
        self._address = pair.remote_addr
        return True
