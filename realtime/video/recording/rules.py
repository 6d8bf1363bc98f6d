"""Decide where recordings are cut, what time their frames have, and how playlists read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from realtime.video.ports import EncodedFrame
from realtime.video.recording.model import Part, PartHead, Piece, Segment

# Long enough for few requests, short enough that viewers of the overflow are only seconds late.
SEGMENT_MS = 4_000
# What a running playlist promises from its beginning; only a publisher without keyframes breaks it.
TARGET_S = 6
# A hole in the picture that a player would stand still at; a new part begins behind it.
GAP_MS_MAX = 1_000
# A clock that jumped by so much belongs to another publisher.
JUMP_MS_MAX = 500
# Lips and voice are seen apart from some 45 ms on; reports of the publisher correct it before.
SYNC_MS_MAX = 25
# Of each sound so much counts: reports are exact, arrival times jump about.
SYNC_SHARE = 1 / 32
MEDIA_TYPES = {"mp4": "video/mp4", "webm": "video/webm"}
VP8_START = b"\x9d\x01\x2a"


def nal_units(data: bytes) -> list[bytes]:
    """Return the NAL units of an H.264 byte stream (ITU-T H.264, annex B)."""
    units = []
    for part in data.split(b"\x00\x00\x01")[1:]:
        units.append(part.rstrip(b"\x00"))
    return [unit for unit in units if unit]


def encoding_of(codec: str, keyframe: bytes) -> bytes | None:
    """Return what tells one encoding from another, or None when the keyframe does not say it.

    Of H.264 the parameter sets, of VP8 the size (RFC 6386, 9.1).
    """
    if codec == "H264":
        sets = [unit for unit in nal_units(keyframe) if unit[0] & 0x1F in (7, 8)]
        kinds = {unit[0] & 0x1F for unit in sets}
        return b"\x00\x00\x00\x01".join([b"", *sets]) if kinds == {7, 8} else None
    if codec == "VP8" and keyframe[3:6] == VP8_START and len(keyframe) >= 10:
        return keyframe[6:10]
    return None


def h264_codec(encoding: bytes) -> str:
    """Return the name of an H.264 encoding in a MIME type (RFC 6381): profile, flags, level."""
    sps = next(unit for unit in nal_units(encoding) if unit[0] & 0x1F == 7)
    return f"avc1.{sps[1:4].hex()}"


def vp8_size(encoding: bytes) -> tuple[int, int]:
    """Return width and height; the upper two bits of each ask for scaling."""
    width = int.from_bytes(encoding[0:2], "little") & 0x3FFF
    height = int.from_bytes(encoding[2:4], "little") & 0x3FFF
    return width, height


def follows(earlier: EncodedFrame, picture: EncodedFrame) -> bool:
    """Say whether a picture can be of the same part as one before it."""
    if picture.codec != earlier.codec or not 0 <= picture.wall_ms - earlier.wall_ms <= GAP_MS_MAX:
        return False
    if not (picture.keyframe and earlier.keyframe):
        return True
    return encoding_of(picture.codec, picture.data) == encoding_of(earlier.codec, earlier.data)


class PartClock:
    """Put the frames of a part on one time line, in the clock units of each kind.

    Within a kind the RTP timestamps count: they are even where arrivals are not. Between picture
    and sound the wall clock of the publisher's reports does, and sound is moved to it.
    """

    def __init__(self, first: EncodedFrame) -> None:
        self._video_base = first.rtp_timestamp
        self._video_rate = first.clock_rate
        self._wall_base_ms = first.wall_ms
        self._audio_shift: int | None = None
        self._audio_error_ms = 0.0
        self._video_error_ms = 0.0
        self._last = {"video": -1, "audio": -1}

    def is_broken_by(self, frame: EncodedFrame) -> bool:
        """Say whether a video frame cannot stand on this line: a hole, or another clock."""
        pts = frame.rtp_timestamp - self._video_base
        gap_ms = (pts - max(self._last["video"], 0)) * 1000 / self._video_rate
        error_ms = frame.wall_ms - self._wall_base_ms - pts * 1000 / self._video_rate
        jump_ms = abs(error_ms - self._video_error_ms)
        return gap_ms < 0 or gap_ms > GAP_MS_MAX or jump_ms > JUMP_MS_MAX

    def place(self, frame: EncodedFrame) -> int | None:
        """Return a frame's time in its clock's units; None for what precedes the part."""
        pts = self._place_video(frame) if frame.kind == "video" else self._place_audio(frame)
        if pts < 0 or pts <= self._last[frame.kind]:
            return None
        self._last[frame.kind] = pts
        return pts

    def _place_video(self, frame: EncodedFrame) -> int:
        pts = frame.rtp_timestamp - self._video_base
        error_ms = frame.wall_ms - self._wall_base_ms - pts * 1000 / frame.clock_rate
        self._video_error_ms += (error_ms - self._video_error_ms) * SYNC_SHARE
        return pts

    def _place_audio(self, frame: EncodedFrame) -> int:
        rate = frame.clock_rate
        aim_ms = frame.wall_ms - self._wall_base_ms - self._video_error_ms
        if self._audio_shift is None:
            self._audio_shift = round(aim_ms * rate / 1000) - frame.rtp_timestamp
        pts = frame.rtp_timestamp + self._audio_shift
        self._audio_error_ms += (aim_ms - pts * 1000 / rate - self._audio_error_ms) * SYNC_SHARE
        if abs(self._audio_error_ms) > SYNC_MS_MAX:
            self._audio_shift += round(self._audio_error_ms * rate / 1000)
            self._audio_error_ms = 0.0
            pts = frame.rtp_timestamp + self._audio_shift
        return pts


def segments_of(part: Part) -> list[Segment]:
    """Group a part's pieces into segments of `SEGMENT_MS` or more, each from a keyframe on.

    What is being written has no last segment yet: its length is known when the next begins.
    """
    groups: list[list[Piece]] = []
    for piece in part.pieces:
        is_long = bool(groups) and piece.start_ms - groups[-1][0].start_ms >= SEGMENT_MS
        if piece.keyframe and (not groups or is_long):
            groups.append([piece])
        elif groups:
            groups[-1].append(piece)
    ends = [group[0].start_ms for group in groups[1:]]
    if groups:
        ends.append(groups[-1][-1].end_ms)
    segments = [
        Segment(
            group[0].offset,
            sum(piece.size for piece in group),
            group[0].start_ms,
            end_ms,
        )
        for group, end_ms in zip(groups, ends, strict=True)
    ]
    return segments[:-1] if part.is_open else segments


def playlist(parts: Sequence[Part], *, is_over: bool, clock_ahead_ms: int = 0) -> str:
    """Return an HLS playlist (RFC 8216): of a running show an EVENT one, which only grows.

    Files are named relative to it. `clock_ahead_ms` is how far the database's clock is ahead of the
    one in the parts' heads; the dates are by the database's.
    """
    listed = [(part, segments) for part in parts if (segments := segments_of(part))]
    longest_ms = max(
        (one.end_ms - one.start_ms for _, segments in listed for one in segments),
        default=0,
    )
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(TARGET_S, round(longest_ms / 1000))}",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if is_over else 'EVENT'}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    for place, (part, segments) in enumerate(listed):
        if place:
            lines.append("#EXT-X-DISCONTINUITY")
        name = part_name(part.number, part.head)
        # A tag of our own, which other players ignore: ours need not look into the header.
        media_type = f'{MEDIA_TYPES[part.head.kind]}; codecs="{part.head.codecs}"'
        lines.append(f"#EXT-X-HUBBUB-TYPE:{media_type}")
        lines.append(f'#EXT-X-MAP:URI="{name}",BYTERANGE="{part.head.init_bytes}@0"')
        at_ms = part.head.from_ms + clock_ahead_ms + segments[0].start_ms
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{iso_utc(at_ms)}")
        for one in segments:
            lines += [
                f"#EXTINF:{(one.end_ms - one.start_ms) / 1000:.3f},",
                f"#EXT-X-BYTERANGE:{one.size}@{one.offset}",
                name,
            ]
    if is_over:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def part_name(number: int, head: PartHead) -> str:
    """Return the name of a part's file in its show's folder."""
    return f"{number:04d}.{head.kind}"


def iso_utc(at_ms: int) -> str:
    """Return a time in Unix ms as ISO 8601 in UTC, as playlists write it."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
