"""A gateway is killed in mid-sale: its viewers return through the other and miss nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.faults.conftest import Crowd, all_at, read_log
from tests.support.api import (
    audit_now,
    eventually,
    log_in,
    pay,
    start_flash_sale,
)
from tests.support.program import Program
from tests.support.viewer import Refusal

VIEWERS = 60
UNITS = 20


async def test_sigkill_of_a_gateway_loses_no_sale_event_and_no_reservation(
    serve: Callable[..., Program], database_url: str, crowd: Crowd
) -> None:
    program = serve()
    host = await log_in(program.url, "host")
    operator = await log_in(program.url, "operator")
    people = await crowd(program.url, VIEWERS)
    assert len({viewer.processes[0] for _, viewer in people}) == 2
    sale = await start_flash_sale(host, quantity=UNITS, countdown_s=0)

    async def press(n: int) -> str | None:
        _, viewer = people[n]
        try:
            answer = await viewer.ask("reserve", {"sale": sale["id"], "qty": 1}, key=f"press-{n}")
        except Refusal as refusal:
            if refusal.error["code"] not in ("held_out", "sold_out", "not_open"):
                raise
            return None
        return str(answer["reservation"]["id"])

    victim = program.children_with_role("gateway")[0]
    presses = [asyncio.create_task(press(n)) for n in range(VIEWERS)]
    await asyncio.sleep(0)  # Every press is on its way, and no answer has been read.
    victim.kill()
    reserved = [id for id in await asyncio.gather(*presses) if id]
    assert len(reserved) == len(set(reserved)) == UNITS
    winner = next(person for n, person in enumerate(people) if presses[n].result())
    await pay(winner[0], next(id for id in (p.result() for p in presses) if id))
    await host.insist("POST", f"/api/sales/{sale['id']}/close")
    await host.insist("POST", "/api/rooms/demo/announce", {"text": "Thank you"})

    log = await read_log(database_url)
    await all_at([viewer for _, viewer in people], log[-1][0])
    for _, viewer in people:
        assert viewer.missed(log) == []
        offsets = [offset for offset, _, _ in viewer.sale_events]
        assert offsets == sorted(set(offsets))
    assert any("replayed" in viewer.recoveries for _, viewer in people)
    report = await audit_now(operator)
    assert report["violations"] == []

    async def has_two_gateways() -> bool:
        return len(program.children_with_role("gateway")) == 2

    await eventually(has_two_gateways)
    await host.close()
    await operator.close()
