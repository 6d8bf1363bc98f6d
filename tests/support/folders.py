"""Where the servers of tests keep their data: in memory where there is room, else on the disk.

A test of ours kills processes, which loses no page that a server has written; no test pulls a
plug. So the disk's own speed decides nothing but how long everybody waits: making and dropping a
database for each test takes a tenth of the time in memory, and many at once do not queue for one
disk. Benchmarks stay on the disk.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it, by mkdtemp.
# Two whole runs side by side fill less than a third of it; a container may have 64 MB in all.
FREE_BYTES_MIN = 6 * 1024**3


def parents() -> list[Path]:
    """Return every folder in which `make_folder` may have made one."""
    return [Path(tempfile.gettempdir()), *([MEMORY] if MEMORY.is_dir() else [])]


def make_folder(prefix: str) -> Path:
    """Make an empty folder of this name, with a path short enough for sockets."""
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= FREE_BYTES_MIN
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if in_memory else None))
