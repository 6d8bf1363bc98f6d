"""Restocking and adjustments: rights, refusals, retries, and who gets the units."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from commerce.insight.audit.service import audit
from loadtests.conformance.matching import find_mismatch
from loadtests.conformance.shapes import RESERVATION, SALE
from server.wiring.gateway import GatewayProcess
from tests.integration.server.test_edge import NOBODY, TERMS, Person, sign_in, staff
from tests.support.shop import make_shop

SKU = "/api/skus/demo-tea-bowl/adjustments"


@pytest.fixture
async def host(gateway: GatewayProcess, http: httpx.AsyncClient) -> Person:
    """The demo room's host, with a live show."""
    person = await staff(gateway, http, "host")
    await person.call("POST", "/api/rooms/demo/start")
    return person


async def guest(http: httpx.AsyncClient) -> Person:
    """Come in as a guest."""
    return await sign_in(http, "/api/guests", {"name": "Lin"})


async def available(host: Person) -> int:
    """Return the free units of the SKU's own pool."""
    products = (await host.call("GET", "/api/products"))[1]["products"]
    found: int = next(p["available"] for p in products if p["sku"] == "demo-tea-bowl")
    return found


async def held_sale(host: Person, http: httpx.AsyncClient, **terms: int) -> str:
    """Open a flash sale and let all its units be held."""
    _, armed = await host.call("POST", "/api/rooms/demo/flash-sales", TERMS | terms)
    sale: str = armed["sale"]["id"]
    for _ in range(terms["quantity"]):
        person = await guest(http)
        assert (await press(person, sale))[0] == 201
    return sale


async def press(person: Person, sale: str) -> tuple[int, Any]:
    """Press buy once."""
    return await person.call("POST", f"/api/sales/{sale}/reservations", {"qty": 1})


