"""A job keeps its pace, is late when a server is away, and ends with its process otherwise."""

from __future__ import annotations

import asyncio
import logging

import asyncpg
import pytest

from realtime.brokers.ports import BrokerUnavailableError
from server.jobs import worker
from server.jobs.worker import Job, repeat


class EnoughError(Exception):
    """Ends the endless loop of a test."""


def job_that_raises(*errors: Exception) -> tuple[Job, list[Exception]]:
    """Return a job that raises one after the other, then ends; and what is to come."""
    to_come = [*errors, EnoughError()]

    async def run() -> None:
        raise to_come.pop(0)

    return Job("demo", 0.0, run), to_come


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a job go on at once after trouble."""
    monkeypatch.setattr(worker, "PAUSE_AFTER_TROUBLE_S", 0.0)


def test_a_job_rests_its_pace_and_longer_after_long_work() -> None:
    job = Job("audit", 4.0, lambda: asyncio.sleep(0), rest_per_work=5.0)
    assert [job.rest_s(took_s) for took_s in (0.1, 0.8, 2.0)] == [4.0, 4.0, 10.0]


@pytest.mark.parametrize(
    "error",
    [
        BrokerUnavailableError("redis is away"),
        ConnectionRefusedError(),
        FileNotFoundError(),
        TimeoutError(),
        asyncpg.DeadlockDetectedError(),
        asyncpg.DiskFullError(),
        asyncpg.QueryCanceledError(),
        asyncpg.ConnectionDoesNotExistError(),
    ],
)
async def test_a_server_that_is_away_makes_a_job_late(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    job, to_come = job_that_raises(error)
    with pytest.raises(EnoughError):
        await repeat(job)
    assert to_come == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_refused_statement_is_logged_in_full_and_costs_one_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    job, to_come = job_that_raises(asyncpg.CheckViolationError("claimed > total"))
    with pytest.raises(EnoughError):
        await repeat(job)
    assert to_come == []
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


async def test_any_other_error_ends_the_job() -> None:
    job, to_come = job_that_raises(KeyError("a bug"))
    with pytest.raises(KeyError):
        await repeat(job)
    assert len(to_come) == 1


async def test_a_job_that_loses_its_cancellation_stops_when_it_is_over() -> None:
    inside = asyncio.Event()

    async def lose_it() -> None:
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise asyncpg.InterfaceError("the connection is closed") from None

    task = asyncio.create_task(repeat(Job("loses", 0.0, lose_it)))
    await inside.wait()
    task.cancel()
    await asyncio.wait([task], timeout=30.0)
    assert task.cancelled()
