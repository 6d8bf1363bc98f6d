"""Redis flushed, killed and restarted empty; PostgreSQL killed: late, never wrong."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import psutil
import pytest
import redis

from tests.faults.conftest import Crowd, all_at
from tests.support.api import (
    Caller,
    audit_now,
    eventually,
    log_in,
    open_client,
    start_flash_sale,
)
from tests.support.program import Program
from tests.support.viewer import Refusal, Viewer, newest_offset

VIEWERS = 20
UNITS = 8


def server_of(program: Program, name: str) -> psutil.Process:
    """Return the embedded server's process with this program name."""
    return next(
        process
        for process in program.family()[1:]
        if name in process.name() and process.ppid() == program.pid
    )


async def readiness(url: str) -> int:
    """Return the status of /readyz."""
    async with open_client() as http:
        return (await http.get(f"{url}/readyz")).status_code


async def press_all(people: list[tuple[Caller, Viewer]], sale_id: str) -> list[str]:
    """Let everybody press once and return the reservations."""

    async def press(viewer: Viewer) -> str | None:
        try:
            answer = await viewer.ask("reserve", {"sale": sale_id, "qty": 1})
        except Refusal as refusal:
            if refusal.error["code"] not in ("held_out", "sold_out"):
                raise
            return None
        return str(answer["reservation"]["id"])

    answers = await asyncio.gather(*(press(viewer) for _, viewer in people))
    return [answer for answer in answers if answer]


async def finish(program: Program, host: Caller, people: list[tuple[Caller, Viewer]]) -> None:
    """Announce once more; everybody must get everything, and the audit be clean."""
    await host.insist("POST", "/api/rooms/demo/announce", {"text": "Still here"})
    operator = await log_in(program.url, "operator")
    report = await audit_now(operator)
    assert report["violations"] == []
    end = await newest_offset(program.port)
    await all_at([viewer for _, viewer in people], end)
    for _, viewer in people:
        offsets = [offset for offset, _, _ in viewer.sale_events]
        first = viewer.snapshots[0][0]
        covered = max(offset for offset, _ in viewer.snapshots)
        expected = set(range(first + 1, end + 1))
        assert expected - set(offsets) <= set(range(first + 1, covered + 1))
        assert len(offsets) == len(set(offsets))
    await operator.close()
    await host.close()


async def test_redis_flushed_in_mid_sale_loses_nothing(
    serve: Callable[..., Program], redis_url: str, crowd: Crowd
) -> None:
    program = serve()
    host = await log_in(program.url, "host")
    people = await crowd(program.url, VIEWERS)
    sale = await start_flash_sale(host, quantity=UNITS, countdown_s=0)
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    reserved = await press_all(people, sale["id"])
    client.flushall()
    client.close()
    assert len(reserved) == UNITS
    await finish(program, host, people)


async def test_redis_killed_in_mid_sale_turns_readiness_red_and_loses_nothing(
    serve: Callable[..., Program], crowd: Crowd
) -> None:
    program = serve(embedded=True)
    host = await log_in(program.url, "host")
    people = await crowd(program.url, VIEWERS)
    sale = await start_flash_sale(host, quantity=UNITS, countdown_s=0)
    server_of(program, "valkey").suspend()
    stopped = server_of(program, "valkey")

    async def is_red() -> bool:
        return await readiness(program.url) == 503

    await eventually(is_red)
    reserved = await press_all(people, sale["id"])
    assert len(reserved) == UNITS
    await host.insist("POST", "/api/rooms/demo/announce", {"text": "Without Redis"})
    stopped.kill()

    async def is_green() -> bool:
        return await readiness(program.url) == 200

    await eventually(is_green)
    await finish(program, host, people)


@pytest.mark.parametrize(
    "blow", [signal.SIGKILL, signal.SIGQUIT], ids=["killed", "stopped immediately"]
)
async def test_postgresql_killed_in_mid_sale_loses_nothing_acknowledged(
    serve: Callable[..., Program], crowd: Crowd, blow: signal.Signals
) -> None:
    """SIGQUIT is PostgreSQL's own immediate stop: it drops everything and recovers as it starts."""
    program = serve(embedded=True)
    host = await log_in(program.url, "host")
    people = await crowd(program.url, VIEWERS)
    sale = await start_flash_sale(host, quantity=UNITS, countdown_s=0)
    pressing = asyncio.create_task(press_all(people, sale["id"]))
    server_of(program, "postgres").send_signal(blow)
    reserved = await pressing
    assert len(reserved) == len(set(reserved)) == UNITS

    async def is_green() -> bool:
        return await readiness(program.url) == 200

    await eventually(is_green)
    for caller, _ in people:
        # One gateway has said that it is ready; this may be the other.
        holds = await caller.insist("GET", "/api/reservations")
        reserved = [id for id in reserved if id not in {h["id"] for h in holds["reservations"]}]
    assert reserved == []
    await finish(program, host, people)
