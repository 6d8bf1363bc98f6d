"""Recordings on disk: one folder a show, two files a part, readable by their owner alone.

Invariant: an index names only bytes that were written before it, so whatever ends the process,
what the index says can be played.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

import msgspec

from realtime.video.recording.model import Part, PartHead, Piece
from realtime.video.recording.rules import part_name

# More parts than a publisher makes who changes the resolution every few seconds of a day.
PARTS_MAX = 9_999
INDEX_NAME = re.compile(r"(\d{4})\.index")
# Eight hours in pieces of a second are 1.5 MB.
INDEX_BYTES_MAX = 16_000_000
# Both come from our own tables; nothing else may name a folder.
FOLDER_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_encoder = msgspec.json.Encoder()
_read_head = msgspec.json.Decoder(PartHead)
_read_piece = msgspec.json.Decoder(Piece)


class RecordingFolder:
    """The parts of one show's recording below `root`."""

    def __init__(self, root: Path, room_id: str, show_id: str) -> None:
        for name in (room_id, show_id):
            if FOLDER_NAME.fullmatch(name) is None:
                raise ValueError("rooms and shows are named by their ids")
        self._root = root
        self.path = root / room_id / show_id

    def numbers(self) -> list[int]:
        """Return which parts have an index, in order."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        return sorted(int(found[1]) for name in names if (found := INDEX_NAME.fullmatch(name)))

    def next_number(self) -> int:
        """Return the number of a part that is to be begun, whatever an earlier process left."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            names = []
        return max((int(name[:4]) for name in names if name[:4].isdigit()), default=0) + 1

    def read(self, number: int, *, is_open: bool = False) -> Part | None:
        """Return a part as its index says, None without one; a last line cut short is no line."""
        try:
            with (self.path / f"{number:04d}.index").open("rb") as file:
                text = file.read(INDEX_BYTES_MAX)
        except FileNotFoundError:
            return None
        lines = text[: text.rfind(b"\n") + 1].splitlines()
        try:
            head = _read_head.decode(lines[0])
            pieces = [_read_piece.decode(line) for line in lines[1:]]
        except (IndexError, msgspec.DecodeError):
            return None
        return Part(number, head, pieces, is_open)

    def file(self, number: int, kind: str) -> Path:
        """Return where the bytes of a part are."""
        return self.path / f"{number:04d}.{kind}"

    def size_bytes(self) -> int:
        """Return how much the show's files take."""
        total = 0
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.path):
                total += entry.stat().st_size
        return total

    def remove(self) -> None:
        """Delete the show's recording; nothing happens where there is none. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.path)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()

    def free_bytes(self) -> int:
        """Return how much the disk takes yet; the folder is made where it is missing."""
        self.make()
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def make(self) -> None:
        """Make the folder, and those above it, for nobody else to look into."""
        for folder in (self._root, self.path.parent, self.path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


class PartFiles:
    """A part's two files while they are written: bytes first, then what the index says of them."""

    def __init__(self, folder: RecordingFolder, number: int, kind: str) -> None:
        if number > PARTS_MAX:
            raise OSError("the recording has too many parts")
        folder.make()
        self.number = number
        self.size_bytes = 0
        self._file = _create(folder.file(number, kind))
        try:
            self._index = _create(folder.path / f"{number:04d}.index")
        except OSError:
            os.close(self._file)
            raise

    def write(self, data: bytes) -> None:
        """Append bytes; raises OSError."""
        _write_all(self._file, data)
        self.size_bytes += len(data)

    def write_head(self, head: PartHead) -> None:
        """Begin the index; raises OSError."""
        _write_all(self._index, _encoder.encode(head) + b"\n")

    def write_piece(self, piece: Piece) -> None:
        """Say of bytes that were written what they are; raises OSError."""
        _write_all(self._index, _encoder.encode(piece) + b"\n")

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._file)
        os.close(self._index)


def part_file_name(part: Part) -> str:
    """Return the name by which playlists call a part's file."""
    return part_name(part.number, part.head)


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
