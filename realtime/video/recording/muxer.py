"""The only file that calls FFmpeg for recordings: encoded frames in, bytes of a container out.

Invariant: it only packs. What goes in is what the publisher encoded.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, Literal

import av

from realtime.video.recording.model import PartKind
from realtime.video.recording.rules import h264_codec, vp8_size

VIDEO_RATE = 90_000
AUDIO_RATE = 48_000
AUDIO_FRAME = 960  # 20 ms, as browsers send; only the last frame's length depends on it.
VIDEO_FRAME = 3_000  # 1/30 s, the same.
# A fragment a keyframe, and one every second beside them: so much is lost when the power goes.
FRAGMENT_US = "1000000"
MP4_OPTIONS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont",
    "frag_duration": FRAGMENT_US,
    # By the publisher's clock, which may hardly move: so many bytes are a fragment all the same.
    "frag_size": "8000000",
    "flush_packets": "1",
    # A silent microphone does not hold the picture back for longer.
    "max_interleave_delta": "500000",
}
# 4096 x 2304, the most of level 5.1. To read what parameter sets say FFmpeg takes memory for the
# picture that they promise: 600 MB for one that nobody sends.
PIXELS_MAX = 9_437_184
PROBE_OPTIONS = {"max_pixels": str(PIXELS_MAX), "threads": "1"}
# Clusters begin at keyframes; without one for long they are cut all the same.
WEBM_OPTIONS = {
    "cluster_time_limit": "15000",
    "cluster_size_limit": "8000000",
    "flush_packets": "1",
    "max_interleave_delta": "500000",
}


class MuxError(Exception):
    """FFmpeg cannot pack this encoding, or this frame."""


class Muxer:
    """One part on its way to disk; `take` hands over what was written since."""

    def __init__(self, codec: str, encoding: bytes, keyframe: bytes, *, has_audio: bool) -> None:
        try:
            self._open(codec, encoding, keyframe, has_audio=has_audio)
        except (av.FFmpegError, ValueError, IndexError) as error:
            raise MuxError(f"{codec} cannot be packed: {error}") from error

    def _open(self, codec: str, encoding: bytes, keyframe: bytes, *, has_audio: bool) -> None:
        self._out = _Written()
        self.kind: PartKind = "mp4" if codec == "H264" else "webm"
        options = MP4_OPTIONS if self.kind == "mp4" else WEBM_OPTIONS
        self._container = av.open(self._out, "w", format=self.kind, options=dict(options))
        if codec == "H264":
            source = av.open(
                io.BytesIO(encoding + b"\x00\x00\x00\x01" + keyframe),
                format="h264",
                stream_options=[dict(PROBE_OPTIONS)],  # type: ignore[list-item]  # Their stub errs.
            )
            template = source.streams.video[0]
            self.width, self.height = template.width, template.height
            if not 0 < self.width * self.height <= PIXELS_MAX:
                raise ValueError(f"a picture of {self.width} x {self.height}")
            self._video: Any = self._container.add_stream_from_template(template)
            name = h264_codec(encoding)
        else:
            self.width, self.height = vp8_size(encoding)
            self._video = self._container.add_mux_stream(
                "vp8", rate=30, width=self.width, height=self.height
            )
            name = "vp8"
        self._video.time_base = Fraction(1, VIDEO_RATE)
        self._audio: Any = None
        if has_audio:
            self._audio = self._container.add_stream_from_template(_opus_template())
            self._audio.time_base = Fraction(1, AUDIO_RATE)
        self.codecs = f"{name},opus" if has_audio else name
        self._container.start_encoding()
        # The muxer chose units of its own when it began.
        self.units_per_s = round(1 / self._video.time_base)

    def add(
        self, kind: Literal["audio", "video"], data: bytes, pts: int, *, keyframe: bool
    ) -> None:
        """Pack a frame; `pts` is in the RTP clock of its kind. A part without sound drops sound."""
        stream = self._video if kind == "video" else self._audio
        if stream is None:
            return
        packet = av.Packet(data)
        packet.stream = stream
        packet.time_base = Fraction(1, VIDEO_RATE if kind == "video" else AUDIO_RATE)
        packet.pts = packet.dts = pts
        packet.duration = VIDEO_FRAME if kind == "video" else AUDIO_FRAME
        packet.is_keyframe = keyframe or kind == "audio"
        try:
            self._container.mux(packet)
        except av.FFmpegError as error:
            raise MuxError(f"a frame cannot be packed: {error}") from error

    def take(self) -> bytes:
        """Return the bytes written since the last call."""
        return self._out.take()

    def close(self) -> bytes:
        """Write the end; return the last bytes."""
        try:
            self._container.close()
        except av.FFmpegError as error:
            raise MuxError(f"a file cannot be ended: {error}") from error
        return self._out.take()


class _Written:
    """A file for FFmpeg that cannot be sought in and never fails: disks are our own matter."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        """Keep bytes until they are taken."""
        self._bytes += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._bytes)
        self._bytes.clear()
        return data


def _opus_template() -> Any:
    """Return a stream that says what WebRTC's sound is: Opus, 48 kHz, two channels (RFC 7587)."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=AUDIO_RATE, layout="stereo")
        silence = av.AudioFrame(format="s16", layout="stereo", samples=AUDIO_FRAME)
        silence.sample_rate = AUDIO_RATE
        silence.planes[0].update(bytes(silence.planes[0].buffer_size))
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    file.seek(0)
    return av.open(file, format="ogg").streams.audio[0]
