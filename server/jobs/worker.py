"""Run every job at its own pace, for ever.

Invariant: a database or a Redis that is away makes jobs late, never wrong. A statement that the
database refuses is a bug: it is logged in full and costs that job its round, no other job
anything. Whatever else a job raises ends the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec

from server.db.faults import AWAY

log = logging.getLogger(__name__)

# After a failure a job waits this long, whatever its pace: the database needs air, not knocking.
PAUSE_AFTER_TROUBLE_S = 1.0


class Job(msgspec.Struct, frozen=True):
    """One piece of work and how long to rest between two runs.

    That is `every_s` seconds, and at least `rest_per_work` times as long as the last run took:
    work that grows with the database slows itself down instead of filling a core.
    """

    name: str
    every_s: float
    run: Callable[[], Awaitable[object]]
    rest_per_work: float = 0.0

    def rest_s(self, took_s: float) -> float:
        """Return how long to rest after a run that took so long."""
        return max(self.every_s, self.rest_per_work * took_s)


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
    """Run a job at its pace, until cancelled.

    A cancellation that the job lost, because what it was cut off from failed at the same moment,
    is noticed when the job is over.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    while True:
        started_s, pause_s = loop.time(), 0.0
        try:
            await job.run()
        except AWAY as error:
            log.warning("job %s is late: %s", job.name, type(error).__name__)
            pause_s = PAUSE_AFTER_TROUBLE_S
        except asyncpg.PostgresError:
            log.exception("job %s was refused by the database", job.name)
            pause_s = PAUSE_AFTER_TROUBLE_S
        if task.cancelling():
            raise asyncio.CancelledError
        await asyncio.sleep(pause_s + job.rest_s(loop.time() - started_s))
