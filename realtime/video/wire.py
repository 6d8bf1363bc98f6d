"""Encrypt packets for one viewer and hand them to its line; the only door to pylibsrtp.

`fast` calls libsrtp's function, with the same buffers for all viewers; `plain` uses the public
method. Both write the same bytes, and hand them over alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import repeat
from typing import Any, Protocol

import pylibsrtp

from realtime.video.config import Mode, VideoCounters
from realtime.video.layouts import MARKER, VERSION_2, Layout, runs
from realtime.video.lines import Line
from realtime.video.media import Batch, MediaPacket
from realtime.video.outlets import Outlet
from realtime.video.ways import HEADER, Run, Way, packet_of

# The kernel takes 64 segments and 65,507 bytes in one call. No packet that can come in is longer
# than 2,048 bytes with a trailer and a repair's prefix.
PACKETS_AT_ONCE = 31
BUFFER_BYTES = 2048 * PACKETS_AT_ONCE


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


def _parts(batch: Batch) -> Iterator[Sequence[MediaPacket]]:
    """Cut a batch into what the kernel takes in one call."""
    for start in range(0, len(batch), PACKETS_AT_ONCE):
        yield batch[start : start + PACKETS_AT_ONCE]


class PlainWire:
    """The library's public `Session.protect`, which makes new bytes of each packet."""

    def __init__(self, connection: Any, session: Any, counters: VideoCounters) -> None:
        self._line = Line(connection, counters)
        self._session = session
        self._counters = counters

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Send packets of a track as this viewer's outlet numbers them."""
        line = self._line
        if not line.is_up():
            self._counters.dropped_out += len(packets)
            return
        batch = packets if isinstance(packets, Batch) else Batch(packets)
        for layout in batch.layouts.get("plain") or self._lay_out(batch):
            sealed = self._sealed(layout, outlet)
            sizes = [*map(len, sealed)]
            line.hand_over(
                [
                    Run(sealed[run.start : run.stop], sizes[run.start : run.stop])
                    for run in runs(sizes)
                ]
            )

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
        """Close this wire's own handle of the socket."""
        self._line.close()

    @staticmethod
    def _lay_out(batch: Batch) -> list[Layout]:
        """Lay a batch out for every viewer."""
        layouts = batch.layouts["plain"] = [Layout(part, 0) for part in _parts(batch)]
        return layouts

    def _sealed(self, layout: Layout, outlet: Outlet) -> list[bytes]:
        """Encrypt the packets as this viewer's outlet numbers them, but those that cannot be."""
        protect = self._session.protect
        buffer = bytearray(layout.sealed_bytes)
        layout.write(memoryview(buffer), outlet)
        plain = bytes(buffer)
        sealed = []
        for span in layout.spans:
            try:
                sealed.append(protect(plain[span]))
            except (pylibsrtp.Error, ValueError):  # Older than the window, or too long.
                self._counters.dropped_out += 1
        return sealed

    def _encrypted(self, protect: Callable[[bytes], bytes], data: bytes) -> None:
        """Encrypt and send one packet."""
        try:
            sealed = protect(data)
        except (pylibsrtp.Error, ValueError):
            self._counters.dropped_out += 1
        else:
            self._line.datagram(sealed)


class _Buffers:
    """What all fast wires write and encrypt in, and libsrtp's function."""

    def __init__(self) -> None:
        from pylibsrtp import _binding  # noqa: PLC0415 - `plain` does without these names.

        self.cells = _binding.ffi.new("char[]", BUFFER_BYTES)
        self.view = memoryview(_binding.ffi.buffer(self.cells))
        self.sizes = _binding.ffi.new("int[]", PACKETS_AT_ONCE)
        self.sizes_view = memoryview(_binding.ffi.buffer(self.sizes))
        self.lengths = [self.sizes + at for at in range(PACKETS_AT_ONCE)]  # A pointer to each.
        self.protect = _binding.lib.srtp_protect


@cache
def _buffers() -> _Buffers:
    return _Buffers()


class FastWire:
    """libsrtp's function on one shared buffer, and a non-blocking socket of the same file."""

    def __init__(self, connection: Any, session: Any, counters: VideoCounters) -> None:
        shared = _buffers()
        self._line = Line(connection, counters)
        self._session = session  # Kept: the raw context lives as long as it does.
        self._context = session._srtp[0]
        self._counters = counters
        self._cells, self._view = shared.cells, shared.view
        self._sizes, self._sizes_view = shared.sizes, shared.sizes_view
        self._lengths, self._protect = shared.lengths, shared.protect
        self._trailer_bytes: int | None = None  # What encryption adds; the first packet tells.

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Send packets of a track as this viewer's outlet numbers them."""
        if not self._line.is_up():
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
        elif self._line.is_up():
            key = ("together", trailer)  # A picture is sent with one sound only.
            way = picture.layouts.get(key)
            if way is None:
                layouts = [Layout(picture, trailer), Layout(sound, trailer)]
                way = picture.layouts[key] = Way(layouts, self._cells, self._view)
            self._send_way(way, outlets)
        else:
            self._counters.dropped_out += count

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
            self._line.hand_over(way.runs)

    def _lay_out(self, batch: Batch) -> list[Way]:
        """Lay a batch out for every viewer whose encryption adds as much."""
        trailer = self._trailer_bytes or 0
        ways = [Way([Layout(part, trailer)], self._cells, self._view) for part in _parts(batch)]
        batch.layouts[trailer] = ways
        return ways

    def repair(self, packet: MediaPacket, outlet: Outlet) -> None:
        """Send a packet again: wrapped (RFC 4588) where the viewer can, else as it was."""
        self._one(repair_of(packet, outlet))

    def control(self, data: bytes) -> None:
        """Send a compound RTCP packet."""
        try:
            self._line.datagram(self._session.protect_rtcp(data))
        except (pylibsrtp.Error, ValueError):
            self._counters.dropped_out += 1

    def close(self) -> None:
        """Close this wire's own handle of the socket."""
        self._line.close()

    def _one(self, data: bytes) -> None:
        """Encrypt and send one packet."""
        size = len(data)
        self._view[:size] = data
        self._sizes[0] = size
        if self._protect(self._context, self._cells, self._sizes):
            self._counters.dropped_out += 1
            return
        self._trailer_bytes = self._sizes[0] - size
        self._line.datagram(self._view[: self._sizes[0]])
