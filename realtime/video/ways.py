"""How a picture, and the sound that goes with it, leave for a viewer: in few calls to the kernel.

Worked out once for all viewers, in the one buffer that all of them share.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from realtime.video.layouts import MARKER, Layout, first_byte, padding_of, runs
from realtime.video.media import MediaPacket
from realtime.video.outlets import Outlet

HEADER = struct.Struct("!BBHII")
# Linux cuts one call's bytes into datagrams of one size, the last one smaller (UDP GSO): a picture
# is one or two calls for each viewer, not five. Both numbers are of linux/udp.h.
SOL_UDP, UDP_SEGMENT = 17, 103
SEGMENT_SIZE = struct.Struct("=H")


def packet_of(packet: MediaPacket, outlet: Outlet) -> bytes:
    """Return a packet as a viewer numbers it; a layout writes the same bytes."""
    header = HEADER.pack(
        first_byte(packet),
        outlet.payload_type | (MARKER if packet.marker else 0),
        (packet.index + outlet.sequence_shift) & 0xFFFF,
        (packet.timestamp + outlet.timestamp_shift) & 0xFFFF_FFFF,
        outlet.ssrc,
    )
    return header + packet.payload + padding_of(packet.payload)


class Run:
    """Encrypted datagrams that the kernel takes in one call: all in one piece, or a piece each."""

    __slots__ = ("bytes", "control", "count", "size_bytes", "sizes")

    def __init__(self, pieces: Sequence[bytes | memoryview], sizes: Sequence[int]) -> None:
        self.bytes = pieces
        self.sizes = sizes
        self.count = len(sizes)
        self.size_bytes = sum(sizes)
        self.control: list[tuple[int, int, bytes]] = []
        if self.count > 1:
            self.control = [(SOL_UDP, UDP_SEGMENT, SEGMENT_SIZE.pack(sizes[0]))]

    def apart(self) -> list[Run]:
        """Return the same, one by one."""
        pieces = self.bytes
        if len(pieces) < self.count:
            ends = list(accumulate(self.sizes))
            pieces = [
                pieces[0][end - size : end] for end, size in zip(ends, self.sizes, strict=True)
            ]
        return [Run([piece], [size]) for piece, size in zip(pieces, self.sizes, strict=True)]


class Way:
    """Layouts of tracks, one behind the other in the buffer.

    Sound stands before the picture where that makes for fewer calls: a short first packet of a
    picture ends the run of the sound, as the last sound ends that of the picture.
    """

    __slots__ = ("_parts", "cells", "runs", "sizes")

    def __init__(self, layouts: Sequence[Layout], cells: Any, view: memoryview) -> None:
        tracks = range(len(layouts))
        order = min((tracks, tracks[::-1]), key=lambda order: _calls(layouts, order))
        self._parts: list[tuple[Layout, memoryview, int]] = []
        offsets: list[int] = []
        sealed: list[int] = []
        at = 0
        for track in order:
            layout = layouts[track]
            self._parts.append((layout, view[at:], track))
            offsets += [at + offset for offset in layout.offsets]
            sealed += layout.sealed
            at += layout.sealed_bytes
        self.sizes = b"".join(layouts[track].sizes for track in order)
        self.cells = [cells + offset for offset in offsets]
        self.runs = []
        for run in runs(sealed):
            sizes, start = sealed[run.start : run.stop], offsets[run.start]
            self.runs.append(Run([view[start : start + sum(sizes)]], sizes))

    def write(self, outlets: Sequence[Outlet]) -> None:
        """Write the packets of each layout as the outlet of its track numbers them."""
        for layout, view, track in self._parts:
            layout.write(view, outlets[track])

    def packets(self, outlets: Sequence[Outlet]) -> Iterator[bytes]:
        """Yield the same packets one by one."""
        for layout, _, track in self._parts:
            for packet in layout.packets:
                yield packet_of(packet, outlets[track])


def _calls(layouts: Sequence[Layout], order: Sequence[int]) -> int:
    """How many calls the datagrams take in this order."""
    return len(list(runs([size for track in order for size in layouts[track].sealed])))
