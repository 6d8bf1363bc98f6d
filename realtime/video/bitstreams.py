"""Read of VP8 and H.264 payloads what a forwarder must know, without decoding.

Where a keyframe begins (RFC 7741 §4.2, RFC 6184 §5), and the picture data for a recorder.
All functions take bytes of a stranger: whatever is cut short is "no keyframe" or no data.
"""

from __future__ import annotations

from collections.abc import Iterator

NAL_IDR = 5
NAL_SPS = 7
NAL_STAP_A = 24
NAL_FU_A = 28
START_CODE = b"\x00\x00\x00\x01"


def starts_keyframe(codec: str, payload: bytes) -> bool:
    """Say whether this payload is the first of a keyframe, or of the parameters before it."""
    if codec == "VP8":
        return _vp8_starts_keyframe(payload)
    if codec == "H264":
        return _h264_starts_keyframe(payload)
    return False


def depayload(codec: str, payload: bytes) -> bytes:
    """Return a payload's share of its frame: Annex B for H.264, the bare bytes for others."""
    if codec == "VP8":
        return payload[_vp8_descriptor_bytes(payload) :]
    if codec == "H264":
        return _h264_annex_b(payload)
    return payload


def is_keyframe(codec: str, frame: bytes) -> bool:
    """Say whether a whole frame can be decoded with nothing before it; audio always can."""
    if codec == "VP8":
        return len(frame) > 0 and frame[0] & 1 == 0
    if codec == "H264":
        return any(
            frame[at + 4] & 0x1F == NAL_IDR for at in _start_codes(frame) if at + 4 < len(frame)
        )
    return True


def _vp8_descriptor_bytes(payload: bytes) -> int:
    """Length of the payload descriptor; `len(payload)` when it is cut short."""
    size = len(payload)
    if size < 1:
        return 0
    if not payload[0] & 0x80:
        return 1
    if size < 2:
        return size
    extension, at = payload[1], 2
    if extension & 0x80:  # PictureID, of 7 or 15 bits.
        if at >= size:
            return size
        at += 2 if payload[at] & 0x80 else 1
    if extension & 0x40:  # TL0PICIDX.
        at += 1
    if extension & 0x30:  # TID or KEYIDX share one byte.
        at += 1
    return min(at, size)


def _vp8_starts_keyframe(payload: bytes) -> bool:
    """S bit set, partition 0, and the frame header's inverse key bit zero."""
    if not payload or payload[0] & 0x1F != 0x10:  # S = 1, partition index 0.
        return False
    at = _vp8_descriptor_bytes(payload)
    return at < len(payload) and payload[at] & 1 == 0


def _h264_starts_keyframe(payload: bytes) -> bool:
    """IDR slice or SPS: alone, within an aggregate, or as the first fragment."""
    if not payload:
        return False
    nal = payload[0] & 0x1F
    if nal == NAL_STAP_A:
        return any(unit[0] & 0x1F in {NAL_IDR, NAL_SPS} for unit in _aggregated(payload))
    if nal == NAL_FU_A:
        return (
            len(payload) > 1 and bool(payload[1] & 0x80) and payload[1] & 0x1F in {NAL_IDR, NAL_SPS}
        )
    return nal in {NAL_IDR, NAL_SPS}


def _aggregated(payload: bytes) -> Iterator[bytes]:
    """Yield the units of a STAP-A that are whole and not empty."""
    at = 1
    while at + 2 < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        at += 2
        if size == 0 or at + size > len(payload):
            return
        yield payload[at : at + size]
        at += size


def _h264_annex_b(payload: bytes) -> bytes:
    """Give every unit its start code; a fragment that is not the first has none."""
    if not payload:
        return b""
    nal = payload[0] & 0x1F
    if nal == NAL_STAP_A:
        return b"".join(START_CODE + unit for unit in _aggregated(payload))
    if nal == NAL_FU_A:
        if len(payload) < 2:
            return b""
        if not payload[1] & 0x80:
            return payload[2:]
        header = bytes([(payload[0] & 0xE0) | (payload[1] & 0x1F)])
        return START_CODE + header + payload[2:]
    return START_CODE + payload if 1 <= nal < NAL_STAP_A else b""


def _start_codes(frame: bytes) -> Iterator[int]:
    """Yield where each four-byte start code begins."""
    at = frame.find(START_CODE)
    while at >= 0:
        yield at
        at = frame.find(START_CODE, at + 4)
