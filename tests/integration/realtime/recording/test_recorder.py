"""Record a film that is encoded on the spot, and decode what is on disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from realtime.video.recording.files import RecordingFolder
from realtime.video.recording.queue import FrameQueue
from realtime.video.recording.recorder import HELD_MAX, Limits
from realtime.video.recording.rules import playlist, segments_of
from tests.support.filming import FPS, WALL_MS, Studio, decode, decode_bytes, frames, make_folder

ROOT = Path(__file__).parents[4]


@pytest.fixture
def folder(tmp_path: Path) -> RecordingFolder:
    """A show's folder."""
    return make_folder(tmp_path / "recordings")


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_a_recording_has_every_frame_at_its_time(folder: RecordingFolder, codec: str) -> None:
    Studio(folder).record(frames(6.0, codec=codec))
    part = folder.read(1)
    assert part is not None
    path = folder.file(1, part.head.kind)
    times = decode(path)
    assert len(times) == 6 * FPS
    assert times[0] == pytest.approx(0, abs=0.002)
    assert times[-1] == pytest.approx(6.0 - 1 / FPS, abs=1 / FPS)
    sounds = decode(path, "audio")
    assert sounds[-1] == pytest.approx(6.0, abs=0.06)
    assert part.head.from_ms == WALL_MS
    assert part.pieces[-1].end_ms == pytest.approx(6000, abs=1000 / FPS)
    assert (part.head.width, part.head.height) == (160, 120)


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_what_is_written_is_counted(folder: RecordingFolder, codec: str) -> None:
    studio = Studio(folder)
    later = frames(5.0, codec=codec, at_ms=70_000, size=(320, 240))
    studio.record(frames(9.0, codec=codec), later)
    parts = [part for number in (1, 2) if (part := folder.read(number)) is not None]
    counters = studio.recorder.counters
    assert counters.segments == sum(len(segments_of(part)) for part in parts) == 5
    files = [folder.file(part.number, part.head.kind) for part in parts]
    assert counters.bytes_written == sum(path.stat().st_size for path in files)
    assert counters.frames_dropped == 0


def test_a_publishers_clock_that_stands_still_holds_back_no_memory(folder: RecordingFolder) -> None:
    """Without sound its pictures wait for it, until time has passed by that clock."""
    recorder = Studio(folder).recorder
    first = frames(0.2, has_sound=False)[0]
    for _ in range(2 * HELD_MAX):
        recorder._write(first)
        assert len(recorder._held) < HELD_MAX
    assert recorder.close(30.0)
    assert recorder.ended is None


def test_a_publishers_clock_that_hardly_moves_fills_no_memory(folder: RecordingFolder) -> None:
    """A fragment is a second of that clock, or so many bytes: what is in memory until then."""
    film = frames(0.4, gop=30)
    recorder = Studio(folder).recorder
    for frame in film:
        recorder._write(frame)
    last = next(one for one in reversed(film) if one.kind == "video")
    large = last.data + bytes(1_000_000)
    for tick in range(1, 25):
        stamp = last.rtp_timestamp + tick
        recorder._write(msgspec.structs.replace(last, data=large, rtp_timestamp=stamp))
    assert folder.size_bytes() > 10_000_000
    recorder.close(30.0)


