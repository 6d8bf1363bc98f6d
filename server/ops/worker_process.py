"""Run one worker: sweeper, outbox relay and scheduled jobs. Two of them at once are safe.

Invariant: a job that dies ends the process; the supervisor starts another. One that does not stop
keeps it for a bounded time.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol

from server.ops.ending import end_within
from server.settings import Settings


class WorkerParts(Protocol):
    """What the wiring builds for one worker process."""

    async def run(self) -> None:
        """Do all jobs until cancelled; returning or raising ends the process."""


BuildWorker = Callable[[Settings, str], Awaitable[WorkerParts]]


async def run_worker(
    settings: Settings, name: str, *, build: BuildWorker, on_ready: Callable[[], None]
) -> None:
    """Work until SIGTERM or SIGINT. Raises what a job raised."""
    parts = await build(settings, name)
    work = asyncio.create_task(parts.run(), name="worker-jobs")
    is_asked = False

    def stop() -> None:
        nonlocal is_asked
        is_asked = True
        work.cancel()
        end_within()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    on_ready()
    try:
        await work
    except asyncio.CancelledError:
        if not is_asked:
            raise
        return
    raise RuntimeError("the worker's jobs ended by themselves")
