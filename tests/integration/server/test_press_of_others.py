"""Presses that are no reservations, at the edge: a seat in a team, a coupon of a drop."""

from __future__ import annotations

import uuid

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


@pytest.mark.usefixtures("press_clock")
async def test_a_coupon_is_claimed_over_the_socket_as_over_http(
    host: Person, viewer: Viewer
) -> None:
    """One function answers both: the same key is the same claim, whichever way it comes."""
    wish = {"title": "30 off", "amount_minor": 3_000, "quantity": 2}
    _, made = await host.call("POST", "/api/rooms/demo/coupons", wish)
    terms = {"coupon": made["coupon"]["coupon"]["id"], "quantity": 2, "countdown_s": 0}
    terms |= {"duration_s": 60, "claims_per_address_s": 1}
    status, armed = await host.call("POST", "/api/rooms/demo/drops", terms)
    assert status == 201, armed
    drop = armed["drop"]["id"]
    got = await viewer.ask("claim_coupon", key="k", drop=drop)
    assert got["claim"]["state"] == "claimed"
    headers = viewer.person.headers | {"Idempotency-Key": "k"}
    again = await viewer.person.http.post(f"/api/drops/{drop}/claims", headers=headers)
    assert again.json()["claim"]["id"] == got["claim"]["id"]
    assert (await viewer.ask("claim_coupon", key="other", drop=drop)).code == "slow_down"
    assert (await viewer.ask("claim_coupon", drop=str(uuid.uuid4()))).code == "not_found"
    assert (await viewer.ask("claim_coupon", drop="x")).code == "not_found"
