"""Encode test films on the fly: they move everywhere, and hold the bit rate they are asked for."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Literal

import av

from realtime.video.clip import PACKETS_PER_S, Clip

SAMPLE_RATE = 48_000
SAMPLES = SAMPLE_RATE // PACKETS_PER_S
X264 = {
    "profile": "baseline",
    "level": "3.1",
    "preset": "ultrafast",
    "tune": "zerolatency",
    "x264-params": "nal-hrd=cbr:force-cfr=1:scenecut=0:slices=1:sliced-threads=0:repeat-headers=1",
}
LIBVPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"}


def make_film(
    codec: Literal["H264", "VP8"] = "H264",
    *,
    seconds: int = 2,
    bits_per_s: int = 1_500_000,
    size: tuple[int, int] = (1280, 720),
    frames_per_s: int = 30,
    keyframe_every: int = 30,
) -> Clip:
    """Return a film of moving test pictures and soft noise."""
    encoder = av.CodecContext.create("libx264" if codec == "H264" else "libvpx", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, frames_per_s)
    encoder.framerate = Fraction(frames_per_s)
    encoder.bit_rate = bits_per_s
    encoder.gop_size = keyframe_every
    rate = {"maxrate": str(bits_per_s), "minrate": str(bits_per_s), "bufsize": str(bits_per_s // 3)}
    encoder.options = (X264 if codec == "H264" else LIBVPX) | rate
    pictures: list[bytes] = []
    for number, frame in enumerate(_draw(size, frames_per_s, seconds * frames_per_s)):
        frame.pts, frame.time_base = number, Fraction(1, frames_per_s)
        frame.pict_type = av.video.frame.PictureType.NONE
        pictures += (bytes(packet) for packet in encoder.encode(frame))
    pictures += (bytes(packet) for packet in encoder.encode(None))
    assert len(pictures) == seconds * frames_per_s
    return Clip(codec, frames_per_s, tuple(pictures), tuple(_tone(seconds)))


def _draw(size: tuple[int, int], frames_per_s: int, count: int) -> list[av.VideoFrame]:
    """Return `count` frames of FFmpeg's test picture."""
    graph = av.filter.Graph()
    source = graph.add("testsrc2", f"size={size[0]}x{size[1]}:rate={frames_per_s}")
    shape = graph.add("format", "yuv420p")
    sink = graph.add("buffersink")
    source.link_to(shape)
    shape.link_to(sink)
    graph.configure()
    return [graph.vpull() for _ in range(count)]


def _tone(seconds: int) -> list[bytes]:
    """Return Opus packets of soft noise, which costs as many bits as a voice does."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format, encoder.layout = SAMPLE_RATE, "s16", "stereo"
    encoder.bit_rate = 48_000
    encoder.time_base = Fraction(1, SAMPLE_RATE)
    noise = random.Random(6)
    packets: list[bytes] = []
    for number in range(seconds * PACKETS_PER_S + 1):
        frame = av.AudioFrame(format="s16", layout="stereo", samples=SAMPLES)
        frame.planes[0].update(bytes(noise.choices(range(4), k=SAMPLES * 4)))
        frame.sample_rate, frame.pts = SAMPLE_RATE, number * SAMPLES
        packets += (bytes(packet) for packet in encoder.encode(frame))
    return packets[: seconds * PACKETS_PER_S]
