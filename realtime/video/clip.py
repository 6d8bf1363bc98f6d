"""A short film as the encoded pieces that WebRTC sends, and when each of its endless loop is due.

Invariant: a clip is never decoded; what is sent is what the file holds.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import msgspec
from av.bitstream import BitStreamFilterContext

# 720x1280 at 30 fps; `python -m tests.clip` makes it again.
DEMO_CLIP = Path(__file__).with_name("clip.mp4")
PACKETS_PER_S = 50  # Opus packets of 20 ms, as browsers send them.
LATE_S_MAX = 0.5  # Beyond it a paused process goes on where it was, instead of hurrying after.
BYTES_MAX = 8_000_000  # A clip is kept in memory as a whole.
# Part of the names that FFmpeg has for its decoders and encoders of a codec.
VIDEO_CODECS: dict[str, Literal["H264", "VP8"]] = {"h264": "H264", "vp8": "VP8"}


class ClipError(Exception):
    """The file is not a clip that can be sent as it is; the message says why."""


class Clip(msgspec.Struct, frozen=True):
    """Encoded pictures and sound of equal length, in order; the first picture is a keyframe."""

    codec: Literal["H264", "VP8"]
    frames_per_s: int
    pictures: tuple[bytes, ...]  # H.264 in Annex B, parameter sets before each keyframe.
    sounds: tuple[bytes, ...]  # Opus packets of 20 ms; may be empty.

    @property
    def seconds(self) -> float:
        """How long one loop takes."""
        return len(self.pictures) / self.frames_per_s

    @property
    def video_bits_per_s(self) -> int:
        """The mean over one loop."""
        return round(8 * sum(map(len, self.pictures)) / self.seconds)


class PlayClock:
    """When each piece of a loop is due: one clock for picture and sound keeps the lips in step.

    Times are seconds of the loop's clock. A stretch in which nothing was played moves all that
    follows, so that a process that was held up does not send a burst of what nobody waits for.
    """

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s

    def wait_s(self, number: int, pieces_per_s: int, now_s: float) -> float:
        """Return how long to wait for the piece of this number, counted over all loops."""
        wait_s = self._started_s + number / pieces_per_s - now_s
        if wait_s < -LATE_S_MAX:
            self._started_s -= wait_s
            return 0.0
        return max(0.0, wait_s)


def read_clip(path: Path) -> Clip:
    """Read a clip of H.264 or VP8 and Opus. Raises ClipError."""
    if path.stat().st_size > BYTES_MAX:
        raise ClipError(f"{path.name} has more than {BYTES_MAX:,} bytes")
    try:
        with av.open(str(path)) as container:
            return _read(container, path.name)
    except av.FFmpegError as error:
        raise ClipError(f"{path.name} cannot be read: {error}") from error


def _read(container: av.container.InputContainer, name: str) -> Clip:
    video = next(iter(container.streams.video), None)
    if video is None or video.codec.canonical_name not in VIDEO_CODECS:
        raise ClipError(f"{name} has no H.264 and no VP8")
    sound = next(iter(container.streams.audio), None)
    if sound is not None and sound.codec.canonical_name != "opus":
        raise ClipError(f"{name} has sound that is not Opus")
    codec = VIDEO_CODECS[video.codec.canonical_name]
    # Files keep the parameter sets apart and count bytes; RTP wants start codes.
    filtered = BitStreamFilterContext("h264_mp4toannexb", video) if codec == "H264" else None
    pictures: list[bytes] = []
    sounds: list[bytes] = []
    times: list[int] = []
    for packet in container.demux([stream for stream in (video, sound) if stream is not None]):
        if packet.pts is None:
            continue
        if packet.stream is not video:
            sounds.append(bytes(packet))
            continue
        if not pictures and not packet.is_keyframe:
            raise ClipError(f"{name} does not begin with a keyframe")
        times.append(packet.pts)
        pieces = filtered.filter(packet) if filtered is not None else [packet]
        pictures.append(b"".join(bytes(piece) for piece in pieces))
    if not pictures:
        raise ClipError(f"{name} has no pictures")
    if any(after <= before for before, after in pairwise(times)):
        raise ClipError(f"{name} has B-frames, which browsers do not take")
    frames_per_s = round(video.average_rate or 0)
    if not frames_per_s:
        raise ClipError(f"{name} has no frame rate")
    length = math.floor(len(pictures) / frames_per_s * PACKETS_PER_S)
    return Clip(codec, frames_per_s, tuple(pictures), tuple(sounds[:length]))
