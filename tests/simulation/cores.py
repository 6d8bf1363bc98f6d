"""A core for each process that plays, which its connections' backends at the server share.

Process and backend wait for each other: to wake somebody on another core took a sixth of a sale.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path


def take_core(folder: Path) -> None:
    """Stay on a core that no other process of this folder has; the kernel frees it in the end.

    Whoever finds none goes where there is room.
    """
    for core in sorted(os.sched_getaffinity(0)):
        lock = os.open(folder / f"core-{core}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            os.sched_setaffinity(0, {core})
            return


def bring_along(pids: Iterable[int]) -> None:
    """Have other processes stay on our core."""
    for pid in pids:
        with contextlib.suppress(OSError):  # It has ended, or we may not: then it is only slower.
            os.sched_setaffinity(pid, os.sched_getaffinity(0))
