"""All processes are replaced in mid-sale: nobody is refused, stormed, or misses anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Crowd, all_at, read_log
from tests.support.api import (
    Caller,
    audit_now,
    log_in,
    start_flash_sale,
)
from tests.support.program import Program
from tests.support.viewer import Refusal, Viewer

BUYERS = 24
VISITORS = 176
UNITS = 12
NEWS_EVERY_S = 0.1
PRESS_EVERY_S = 0.5
RESTARTED_WITHIN_S = 240.0
WINDOW_S = 0.5
RETURNS_PER_S = 20
# Clients and servers share two cores with whatever else the machine does: what is late by so much
# comes together.
STALL_S = 2.0
# What a window may have by the plan, and a stall. Without slots it would be all of a gateway's,
# which are a hundred.
RETURNS_MAX = RETURNS_PER_S * (WINDOW_S + STALL_S)


@pytest.fixture
async def visitors() -> AsyncIterator[Callable[[str, int], list[Viewer]]]:
    """Return `visitors(url, count)`: viewers without a name, all gone at the end."""
    tasks: list[asyncio.Task[None]] = []

    def open_all(url: str, count: int) -> list[Viewer]:
        viewers = [Viewer(url) for _ in range(count)]
        tasks.extend(asyncio.create_task(viewer.run()) for viewer in viewers)
        return viewers

    yield open_all
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def tell(host: Caller, text: str) -> None:
    """Announce, as a browser would: again with the same key when a process went away meanwhile."""
    await host.insist("POST", "/api/rooms/demo/announce", {"text": text})


async def press(viewer: Viewer, sale_id: str, *, after_s: float) -> str | None:
    """Press once, some time into the restart; return the reservation, if it was won."""
    await asyncio.sleep(after_s)
    try:
        answer = await viewer.ask("reserve", {"sale": sale_id, "qty": 1})
    except Refusal as refusal:
        if refusal.error["code"] not in {"held_out", "sold_out"}:
            raise
        return None
    return str(answer["reservation"]["id"])


def restart(data_folder: Path) -> Program:
    """Run the operator's command to its end."""
    command = Program("restart", environment={"DATA": str(data_folder)})
    assert command.wait(RESTARTED_WITHIN_S) == 0, command.output
    return command


def most_returns(viewers: list[Viewer]) -> int:
    """Return how many viewers came back within the fullest window."""
    returns = sorted(at_s for viewer in viewers for at_s in viewer.tried_at_s[1:])
    return max(sum(at_s <= other < at_s + WINDOW_S for other in returns) for at_s in returns)


async def test_a_rolling_restart_in_mid_sale_loses_nothing_and_storms_nobody(
    serve: Callable[..., Program],
    database_url: str,
    data_folder: Path,
    crowd: Crowd,
    visitors: Callable[[str, int], list[Viewer]],
) -> None:
    program = serve(environment={"HUBBUB_RETURNS_PER_S": str(RETURNS_PER_S)})
    host = await log_in(program.url, "host")
    people = await crowd(program.url, BUYERS)
    viewers = [viewer for _, viewer in people] + visitors(program.url, VISITORS)
    async with asyncio.timeout(90):
        await asyncio.gather(*(viewer.is_in.wait() for viewer in viewers))
    sale = await start_flash_sale(host, quantity=UNITS, countdown_s=0)
    before = {process.pid for process in program.family()[1:]}

    restarting = asyncio.create_task(asyncio.to_thread(restart, data_folder))
    presses = [
        asyncio.create_task(press(viewer, sale["id"], after_s=n * PRESS_EVERY_S))
        for n, (_, viewer) in enumerate(people)
    ]
    told = 0
    while not restarting.done():
        told += 1
        await tell(host, f"News {told}")
        await asyncio.sleep(NEWS_EVERY_S)
    output = (await restarting).output
    reserved = await asyncio.gather(*presses)
    await tell(host, "All new")

    ours = program.children_with_role("gateway") + program.children_with_role("worker")
    assert len(ours) == 3
    assert not {process.pid for process in ours} & before
    assert output.count("is replaced by") == 3
    assert "process died" not in program.output

    log = await read_log(database_url)
    await all_at(viewers, log[-1][0])
    for viewer in viewers:
        assert viewer.missed(log) == []
        offsets = [offset for offset, _, _ in viewer.sale_events]
        assert offsets == sorted(set(offsets))
    assert {code for viewer in viewers for code in viewer.closes} == {4200}
    assert [viewer.failures for viewer in viewers if viewer.failures] == []
    assert all(viewer.closes for viewer in viewers)
    assert most_returns(viewers) <= RETURNS_MAX

    assert sum(id is not None for id in reserved) == UNITS
    for (caller, _), id in zip(people, reserved, strict=True):
        if id is not None:
            holds = await caller.call("GET", "/api/reservations")
            assert id in {hold["id"] for hold in holds["reservations"]}
    operator = await log_in(program.url, "operator")
    assert (await audit_now(operator))["violations"] == []
    await operator.close()
    await host.close()
