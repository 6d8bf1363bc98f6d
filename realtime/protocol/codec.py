"""Wrap payloads in WebSocket frames once, so that the same bytes serve every viewer.

Server-to-client frames are unmasked (RFC 6455 section 5.1); these are complete, unfragmented ones.
"""

from __future__ import annotations

import zlib

_TEXT = 0x81
_PACKED_TEXT = 0xC1
_PING = b"\x89\x00"
_SHORT_MAX = 125
_MEDIUM_MAX = 0xFFFF

# Below this a packed frame is hardly smaller, and the client still has to unpack it.
PACK_BYTES_MIN = 256
# Packing is done once a blob and process, so a thorough level costs next to nothing.
_PACK_LEVEL = 6
# What RFC 7692 section 7.2.1 takes off the end of a flushed block.
_FLUSH_TAIL_BYTES = 4


def frame_text(payload: bytes) -> bytes:
    """Frame UTF-8 `payload` as one unmasked text frame."""
    return _frame(_TEXT, payload)


def frame_packed(payload: bytes) -> bytes:
    """Frame UTF-8 `payload` compressed by RFC 7692, without context takeover."""
    packer = zlib.compressobj(_PACK_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
    return _frame(_PACKED_TEXT, packed[:-_FLUSH_TAIL_BYTES])


def frame_ping() -> bytes:
    """Frame an empty WebSocket ping, which every client library answers by itself."""
    return _PING


class Blob:
    """Payloads for many viewers, in frames that are built once.

    `plain` is for everybody. `packed` is for those who negotiated compression; it is made when the
    first of them asks, and small payloads stay plain in it.
    """

    __slots__ = ("_packed", "_payloads", "plain")

    def __init__(self, *payloads: bytes) -> None:
        self.plain = b"".join(map(frame_text, payloads))
        self._payloads = payloads
        self._packed: bytes | None = None

    def __bool__(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(self.plain)

    @property
    def packed(self) -> bytes:
        """The same frames, the large ones compressed."""
        if self._packed is None:
            self._packed = b"".join(
                frame_packed(payload) if len(payload) >= PACK_BYTES_MIN else frame_text(payload)
                for payload in self._payloads
            )
        return self._packed


def _frame(head: int, payload: bytes) -> bytes:
    size_bytes = len(payload)
    if size_bytes <= _SHORT_MAX:
        return bytes((head, size_bytes)) + payload
    if size_bytes <= _MEDIUM_MAX:
        return bytes((head, 126)) + size_bytes.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size_bytes.to_bytes(8, "big") + payload
