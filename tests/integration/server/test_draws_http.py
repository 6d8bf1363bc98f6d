"""Draws at the edge: who may call what, over HTTP and over the socket."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from commerce.sales.draws.service import hold_due_draws
from loadtests.conformance.matching import find_mismatch
from loadtests.conformance.shapes import DRAW, DRAW_ENTRY, DRAW_RECEIPT, SALE
from realtime.protocol.errors import CommandError
from realtime.rooms.ports import Caller, Identity, RoomRef
from server.bridge import RoomCommands
from server.wiring.gateway import GatewayProcess
from tests.integration.server.test_edge import NOBODY, TERMS, Person, sign_in, staff
from tests.support.drawing import close_entries


@pytest.fixture
async def host(gateway: GatewayProcess, http: httpx.AsyncClient) -> Person:
    """The demo room's host, with a live show."""
    person = await staff(gateway, http, "host")
    await person.call("POST", "/api/rooms/demo/start")
    return person


async def open_draw(host: Person, gateway: GatewayProcess, **terms: Any) -> str:
    """Arm a sale that is drawn, and open it."""
    body = TERMS | {"countdown_s": 0, "fairness": "draw"} | terms
    _, armed = await host.call("POST", "/api/rooms/demo/flash-sales", body)
    sale: str = armed["sale"]["id"]
    assert armed["sale"]["fairness"] == "draw"
    assert find_mismatch(armed["sale"], SALE) is None
    assert set(armed["sale"]["draw"]) == {"commit", "entry_closes_at_ms", "entries"}
    async with gateway.app.state.services.database.transaction() as transaction:
        await transaction.execute("UPDATE sales SET state = 'open' WHERE id = $1", sale)
    return sale


async def test_the_whole_way_over_http(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    sale = await open_draw(host, gateway, quantity=1)
    database = gateway.app.state.services.database
    people = [await sign_in(http, "/api/guests", {"name": "Lin"}) for _ in range(3)]
    path = f"/api/sales/{sale}/entries"
    entries = []
    for person in people:
        status, answer = await person.call("POST", path, {"qty": 1}, key="one")
        assert (status, answer["entry"]["state"]) == (201, "entered")
        assert await person.call("POST", path, {"qty": 1}, key="one") == (201, answer)
        assert find_mismatch(answer["entry"], DRAW_ENTRY) is None
        entries.append(answer["entry"]["id"])
    assert await people[0].call("POST", path, {"qty": 1}) == (409, "already_entered")
    reserve = await people[0].call("POST", f"/api/sales/{sale}/reservations", {"qty": 1})
    assert reserve == (409, "draw_only")
    assert (await people[2].call("DELETE", f"{path}/mine"))[1]["state"] == "withdrawn"
    await close_entries(database, sale)
    assert await people[2].call("POST", path, {"qty": 1}) == (409, "entries_closed")
    assert await hold_due_draws(database) == 1
    mine = [(await person.call("GET", f"{path}/mine"))[1] for person in people[:2]]
    assert sorted(one["rank"] for one in mine) == [1, 2]
    assert {one["state"]: one["of"] for one in mine} == {"won": 2, "lost": 2}
    public = (await http.get(f"/api/sales/{sale}/draw")).json()
    assert sorted(id for id, _ in public["entries"]) == sorted(entries[:2])
    assert public["winners"] == [one["entry"] for one in mine if one["state"] == "won"]
    assert public["is_end"] is True
    assert find_mismatch(public, DRAW) is None
    assert [find_mismatch(one, DRAW_RECEIPT) for one in mine] == [None, None]
    rest = (await http.get(f"/api/sales/{sale}/draw?after={public['entries'][0][0]}")).json()
    assert rest["entries"] == public["entries"][1:]


async def test_what_is_asked_wrongly_is_refused(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    arm = "/api/rooms/demo/flash-sales"
    for wrong in (
        {"fairness": "raffle"},
        {"fairness": "draw", "entry_s": 4},
        {"fairness": "draw", "entry_s": 601},
        {"fairness": "draw", "entry_s": 30, "duration_s": 30},
    ):
        assert await host.call("POST", arm, TERMS | wrong) == (400, "invalid_request"), wrong
    guest = await sign_in(http, "/api/guests", {"name": "Lin"})
    assert await guest.call("GET", f"/api/sales/{NOBODY}/entries/mine") == (404, "not_found")
    assert (await http.get(f"/api/sales/{NOBODY}/draw")).status_code == 404
    assert (await http.post(f"/api/sales/{NOBODY}/entries", json={"qty": 1})).status_code == 401
    _, plain = await host.call("POST", arm, TERMS)
    sale = plain["sale"]["id"]
    assert "fairness" not in plain["sale"]
    assert await guest.call("POST", f"/api/sales/{sale}/entries", {"qty": 1}) == (409, "not_a_draw")
    assert (await http.get(f"/api/sales/{sale}/draw")).status_code == 404
    assert await guest.call("GET", f"/api/sales/{sale}/entries/mine") == (404, "not_found")


async def test_who_never_entered_has_an_ordinary_answer(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    sale = await open_draw(host, gateway)
    guest = await sign_in(http, "/api/guests", {"name": "Lin"})
    mine = f"/api/sales/{sale}/entries/mine"
    assert await guest.call("GET", mine) == (200, {"entry": None})
    assert await guest.call("DELETE", mine) == (404, "not_found")


async def test_the_socket_enters_and_leaves(gateway: GatewayProcess, host: Person) -> None:
    sale = await open_draw(host, gateway)
    services = gateway.app.state.services
    commands = RoomCommands(
        services.inventory,
        services.waiting_list,
        services.draws,
        services.groups,
        services.permits,
        drops=services.drops,
    )
    caller = Caller(Identity(NOBODY, "Lena", "guest", 0), RoomRef("r", "demo", "e", "h", 0), "g1-1")

    async def run(command: str, key: str | None = "k", **args: Any) -> Any:
        return orjson.loads(await commands(caller, command, orjson.dumps(args), key))

    entered = await run("enter_draw", sale=sale, qty=1)
    assert entered["entry"]["state"] == "entered"
    left = await run("leave_draw", sale=sale)
    assert (left["entry"], left["state"]) == (entered["entry"]["id"], "withdrawn")
    with pytest.raises(CommandError) as refused:
        await run("enter_draw", key=None, sale=sale)
    assert refused.value.code == "idempotency_key_required"


async def test_an_order_says_that_its_units_came_by_a_draw(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    sale = await open_draw(host, gateway, quantity=1)
    database = gateway.app.state.services.database
    person = await sign_in(http, "/api/guests", {"name": "Lin"})
    await person.call("POST", f"/api/sales/{sale}/entries", {"qty": 1}, key="one")
    await close_entries(database, sale)
    await hold_due_draws(database)
    _, mine = await person.call("GET", f"/api/sales/{sale}/entries/mine")
    body = {"reservations": [mine["reservation"]]}
    status, made = await person.call("POST", "/api/orders", body, key="order")
    assert status == 201
    _, seen = await person.call("GET", f"/api/orders/{made['order']['id']}")
    assert [line["origin"] for line in seen["order"]["lines"]] == ["draw"]
