"""Find the pieces in the bytes that a muxer writes: MP4 fragments and WebM clusters. Pure.

Invariant: a piece is told when all its bytes are there; an index never names half of one.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from realtime.video.recording.model import PartKind

# Element ids of Matroska (RFC 9559).
EBML, SEGMENT, CLUSTER, TIMESTAMP = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xE7
HEADER_BYTES_MAX = 16


class Found(msgspec.Struct, frozen=True):
    """A piece in the stream; `start` is in the units of the video's times, None for a header."""

    offset: int
    size: int
    start: int | None


class PieceFinder:
    """Cut a stream of bytes into its header and its pieces.

    `start` of a piece is the decode time of its first picture, in the track's own units (MP4), or
    the cluster's time in ms (WebM).
    """

    def __init__(self, kind: PartKind) -> None:
        self._kind = kind
        self._buffer = bytearray()
        self._offset = 0  # Of the buffer's first byte in the file.
        self._fragment: Found | None = None

    def push(self, data: bytes) -> list[Found]:
        """Take bytes as they are written; return what is complete because of them."""
        self._buffer += data
        found = []
        while (unit := self._next()) is not None:
            found.append(unit)
        return [one for one in found if one.size]

    def _next(self) -> Found | None:
        return self._next_box() if self._kind == "mp4" else self._next_element()

    def _take(self, size: int) -> int:
        """Drop bytes from the buffer; return where in the file they stood."""
        offset = self._offset
        del self._buffer[:size]
        self._offset += size
        return offset

    def _next_box(self) -> Found | None:
        if len(self._buffer) < 8:
            return None
        size = int.from_bytes(self._buffer[0:4], "big")
        name = bytes(self._buffer[4:8])
        if size < 8 or len(self._buffer) < size:
            return None
        body = bytes(self._buffer[8:size]) if name == b"moof" else b""
        offset = self._take(size)
        if name == b"moof":
            self._fragment = Found(offset, size, _first_decode_time(body))
            return Found(offset, 0, None)
        if name == b"mdat" and self._fragment is not None:
            head, self._fragment = self._fragment, None
            return Found(head.offset, head.size + size, head.start)
        return Found(offset, size, None)

    def _next_element(self) -> Found | None:
        if len(self._buffer) < HEADER_BYTES_MAX:
            return None
        id_bytes = 8 - int(self._buffer[0]).bit_length() + 1
        id = int.from_bytes(self._buffer[:id_bytes], "big")
        size, size_bytes = _read_size(self._buffer, id_bytes)
        head = id_bytes + size_bytes
        if id == SEGMENT:  # Its size is unknown; its children follow.
            return Found(self._take(head), head, None)
        if size is None or len(self._buffer) < head + size:
            return None
        start = _cluster_time(self._buffer, head) if id == CLUSTER else None
        return Found(self._take(head + size), head + size, start)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8:
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _first_decode_time(moof: bytes) -> int | None:
    """Return the base media decode time of track 1 (ISO/IEC 14496-12, 8.8.12); None without it."""
    for name, body in _boxes(moof):
        if name != b"traf":
            continue
        parts = dict(_boxes(body))
        if int.from_bytes(parts[b"tfhd"][4:8], "big") == 1 and b"tfdt" in parts:
            return int.from_bytes(parts[b"tfdt"][4:], "big")
    return None


def _read_size(data: bytearray, at: int) -> tuple[int | None, int]:
    """Return a variable-length size and the bytes it takes; None is "unknown" (RFC 8794, 6.2)."""
    length = 8 - int(data[at]).bit_length() + 1
    value = int.from_bytes(data[at : at + length], "big") & ((1 << (7 * length)) - 1)
    return (None if value == (1 << (7 * length)) - 1 else value), length


def _cluster_time(data: bytearray, at: int) -> int | None:
    if data[at] != TIMESTAMP:
        return None
    size, size_bytes = _read_size(data, at + 1)
    first = at + 1 + size_bytes
    return int.from_bytes(data[first : first + (size or 0)], "big")
