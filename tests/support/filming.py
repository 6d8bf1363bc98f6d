"""A short film made on the spot: the encoded frames that a forwarder hands to a recorder."""

from __future__ import annotations

import asyncio
import io
import random
import uuid
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av

from realtime.video.ports import EncodedFrame, FrameSink, VideoState
from realtime.video.recording.files import RecordingFolder
from realtime.video.recording.queue import FrameQueue
from realtime.video.recording.recorder import Limits, Recorder
from server.recording.keeper import RecordingKeeper
from tests.support.evidence import Stage

FPS = 30
WALL_MS = 1_795_346_500_000
RTP_VIDEO, RTP_AUDIO = 4_000_000_000, 77_000
X264 = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "x264-params": "keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1:annexb=1",
}


@lru_cache(maxsize=16)
def film(
    seconds: float = 6.0, *, codec: str = "H264", gop: int = 30, size: tuple[int, int] = (160, 120)
) -> tuple[tuple[bytes, bool], ...]:
    """Return encoded pictures, each with whether it is a keyframe; noise, so that they weigh."""
    width, height = size
    encoder = av.CodecContext.create("libx264" if codec == "H264" else "libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.bit_rate = 600_000
    if codec == "H264":
        encoder.profile = "Baseline"
        encoder.options = {name: text.format(gop=gop) for name, text in X264.items()}
    else:
        encoder.gop_size = gop
        encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    chance = random.Random(7)
    pictures = []
    for number in range(round(seconds * FPS)):
        picture = av.VideoFrame(width, height, "yuv420p")
        for plane in picture.planes:
            plane.update(chance.randbytes(plane.buffer_size))
        picture.pts = number
        pictures += encoder.encode(picture)
    pictures += encoder.encode(None)
    return tuple((bytes(packet), packet.is_keyframe) for packet in pictures)


@lru_cache(maxsize=4)
def sound(seconds: float = 6.0) -> tuple[bytes, ...]:
    """Return Opus packets of 20 ms."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo", "s16"
    packets = []
    for number in range(round(seconds * 50)):
        frame = av.AudioFrame(format="s16", layout="stereo", samples=960)
        frame.sample_rate, frame.pts = 48_000, number * 960
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        packets += encoder.encode(frame)
    return tuple(bytes(packet) for packet in packets)


def frames(
    seconds: float = 6.0,
    *,
    codec: str = "H264",
    at_ms: int = 0,
    has_sound: bool = True,
    sound_late_ms: int = 0,
    gop: int = 30,
    size: tuple[int, int] = (160, 120),
) -> list[EncodedFrame]:
    """Return a film's frames as they arrive, `at_ms` after the beginning of all.

    The clocks of picture and sound begin anywhere; `sound_late_ms` is how much later than the
    picture the sound was captured that arrives with it.
    """
    timed: list[tuple[float, EncodedFrame]] = []
    for number, (data, key) in enumerate(film(seconds, codec=codec, gop=gop, size=size)):
        ms = at_ms + number * 1000 / FPS
        stamp = RTP_VIDEO + round(ms * 90)
        frame = EncodedFrame("video", codec, data, stamp, 90_000, WALL_MS + round(ms), key)
        timed.append((ms, frame))
    for number, data in enumerate(sound(seconds) if has_sound else ()):
        ms = at_ms + number * 20
        stamp, wall_ms = RTP_AUDIO + round(ms * 48), WALL_MS + ms + sound_late_ms
        timed.append((ms, EncodedFrame("audio", "opus", data, stamp, 48_000, wall_ms, True)))
    return [frame for _, frame in sorted(timed, key=lambda one: one[0])]


def make_folder(root: Path) -> RecordingFolder:
    """Return the folder of a show that nobody has recorded."""
    return RecordingFolder(root, str(uuid.uuid4()), str(uuid.uuid4()))


class Studio:
    """A recorder, and what it asked for."""

    def __init__(self, folder: RecordingFolder, *, limits: Limits | None = None) -> None:
        self.folder = folder
        self.keyframes_asked = 0
        self.now_ms = WALL_MS
        self._queue = FrameQueue(bytes_max=10**9, frames_max=10**6)
        self.recorder = Recorder(
            folder,
            limits=limits or Limits(bytes_max=10**9, free_bytes_min=0),
            ask_keyframe=self._ask,
            now_ms=lambda: self.now_ms,
            queue=self._queue,
        )

    def _ask(self) -> None:
        self.keyframes_asked += 1

    def record(self, *stretches: list[EncodedFrame]) -> None:
        """Record everything to its end."""
        for stretch in stretches:
            for frame in stretch:
                self.now_ms = frame.wall_ms + 40
                self.recorder(frame)
        assert self.recorder.close(30.0)


def decode(path: Path, kind: str = "video", *, first_bytes: int | None = None) -> list[float]:
    """Decode a file from its beginning to its end; return the frames' times in seconds."""
    data = path.read_bytes()[:first_bytes]
    return decode_bytes(data, kind)


def decode_bytes(data: bytes, kind: str = "video") -> list[float]:
    """Decode a file's bytes; return the frames' times in seconds."""
    with av.open(io.BytesIO(data)) as container:
        return [
            float(frame.time) for frame in container.decode(**{kind: 0}) if frame.time is not None
        ]


class StillForwarder:
    """A forwarder for a keeper of recordings: rooms are live, frames are handed in by the test."""

    def __init__(self) -> None:
        self.sinks: dict[str, list[FrameSink]] = {}
        self.keyframes_asked: list[str] = []
        self.live: set[str] = set()

    def state(self, room_id: str) -> VideoState:
        """Say whether the test called the room live."""
        return VideoState(live=room_id in self.live)

    def add_sink(self, room_id: str, sink: FrameSink) -> Callable[[], None]:
        """Keep a sink until it is stopped."""
        sinks = self.sinks.setdefault(room_id, [])
        sinks.append(sink)
        return lambda: sinks.remove(sink)

    def ask_keyframe(self, room_id: str) -> None:
        """Note who asked."""
        self.keyframes_asked.append(room_id)

    def play(self, room_id: str, stretch: list[EncodedFrame]) -> None:
        """Hand frames to whoever records the room."""
        for frame in stretch:
            for sink in self.sinks.get(room_id, []):
                sink(frame)


class Filmed:
    """The demo's live show, recorded from a film made on the spot."""

    def __init__(self, stage: Stage, root: Path) -> None:
        self.stage = stage
        self.forwarder = StillForwarder()
        self.root = root
        self.clock_ms = WALL_MS
        self.show_id = ""
        self.keeper = self.open_keeper()

    def open_keeper(self) -> RecordingKeeper:
        """Return a media process's keeper, as the first or as one that came after a kill."""
        return RecordingKeeper(
            self.forwarder,  # type: ignore[arg-type]  # It has what a keeper asks for.
            self.stage.database,
            self.root,
            limits=Limits(bytes_max=10**9, free_bytes_min=0),
            now_ms=lambda: self.clock_ms,
        )

    async def begin(self) -> None:
        """Let the picture come, and the keeper see it."""
        row = await self.stage.row("SELECT id FROM shows WHERE status = 'live'")
        self.show_id = str(row["id"])
        self.forwarder.live.add(self.stage.room_id)
        await self.keeper.look()

    async def play(self, seconds: float, **options: Any) -> None:
        """Let some seconds of film come by, and the rows follow."""
        stretch = frames(seconds, at_ms=self.clock_ms - WALL_MS, **options)
        for frame in stretch:
            self.clock_ms = max(self.clock_ms, frame.wall_ms)
            self.forwarder.play(self.stage.room_id, [frame])
            if frame.kind == "video":
                await asyncio.sleep(0)
        self.clock_ms = stretch[-1].wall_ms + 33

    async def end(self) -> None:
        """End the show as its host does, and let the keeper see it."""
        await self.stage.post("host", "/api/rooms/demo/end")
        await self.keeper.look()
