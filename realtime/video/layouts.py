"""Lay a batch out in one buffer, once for all viewers: only the headers differ between them.

Datagram follows datagram, each with room for the trailer that encryption adds in place, so that
those of one size can be handed to the kernel as they lie.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from realtime.video.media import MediaPacket
from realtime.video.outlets import Outlet

HEADER_BYTES = 12  # RFC 3550 §5.1, without sources, padding and extensions.
VERSION_2 = 0x80
PADDED = 0x20
MARKER = 0x80
SIZE = struct.Struct("=i")
# Browsers cut a picture into packets that differ by a byte. Filled up to a multiple of this they
# are of one size, which leave by one call; it costs 0.4 % of the line. A multiple, as a packet has
# to read the same each time that it is sent: SRTP must not encrypt two texts under one number.
FILLED_TO_BYTES = 8
# A larger payload is left as it is, for the sake of lines that carry 1,500 bytes.
FILLED_BYTES_MAX = 1400
PADDINGS = (b"", *(bytes(count - 1) + bytes([count]) for count in range(1, FILLED_TO_BYTES)))

# The first eight bytes of a header as one number: version, marker and type, sequence, timestamp.
VERSION_AT, TYPE_AT, SEQUENCE_AT = 56, 48, 32
SEQUENCE_LAST, TIMESTAMP_LAST = 0xFFFF, 0xFFFF_FFFF


def padding_of(payload: bytes) -> bytes:
    """Return what fills a payload up: zeros and their count (RFC 3550 §5.1), empty for none."""
    count = -len(payload) % FILLED_TO_BYTES
    return PADDINGS[count] if len(payload) + count <= FILLED_BYTES_MAX else b""


def first_byte(packet: MediaPacket) -> int:
    """Return the version, and whether the payload is filled up."""
    return VERSION_2 | PADDED if padding_of(packet.payload) else VERSION_2


def runs(sizes: Sequence[int]) -> Iterator[range]:
    """Yield which datagrams go together: of one size, the last one perhaps smaller."""
    start = 0
    for at in range(1, len(sizes) + 1):
        is_over = at == len(sizes) or sizes[at] > sizes[start] or sizes[at - 1] < sizes[start]
        if is_over:
            yield range(start, at)
            start = at


class Layout:
    """Where the datagrams of some packets lie, and what all viewers' have in common."""

    __slots__ = (
        "_fields",
        "_firsts",
        "_least_index",
        "_least_timestamp",
        "_most_later",
        "_most_steps",
        "_pack_into",
        "_words",
        "count",
        "offsets",
        "packets",
        "sealed",
        "sealed_bytes",
        "sizes",
        "spans",
    )

    def __init__(self, packets: Sequence[MediaPacket], trailer_bytes: int) -> None:
        assert packets, "a batch is not empty"
        self.packets = packets
        self.count = len(packets)
        self._least_index = min(packet.index for packet in packets)
        self._least_timestamp = min(packet.timestamp for packet in packets)
        steps = [packet.index - self._least_index for packet in packets]
        later = [packet.timestamp - self._least_timestamp for packet in packets]
        self._most_steps, self._most_later = max(steps), max(later)
        bodies = [packet.payload + padding_of(packet.payload) for packet in packets]
        self._firsts = [
            first_byte(packet) << VERSION_AT | (MARKER if packet.marker else 0) << TYPE_AT
            for packet in packets
        ]
        self._words = [
            first | step << SEQUENCE_AT | late
            for first, step, late in zip(self._firsts, steps, later, strict=True)
        ]
        plain = [HEADER_BYTES + len(body) for body in bodies]
        self.sizes = b"".join(SIZE.pack(size) for size in plain)
        self.sealed = [size + trailer_bytes for size in plain]
        self.sealed_bytes = sum(self.sealed)
        self.offsets = [sum(self.sealed[:at]) for at in range(self.count)]
        self.spans = [
            slice(offset, offset + size) for offset, size in zip(self.offsets, plain, strict=True)
        ]
        form = (f"QI{len(body)}s{trailer_bytes}x" for body in bodies)
        self._pack_into = struct.Struct("!" + "".join(form)).pack_into
        self._fields: list[int | bytes] = [0] * (3 * self.count)
        self._fields[2::3] = bodies

    def write(self, buffer: memoryview, outlet: Outlet) -> None:
        """Write the packets as a viewer numbers them; the trailers' room is left empty."""
        fields = self._fields
        fields[0::3] = self._headers(outlet)
        fields[1::3] = [outlet.ssrc] * self.count
        self._pack_into(buffer, 0, *fields)

    def _headers(self, outlet: Outlet) -> list[int]:
        """The first eight bytes of each header: one addition each, unless a counter wraps."""
        sequence = (self._least_index + outlet.sequence_shift) & SEQUENCE_LAST
        timestamp = (self._least_timestamp + outlet.timestamp_shift) & TIMESTAMP_LAST
        if (
            sequence + self._most_steps <= SEQUENCE_LAST
            and timestamp + self._most_later <= TIMESTAMP_LAST
        ):
            base = outlet.payload_type << TYPE_AT | sequence << SEQUENCE_AT | timestamp
            return [word + base for word in self._words]
        return [
            first
            | outlet.payload_type << TYPE_AT
            | ((packet.index + outlet.sequence_shift) & SEQUENCE_LAST) << SEQUENCE_AT
            | ((packet.timestamp + outlet.timestamp_shift) & TIMESTAMP_LAST)
            for first, packet in zip(self._firsts, self.packets, strict=True)
        ]
