"""Order in the chat over HTTP: modes as a whole, by those who may; orders within the budget."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from commerce.kernel.ports import SystemLine
from server.wiring.gateway import GatewayProcess
from server.wiring.sources import FreshIds
from tests.integration.server.test_edge import Person, snapshot, staff
from tests.support.shop import make_shop

MODES = "/api/rooms/demo/modes"


@pytest.fixture
async def moderator(gateway: GatewayProcess, http: httpx.AsyncClient) -> Person:
    """The demo room's moderator."""
    return await staff(gateway, http, "moderator")


async def room_id(gateway: GatewayProcess) -> str:
    """The demo room's id."""
    found = await gateway.app.state.services.states.find("demo")
    return str(found.id)


async def test_modes_are_set_as_a_whole_by_host_moderator_and_operator(
    gateway: GatewayProcess, http: httpx.AsyncClient, moderator: Person
) -> None:
    assert (await snapshot(http))["modes"] == {}
    wanted = {"slow_s": 10, "links_off": True}
    assert await moderator.call("PUT", MODES, wanted) == (200, {"modes": wanted})
    assert (await snapshot(http))["modes"] == wanted
    for role in ("host", "operator"):
        person = await staff(gateway, http, role)
        assert await person.call("PUT", MODES, {"emote_only": True}) == (
            200,
            {"modes": {"emote_only": True}},
        )
    assert (await snapshot(http))["modes"] == {"emote_only": True}
    assert await moderator.call("PUT", MODES, {}) == (200, {"modes": {}})
    assert (await snapshot(http))["modes"] == {}


async def test_modes_that_are_so_already_are_not_told_again(
    gateway: GatewayProcess, moderator: Person
) -> None:
    states = gateway.app.state.services.states
    before = (await states.find("demo")).offset
    for _ in range(3):
        await moderator.call("PUT", MODES, {"slow_s": 5})
    assert (await states.find("demo")).offset == before + 1


@pytest.mark.parametrize(
    "body",
    [{"slow_s": 301}, {"slow_s": -1}, {"slow_s": "5"}, {"slow_s": 1.5}, {"links_off": 1}, [], None],
)
async def test_impossible_modes_are_refused(
    http: httpx.AsyncClient, moderator: Person, body: Any
) -> None:
    assert await moderator.call("PUT", MODES, body) == (400, "invalid_request")
    assert (await snapshot(http))["modes"] == {}


async def test_a_paid_order_waits_for_the_rooms_budget_in_the_process_that_committed_it(
    gateway: GatewayProcess,
) -> None:
    room, line = await room_id(gateway), SystemLine(FreshIds().new(), "l***a", "3 Bowl", "order", 5)
    async with gateway.app.state.services.database.transaction() as transaction:
        transaction.say(room, line)
    waiting = gateway._gateway.chat._waiting[room].lines
    assert [(shown.id, shown.flags) for shown in waiting] == [(line.id, ("order",))]


async def test_a_moderator_sets_the_modes_of_the_own_room_only(
    gateway: GatewayProcess, moderator: Person
) -> None:
    await make_shop(gateway.app.state.services.database, slug="other")
    body = {"slow_s": 5}
    for room, refusal in (("other", (403, "forbidden")), ("nowhere", (404, "not_found"))):
        assert await moderator.call("PUT", f"/api/rooms/{room}/modes", body) == refusal
