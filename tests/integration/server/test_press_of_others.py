"""Presses that are no reservations, at the edge: a seat in a team."""

from __future__ import annotations

import httpx
import pytest

from server.wiring.gateway import GatewayProcess
from tests.integration.server.test_edge import TERMS, Person, staff
from tests.integration.server.test_press_rules import LONG_MS, Viewer, make_viewer


@pytest.fixture
async def host(gateway: GatewayProcess, http: httpx.AsyncClient) -> Person:
    """The demo room's host, with a live show."""
    person = await staff(gateway, http, "host")
    await person.call("POST", "/api/rooms/demo/start")
    return person


@pytest.fixture
async def viewer(gateway: GatewayProcess, http: httpx.AsyncClient, host: Person) -> Viewer:
    """A guest in the demo room, whose show is live."""
    assert host is not None
    room = await gateway.app.state.services.states.find("demo")
    return await make_viewer(gateway, http, str(room.id))


async def test_joining_a_team_is_a_press_too(host: Person, viewer: Viewer) -> None:
    """Over the socket by its presence, over HTTP by a permit; a retry reaches its seat."""
    wish = {"sku": TERMS["sku"], "price_minor": 9_900, "need": 2, "quantity": 4, "per_buyer": 2}
    wish |= {"rules": {"present_s": 20}}
    status, answer = await host.call("POST", "/api/rooms/demo/group-buys", wish)
    assert status == 201, answer
    sale = answer["sale"]["id"]
    assert answer["sale"]["rules"] == {"version": 1, "present_s": 20}
    viewer.present_ms = 8_000
    assert (await viewer.ask("join_group", sale=sale)).code == "not_present_long_enough"
    path, headers = f"/api/sales/{sale}/groups", viewer.person.headers | {"Idempotency-Key": "k"}
    refused = await viewer.person.http.post(path, json={}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permit_required")
    viewer.present_ms = LONG_MS
    permit = (await viewer.ask("permit", sale=sale))["permit"]
    got = await viewer.person.http.post(path, json={"permit": permit}, headers=headers)
    assert got.status_code == 201, got.text
    again = await viewer.person.http.post(path, json={}, headers=headers)
    assert again.json()["reservation"]["id"] == got.json()["reservation"]["id"]
