"""End a process that was told to stop and does not, and leave behind what it waited for.

Invariant: after `end_within` the process is gone when the time is over, whatever still waits.
"""

from __future__ import annotations

import asyncio
import logging
import os

# After a gateway's drain and with a worker's jobs cancelled nothing is left that takes long: a
# statement that is cut off, the last lines of chat, sockets to close. The parent waits for longer.
END_S_MAX = 15.0
EXIT_STUCK = 75  # EX_TEMPFAIL of sysexits.h: whoever starts it again will probably succeed.

log = logging.getLogger(__name__)


def end_within(seconds: float = END_S_MAX) -> asyncio.TimerHandle:
    """End this process when it is still there in so many seconds; cancel the handle to relent."""
    return asyncio.get_running_loop().call_later(seconds, _end, seconds)


def _end(seconds: float) -> None:
    log.error(
        "still not stopped %g s after everything was told to; ending at once",
        seconds,
        extra={"waiting": "; ".join(sorted(_where(task) for task in asyncio.all_tasks()))},
    )
    logging.shutdown()
    os._exit(EXIT_STUCK)


def _where(task: asyncio.Task[object]) -> str:
    """Return a task's name and the lines it waits at, the outermost first."""
    frames: list[str] = []
    waits: object = task.get_coro()
    while waits is not None:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is None:
            break
        frames.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)
    return f"{task.get_name()} at {' > '.join(frames) or '?'}"