async def test_a_sku_is_restocked_once_a_key_and_written_off_with_a_reason(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    before = await available(host)
    body = {"delta": 5, "reason": "found a box"}
    status, done = await host.call("POST", SKU, body, key="one")
    assert (status, done["added"], done["to_waiting_list"]) == (200, 5, 0)
    assert done["stock"][0] == before + 5
    assert await host.call("POST", SKU, body, key="one") == (200, done)
    assert await host.call("POST", SKU, body | {"delta": 6}, key="one") == (
        422,
        "idempotency_conflict",
    )
    operator = await staff(gateway, http, "operator")
    assert (await operator.call("POST", SKU, {"delta": -3, "reason": "broken"}))[0] == 200
    assert await available(host) == before + 2
    database = gateway.app.state.services.database
    async with database.reading() as connection:
        rows = await connection.fetch(
            "SELECT a.delta, a.reason, j.reason AS journal, j.total_delta FROM adjustments a"
            " JOIN stock_journal j USING (pool_id, version) ORDER BY a.at_ms, a.version"
        )
    assert [tuple(row) for row in rows] == [
        (5, "found a box", "restocked", 5),
        (-3, "broken", "written_off", -3),
    ]
    assert (await audit(database)).violations == []


async def test_nothing_goes_below_what_is_claimed(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    free = await available(host)
    status, code = await host.call("POST", SKU, {"delta": -free - 1, "reason": "lost"})
    assert (status, code) == (409, "below_claimed")
    assert await available(host) == free
    sale = await held_sale(host, http, quantity=2)
    assert await host.call("POST", f"/api/sales/{sale}/add", {"quantity": -1}) == (
        409,
        "below_claimed",
    )


async def test_units_added_to_a_sale_go_to_those_who_wait_first(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    before = await available(host)
    sale = await held_sale(host, http, quantity=1)
    for _ in range(3):
        waiter = await guest(http)
        status, _ = await waiter.call("POST", f"/api/sales/{sale}/waiting-list", {"qty": 1})
        assert status == 201
    path = f"/api/sales/{sale}/add"
    status, done = await host.call("POST", path, {"quantity": 5}, key="one")
    assert (status, done) == (200, {"added": 5, "to_waiting_list": 3, "stock": [2, 4, 0]})
    assert await host.call("POST", path, {"quantity": 5}, key="one") == (200, done)
    assert await available(host) == before - 6
    assert (await press(await guest(http), sale))[0] == 201
    status, done = await host.call("POST", path, {"quantity": -1})
    assert (status, done["added"], done["stock"]) == (200, -1, [0, 5, 0])
    assert await available(host) == before - 5
    assert (await audit(gateway.app.state.services.database)).violations == []


async def test_what_is_impossible_is_refused(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    sale = await held_sale(host, http, quantity=1)
    add = f"/api/sales/{sale}/add"
    free = await available(host)
    refusals: list[tuple[str, Any, tuple[int, str]]] = [
        (SKU, {"delta": 0, "reason": "x"}, (400, "invalid_request")),
        (SKU, {"delta": 1, "reason": ""}, (400, "invalid_request")),
        (SKU, {"delta": 1}, (400, "invalid_request")),
        ("/api/skus/nothing/adjustments", {"delta": 1, "reason": "x"}, (404, "not_found")),
        (add, {"quantity": 0}, (400, "invalid_request")),
        (add, {"quantity": -1}, (400, "invalid_request")),
        (add, {"quantity": free + 1}, (409, "not_enough_stock")),
        (f"/api/sales/{NOBODY}/add", {"quantity": 1}, (404, "not_found")),
    ]
    for path, body, answer in refusals:
        assert await host.call("POST", path, body) == answer, (path, body)
    await host.call("POST", f"/api/sales/{sale}/close", {})
    assert await host.call("POST", add, {"quantity": 1}) == (409, "ended")


async def test_only_staff_change_stock_and_only_in_the_own_room(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    sale = await held_sale(host, http, quantity=1)
    person = await guest(http)
    operator = await staff(gateway, http, "operator")
    assert await person.call("POST", SKU, {"delta": 1, "reason": "x"}) == (403, "forbidden")
    for one in (person, operator):
        call = one.call("POST", f"/api/sales/{sale}/add", {"quantity": 1})
        assert await call == (403, "forbidden")
    other = await make_shop(gateway.app.state.services.database, slug="other")
    tokens = gateway.app.state.edge.tokens
    stranger = tokens.identity(user_id=other.host_id, name="X", role="host")
    call = Person(http, tokens.issue(stranger)).call(
        "POST", f"/api/sales/{sale}/add", {"quantity": 1}
    )
    assert await call == (403, "forbidden")


async def test_adding_pressing_and_taking_back_at_once_keeps_the_books(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    sale = await held_sale(host, http, quantity=1)
    people = [await guest(http) for _ in range(10)]
    path = f"/api/sales/{sale}/add"
    calls = [press(person, sale) for person in people]
    calls += [host.call("POST", path, {"quantity": n}) for n in (2, 3, -1, -2, 1)]
    calls += [host.call("POST", SKU, {"delta": n, "reason": "x"}) for n in (1, -1, 4)]
    answers = await asyncio.gather(*calls)
    assert {status for status, _ in answers} <= {200, 201, 400, 409}
    assert (await audit(gateway.app.state.services.database)).violations == []


async def test_a_cart_over_http_is_had_whole_or_refused_item_by_item(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    sale = (await host.call("POST", "/api/rooms/demo/flash-sales", TERMS))[1]["sale"]["id"]
    state = (await http.get("/api/rooms/demo")).json()
    regular = next(one["id"] for one in state["sales"] if one["kind"] == "regular")
    person = await guest(http)
    items = [{"sale": sale, "qty": 1}, {"sale": regular, "qty": 2}]
    status, answer = await person.call("POST", "/api/reservations", {"items": items}, key="k")
    assert status == 201
    assert all(find_mismatch(one, RESERVATION) is None for one in answer["reservations"])
    assert [one["qty"] for one in answer["reservations"]] == [1, 2]
    status, again = await person.call("POST", "/api/reservations", {"items": items}, key="k")
    assert [one["id"] for one in again["reservations"]] == [
        one["id"] for one in answer["reservations"]
    ]
    response = await http.post(
        "/api/reservations",
        json={"items": items},
        headers={**person.headers, "Idempotency-Key": "another"},
    )
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (409, "cart_refused")
    assert error["detail"] == {"items": [{"sale": sale, "code": "limit_reached"}]}
    for bad in ([], [{"sale": sale, "qty": 0}], [{"sale": sale, "qty": 1}] * 21):
        assert await person.call("POST", "/api/reservations", {"items": bad}) == (
            400,
            "invalid_request",
        )
    assert (await http.post("/api/reservations", json={"items": items})).status_code == 401


async def test_a_campaign_price_is_the_hosts_to_set_and_to_take_back(
    http: httpx.AsyncClient, host: Person
) -> None:
    path = "/api/skus/demo-tea-bowl/campaign-prices"
    body = {"price_minor": 20_000, "until_ms": 4_000_000_000_000}
    assert (await (await guest(http)).call("POST", path, body))[0] == 403
    assert (await host.call("POST", path, body))[0] == 400
    body["until_ms"] = int(time.time() * 1000) + 3_600_000
    assert (await host.call("POST", "/api/skus/none/campaign-prices", body))[0] == 404
    status, answer = await host.call("POST", path, body)
    assert status == 201
    made = answer["campaign_price"]
    status, refused = await host.call("POST", path, body)
    assert (status, refused) == (409, "campaign_price_exists")
    products = (await host.call("GET", "/api/products"))[1]["products"]
    [shown] = [one["campaign_price"] for one in products if one["campaign_price"]]
    assert (shown["id"], shown["price_minor"]) == (made["id"], 20_000)
    state = (await host.call("GET", "/api/rooms/demo"))[1]
    assert [find_mismatch(one, SALE) for one in state["sales"]] == [None] * len(state["sales"])
    [sale] = [one for one in state["sales"] if one["sku"] == "demo-tea-bowl"]
    assert sale["campaign_price"] == shown
    back = f"/api/campaign-prices/{made['id']}/withdraw"
    assert (await (await guest(http)).call("POST", back))[0] == 403
    status, ended = await host.call("POST", back)
    assert (status, ended["campaign_price"]["is_withdrawn"]) == (200, True)
    assert (await host.call("POST", back))[1] == ended
