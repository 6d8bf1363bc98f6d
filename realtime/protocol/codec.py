"""Wrap payloads in WebSocket frames once, so that the same bytes serve every viewer.

Server-to-client frames are unmasked (RFC 6455 section 5.1); these are complete, unfragmented ones.
"""

from __future__ import annotations

_TEXT = 0x81
_PING = b"\x89\x00"
_SHORT_MAX = 125
_MEDIUM_MAX = 0xFFFF


def frame_text(payload: bytes) -> bytes:
    """Frame UTF-8 `payload` as one unmasked text frame."""
    size_bytes = len(payload)
    if size_bytes <= _SHORT_MAX:
        return bytes((_TEXT, size_bytes)) + payload
    if size_bytes <= _MEDIUM_MAX:
        return bytes((_TEXT, 126)) + size_bytes.to_bytes(2, "big") + payload
    return bytes((_TEXT, 127)) + size_bytes.to_bytes(8, "big") + payload


def frame_ping() -> bytes:
    """Frame an empty WebSocket ping, which every client library answers by itself."""
    return _PING
