"""The waiting list at the edge: who may call it, over HTTP and over the socket."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import orjson
import pytest

from loadtests.conformance.matching import find_mismatch
from loadtests.conformance.shapes import ENTRY
from realtime.protocol.errors import CommandError
from realtime.rooms.ports import Caller, Identity, RoomRef
from server.bridge import RoomCommands
from server.wiring.gateway import GatewayProcess
from tests.integration.server.test_edge import NOBODY, TERMS, Person, sign_in, staff


@pytest.fixture
async def host(gateway: GatewayProcess, http: httpx.AsyncClient) -> Person:
    """The demo room's host, with a live show."""
    person = await staff(gateway, http, "host")
    await person.call("POST", "/api/rooms/demo/start")
    return person


async def guest(http: httpx.AsyncClient) -> Person:
    """Come in as a guest."""
    return await sign_in(http, "/api/guests", {"name": "Lin"})


async def held_out(host: Person, holder: Person) -> tuple[str, str]:
    """Open a sale of one unit that somebody holds; return the sale and the reservation."""
    _, armed = await host.call("POST", "/api/rooms/demo/flash-sales", TERMS | {"quantity": 1})
    sale = armed["sale"]["id"]
    _, held = await holder.call("POST", f"/api/sales/{sale}/reservations", {"qty": 1})
    return sale, held["reservation"]["id"]


async def test_the_whole_way_over_http(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    holder, waiter = await guest(http), await guest(http)
    sale, reservation = await held_out(host, holder)
    path = f"/api/sales/{sale}/waiting-list"
    status, joined = await waiter.call("POST", path, {"qty": 1}, key="one")
    assert status == 201
    assert find_mismatch(joined["entry"], ENTRY) is None
    assert (joined["entry"]["place"], joined["entry"]["waiting"]) == (1, 1)
    assert await waiter.call("POST", path, {"qty": 1}, key="one") == (201, joined)
    assert await waiter.call("POST", path, {"qty": 1}) == (409, "already_waiting")
    assert await waiter.call("POST", path, {"qty": 0}) == (400, "invalid_request")
    assert await waiter.call("POST", path, {"qty": 1}, key=None) == (
        400,
        "idempotency_key_required",
    )
    await holder.call("DELETE", f"/api/reservations/{reservation}")
    _, listed = await waiter.call("GET", "/api/waiting-list")
    [entry] = listed["entries"]
    assert (entry["state"], entry["room"], entry["place"]) == ("offered", "demo", None)
    _, holds = await waiter.call("GET", "/api/reservations")
    assert [hold["id"] for hold in holds["reservations"]] == [entry["reservation"]]
    mine = f"/api/waiting-list/{entry['id']}"
    assert await holder.call("DELETE", mine) == (404, "not_found")
    status, left = await waiter.call("DELETE", mine)
    assert (status, left["entry"]["state"]) == (200, "passed")
    assert await waiter.call("POST", path, {"qty": 1}) == (409, "not_held_out")


async def test_an_ordered_offer_is_not_left(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    holder, waiter = await guest(http), await guest(http)
    sale, reservation = await held_out(host, holder)
    await waiter.call("POST", f"/api/sales/{sale}/waiting-list", {"qty": 1})
    await holder.call("DELETE", f"/api/reservations/{reservation}")
    [entry] = (await waiter.call("GET", "/api/waiting-list"))[1]["entries"]
    await waiter.call("POST", "/api/orders", {"reservations": [entry["reservation"]]})
    assert await waiter.call("DELETE", f"/api/waiting-list/{entry['id']}") == (409, "wrong_state")


async def test_visitors_and_wrong_names_get_nothing(http: httpx.AsyncClient, host: Person) -> None:
    person = await guest(http)
    for method, path in (
        ("POST", f"/api/sales/{NOBODY}/waiting-list"),
        ("DELETE", f"/api/waiting-list/{NOBODY}"),
    ):
        assert await person.call(method, path, {"qty": 1}) == (404, "not_found")
        visitor = await http.request(
            method, path, json={"qty": 1}, headers={"Idempotency-Key": "k"}
        )
        assert visitor.status_code == 401
    assert (await http.get("/api/waiting-list")).status_code == 401


async def test_the_socket_has_the_same_commands(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    services = gateway.app.state.services
    commands = RoomCommands(
        services.inventory,
        services.waiting_list,
        services.draws,
        services.groups,
        services.permits,
        drops=services.drops,
    )
    sale, _ = await held_out(host, await guest(http))
    caller = Caller(
        Identity(str(uuid.uuid4()), "Lena", "guest", 0), RoomRef("r", "demo", "e", "h", 0), "g1-1"
    )

    async def run(command: str, **args: Any) -> Any:
        return orjson.loads(await commands(caller, command, orjson.dumps(args), "k"))

    joined = await run("join_waiting_list", sale=sale)
    assert find_mismatch(joined, {"entry": ENTRY}) is None
    left = await run("leave_waiting_list", entry=joined["entry"]["id"])
    assert left["entry"]["state"] == "left"
    with pytest.raises(CommandError, match="no such entry"):
        await run("leave_waiting_list", entry=NOBODY)
