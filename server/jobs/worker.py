"""Run every job at its own pace, for ever.

Invariant: a database or a Redis that is away makes jobs late, never wrong, and never ends the
worker; anything else that a job raises is a bug and ends the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from realtime.brokers.ports import BrokerUnavailableError
from server.bridge import DATABASE_TROUBLE

log = logging.getLogger(__name__)

# After a failure a job waits this long, whatever its pace: the database needs air, not knocking.
PAUSE_AFTER_TROUBLE_S = 1.0


class Job(msgspec.Struct, frozen=True):
    """One piece of work and how long to wait between two runs, in seconds."""

    name: str
    every_s: float
    run: Callable[[], Awaitable[object]]


class Worker:
    """The jobs of one worker process."""

    def __init__(self, jobs: list[Job], close: Callable[[], Awaitable[None]]) -> None:
        self._jobs = jobs
        self._close = close

    async def run(self) -> None:
        """Do all jobs until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for job in self._jobs:
                    tasks.create_task(repeat(job), name=job.name)
        finally:
            await self._close()


async def repeat(job: Job) -> None:
    """Run a job at its pace, for ever."""
    while True:
        try:
            await job.run()
        except (*DATABASE_TROUBLE, BrokerUnavailableError) as error:
            log.warning("job %s is late: %s", job.name, type(error).__name__)
            await asyncio.sleep(PAUSE_AFTER_TROUBLE_S)
        await asyncio.sleep(job.every_s)