def test_what_hostile_publishers_send_neither_ends_a_process_nor_fills_it(tmp_path: Path) -> None:
    """Spoilt, cut and absurd pictures: promised sizes alone took 600 MB before they were read."""
    command = [sys.executable, "-m", "tests.support.media.hostile", "1", "150", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, timeout=120, check=False, text=True
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = msgspec.json.decode(done.stdout)
    assert found["ended"] == {}
    assert found["parts"] > 50
    assert found["grown_mb"] < 150
    assert found["peak_mb"] < 400


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_every_segment_decodes_by_itself(folder: RecordingFolder, codec: str) -> None:
    Studio(folder).record(frames(10.0, codec=codec, gop=40))
    part = folder.read(1)
    assert part is not None
    data = folder.file(1, part.head.kind).read_bytes()
    segments = segments_of(part)
    assert len(segments) == 3
    assert segments[0].end_ms - segments[0].start_ms >= 4000
    counted = 0
    for one in segments:
        alone = data[: part.head.init_bytes] + data[one.offset : one.offset + one.size]
        counted += len(decode_bytes(alone))
    assert counted == 10 * FPS


def test_files_are_their_owners_alone(folder: RecordingFolder) -> None:
    Studio(folder).record(frames(1.0))
    for path in (*folder.path.iterdir(), folder.path, folder.path.parent):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("late_ms", [0, 180, -180])
def test_sound_stands_where_the_publishers_reports_put_it(
    folder: RecordingFolder, late_ms: int
) -> None:
    Studio(folder).record(frames(6.0, sound_late_ms=late_ms))
    sounds = decode(folder.file(1, "mp4"), "audio")
    # The muxer lets a stream's first packet of 20 ms begin with the file; 6.5 ms are the encoder's.
    assert sounds[1] == pytest.approx(max(late_ms, 0) / 1000 + 0.02, abs=0.03)
    assert sounds[-1] == pytest.approx(6.0 + late_ms / 1000, abs=0.06)


def test_sound_is_moved_when_a_report_comes_late(folder: RecordingFolder) -> None:
    stretch = frames(6.0)
    moved = [
        frame
        if frame.kind == "video" or frame.wall_ms < WALL_MS + 2000
        else type(frame)(
            *(getattr(frame, name) for name in frame.__struct_fields__[:5]),
            frame.wall_ms + 120,
            True,
        )
        for frame in stretch
    ]
    Studio(folder).record(moved)
    sounds = decode(folder.file(1, "mp4"), "audio")
    assert sounds[-1] == pytest.approx(6.12, abs=0.06)


@pytest.mark.parametrize("kind", ["resolution", "codec", "hole"])
def test_a_change_begins_a_new_part(folder: RecordingFolder, kind: str) -> None:
    second = {
        "resolution": frames(3.0, at_ms=3000, size=(320, 240)),
        "codec": frames(3.0, at_ms=3000, codec="VP8"),
        "hole": frames(3.0, at_ms=9000),
    }[kind]
    Studio(folder).record(frames(3.0), second)
    parts = [folder.read(number) for number in folder.numbers()]
    assert len(parts) == 2
    assert parts[0] is not None
    assert parts[1] is not None
    assert parts[1].head.from_ms == second[0].wall_ms
    for part in (parts[0], parts[1]):
        assert len(decode(folder.file(part.number, part.head.kind))) == 3 * FPS
    text = playlist([parts[0], parts[1]], is_over=True)
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1


def test_without_sound_the_picture_is_recorded_alone_and_later_sound_begins_a_part(
    folder: RecordingFolder,
) -> None:
    Studio(folder).record(frames(3.0, has_sound=False), frames(3.0, at_ms=3000))
    heads = [part.head for n in folder.numbers() if (part := folder.read(n)) is not None]
    assert [head.codecs.partition(",")[2] for head in heads] == ["", "opus"]
    assert sum(len(decode(folder.file(n, "mp4"))) for n in folder.numbers()) == 6 * FPS


def test_a_recording_asks_for_keyframes_where_segments_should_end(folder: RecordingFolder) -> None:
    studio = Studio(folder)
    studio.record(frames(10.0, gop=1000))
    # From 4 s on one a second, since none comes; before it while the writer has not begun.
    assert 5 <= studio.keyframes_asked <= 11
    often = Studio(make_folder(folder.path.parent.parent))
    stretch = frames(6.0)
    for frame in stretch[:10]:
        often.recorder(frame)
    while often.recorder._needs_keyframe:  # Until its first part is open.
        time.sleep(0.01)
    asked = often.keyframes_asked
    often.record(stretch[10:])
    assert often.keyframes_asked == asked


def test_a_full_queue_drops_to_the_next_keyframe_and_counts() -> None:
    queue = FrameQueue(frames_max=10)
    stretch = frames(3.0, has_sound=False)
    put = [queue.put(frame) for frame in stretch[:40]]
    assert put == [True] * 10 + [False] * 30
    assert queue.dropped == 30
    while len(queue._frames):
        queue.take()
    # There is room again; but what follows needs what was dropped.
    assert [queue.put(frame) for frame in stretch[40:61]] == [False] * 20 + [True]


def test_a_full_disk_ends_the_recording_and_nothing_else(
    folder: RecordingFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = os.write
    budget = [300_000]

    def write(file: int, data: bytes) -> int:
        budget[0] -= len(data)
        if budget[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(file, data)

    monkeypatch.setattr("realtime.video.recording.files.os.write", write)
    studio = Studio(folder)
    studio.record(frames(6.0))
    assert studio.recorder.ended == "disk_full"
    studio.recorder(frames(1.0)[0])  # The forwarder goes on to call; nothing is raised.
    part = folder.read(1)
    assert part is not None
    last = part.pieces[-1]
    playable = decode(folder.file(1, "mp4"), first_bytes=last.offset + last.size)
    assert len(playable) == pytest.approx(last.end_ms * FPS / 1000, abs=1)


def test_a_folder_that_cannot_be_written_ends_the_recording(tmp_path: Path) -> None:
    (tmp_path / "recordings").write_text("a file stands where the folder should be")
    studio = Studio(make_folder(tmp_path / "recordings"))
    studio.record(frames(1.0))
    assert studio.recorder.ended == "folder"


def test_a_recording_ends_at_its_shows_limit_and_before_the_disk_is_full(tmp_path: Path) -> None:
    small = Studio(make_folder(tmp_path), limits=Limits(bytes_max=30_000, free_bytes_min=0))
    small.record(frames(6.0))
    assert small.recorder.ended == "size_limit"
    assert len(decode(small.folder.file(1, "mp4"))) < 6 * FPS
    scarce = Studio(make_folder(tmp_path), limits=Limits(bytes_max=10**9, free_bytes_min=2**62))
    scarce.record(frames(1.0))
    assert scarce.recorder.ended == "disk_full"


def test_a_second_process_goes_on_with_the_next_part(folder: RecordingFolder) -> None:
    Studio(folder).record(frames(2.0))
    Studio(folder).record(frames(2.0, at_ms=5000))
    assert folder.numbers() == [1, 2]


def test_nonsense_does_not_reach_the_publisher(folder: RecordingFolder) -> None:
    studio = Studio(folder)
    good = frames(2.0)
    bad = [
        type(frame)(frame.kind, frame.codec, b"\x00" * 40, *list_of(frame)[3:])
        for frame in frames(1.0)
    ]
    studio.record(bad, good)
    assert studio.recorder.ended is None
    assert len(decode(folder.file(1, "mp4"))) == 2 * FPS


def list_of(frame: object) -> list[object]:
    """Return a struct's fields in order."""
    return [getattr(frame, name) for name in frame.__struct_fields__]  # type: ignore[attr-defined]


CHILD = """
import sys, time
from pathlib import Path
from realtime.video.recording.files import RecordingFolder
from tests.support.filming import Studio, frames
folder = RecordingFolder(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
studio = Studio(folder)
for frame in frames(8.0, codec=sys.argv[4]):
    studio.recorder(frame)
print("fed", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_what_was_written_plays_after_a_kill(folder: RecordingFolder, codec: str) -> None:
    words = [str(folder.path.parent.parent), folder.path.parent.name, folder.path.name, codec]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *words], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"fed\n"
        until = time.monotonic() + 20
        while (part := folder.read(1)) is None or part.pieces[-1].end_ms < 6500:
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    part = folder.read(1)
    assert part is not None
    path = folder.file(1, part.head.kind)
    last = part.pieces[-1]
    assert len(decode(path)) >= 6 * FPS
    indexed = decode(path, first_bytes=last.offset + last.size)
    assert len(indexed) == pytest.approx(last.end_ms * FPS / 1000, abs=2)
    assert segments_of(part)[-1].end_ms >= 6500
