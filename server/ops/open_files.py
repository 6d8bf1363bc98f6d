"""Take as many open files as the system gives: each socket is one, a viewer of video takes two.

Many systems begin a process with 1,024 and allow far more to whoever asks.
"""

from __future__ import annotations

import contextlib
import resource

# More than one machine has use for. Some systems name no highest number, and refuse to have none.
FILES_MAX = 65_536


def files_to_ask_for(soft: int, hard: int) -> int | None:
    """Return the limit to ask for, or None when the present one is enough; -1 stands for none."""
    infinity = resource.RLIM_INFINITY
    wanted = FILES_MAX if hard == infinity else min(hard, FILES_MAX)
    return None if soft == infinity or soft >= wanted else wanted


def allow_open_files() -> None:
    """Raise this process's limit, and that of the processes it starts, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files_to_ask_for(soft, hard)
    if wanted is not None:
        with contextlib.suppress(OSError, ValueError):  # It serves with fewer, too.
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
