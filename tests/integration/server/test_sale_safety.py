"""A flash sale's safety catches over HTTP: the misprice guard and the kill switch."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from commerce.goods.inventory import taking_back
from commerce.goods.inventory.store import lock_held
from commerce.kernel.ports import Connection
from server.wiring.gateway import GatewayProcess
from tests.support.shop import make_user

TERMS = {
    "sku": "demo-tea-bowl",
    "price_minor": 29_900,
    "quantity": 5,
    "per_buyer": 2,
    "countdown_s": 0,
    "duration_s": 600,
}


def sign(gateway: GatewayProcess, user_id: str, role: str) -> dict[str, str]:
    """Return the headers of somebody who exists."""
    tokens = gateway.app.state.edge.tokens
    identity = tokens.identity(user_id=user_id, name="Somebody", role=role)
    return {"Authorization": f"Bearer {tokens.issue(identity)}"}


class Desk:
    """A demo shop with a running flash sale, and its people."""

    def __init__(self, gateway: GatewayProcess, http: httpx.AsyncClient) -> None:
        self.gateway = gateway
        self.http = http
        self.headers: dict[str, dict[str, str]] = {}
        self.sale = ""

    async def open(self) -> Desk:
        """Start the show, arm the sale."""
        host = (await self.http.get("/api/rooms/demo")).json()["host"]["id"]
        self.headers["host"] = sign(self.gateway, host, "host")
        for role in ("guest", "operator", "moderator"):
            user = await make_user(self.gateway.app.state.services.database, role=role)
            self.headers[role] = sign(self.gateway, user, role)
        await self.post("host", "/api/rooms/demo/start")
        armed = await self.post("host", "/api/rooms/demo/flash-sales", TERMS)
        self.sale = armed.json()["sale"]["id"]
        return self

    async def post(self, who: str, path: str, body: Any = None, key: str = "") -> httpx.Response:
        """Make a call as somebody."""
        headers = {**self.headers[who], "Idempotency-Key": key or str(uuid.uuid4())}
        return await self.http.post(path, json=body or {}, headers=headers)

    async def on_sale(self, who: str, act: str, body: Any = None) -> httpx.Response:
        """Make a call about the sale."""
        return await self.post(who, f"/api/sales/{self.sale}/{act}", body)


async def test_host_and_operator_halt_and_resume_and_nobody_else(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    desk = await Desk(gateway, http).open()
    for who in ("guest", "moderator"):
        for act in ("halt", "resume"):
            answer = await desk.on_sale(who, act, {"reason": "no"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    for who in ("host", "operator"):
        answer = await desk.on_sale(who, "halt", {"reason": " a wrong price "})
        assert answer.status_code == 200
        sale = answer.json()["sale"]
        assert (sale["state"], sale["reason"]) == ("halted", "a wrong price")
        answer = await desk.on_sale(who, "resume")
        assert answer.json()["sale"]["state"] == "open"
        assert "reason" not in answer.json()["sale"]


async def test_a_press_hears_why_and_a_released_hold_is_counted(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    desk = await Desk(gateway, http).open()
    assert (await desk.on_sale("guest", "reservations", {"qty": 1})).status_code == 201
    answer = await desk.on_sale("host", "halt", {"reason": "a crack", "release_holds": True})
    assert answer.json()["released"] == 1
    answer = await desk.on_sale("guest", "reservations", {"qty": 1})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (409, "halted", True)
    assert error["detail"]["reason"] == "a crack"
    assert error["retry_ms"] > 0


async def test_holds_that_others_had_in_hand_are_released_too(
    gateway: GatewayProcess, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that frees fewer than it may is not the last: the call goes on until none is left."""
    desk = await Desk(gateway, http).open()
    for _ in range(2):
        assert (await desk.on_sale("guest", "reservations", {"qty": 1})).status_code == 201

    async def lock_one(connection: Connection, *, limit: int, **sale: str) -> list[str]:
        return await lock_held(connection, limit=min(limit, 1), **sale)

    monkeypatch.setattr(taking_back, "lock_held", lock_one)
    answer = await desk.on_sale("host", "halt", {"reason": "a crack", "release_holds": True})
    assert answer.json()["released"] == 2


async def test_a_halt_without_a_reason_stops_nothing(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    desk = await Desk(gateway, http).open()
    for body in ({}, {"reason": ""}, {"reason": "x" * 121}, {"reason": 5}):
        answer = await desk.on_sale("host", "halt", body)
        error = answer.json()["error"]
        assert (answer.status_code, error["detail"]["field"]) == (400, "reason")
    state = (await http.get("/api/rooms/demo")).json()
    assert "halted" not in {sale["state"] for sale in state["sales"]}


async def test_a_mispriced_sale_is_armed_only_when_its_price_is_given_twice(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    desk = await Desk(gateway, http).open()
    await desk.on_sale("host", "cancel")
    path, key = "/api/rooms/demo/flash-sales", "one-key"
    low = TERMS | {"price_minor": 1_990, "guard": {"floor_minor": 10_000, "max_cut_percent": 40}}
    before = (await http.get("/api/rooms/demo")).json()["sales"]
    for wrong in ({}, {"confirm_price_minor": 19_900}, {"confirm_price_minor": None}):
        answer = await desk.post("host", path, low | wrong, key=key)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "price_needs_confirmation")
        assert error["detail"] == {
            "price_minor": 1_990,
            "list_price_minor": 32_900,
            "cut_percent": 94,
            "floor_minor": 10_000,
        }
    assert (await http.get("/api/rooms/demo")).json()["sales"] == before
    answer = await desk.post("host", path, low | {"confirm_price_minor": 1_990}, key=key)
    assert answer.status_code == 201
    again = await desk.post("host", path, low, key=key)
    assert again.json()["sale"]["id"] == answer.json()["sale"]["id"]
    other = await desk.post("host", path, low | {"guard": None}, key=key)
    assert other.json()["error"]["code"] == "idempotency_conflict"


async def test_a_guard_that_cannot_be_is_refused_by_field(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    desk = await Desk(gateway, http).open()
    for guard, field in (
        ({"max_cut_percent": 101}, "guard.max_cut_percent"),
        ({"floor_minor": -1}, "guard.floor_minor"),
        ({"floor_minor": "1"}, "guard.floor_minor"),
        (7, "guard"),
    ):
        answer = await desk.post("host", "/api/rooms/demo/flash-sales", TERMS | {"guard": guard})
        error = answer.json()["error"]
        assert (answer.status_code, error["detail"]["field"]) == (400, field)


async def test_a_sale_shows_its_reference_only_when_asked(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    desk = await Desk(gateway, http).open()
    plain = next(
        sale
        for sale in (await http.get("/api/rooms/demo")).json()["sales"]
        if sale["id"] == desk.sale
    )
    assert not {"reference_minor", "reference_days", "reason"} & set(plain)
    await desk.on_sale("host", "cancel")
    path = "/api/rooms/demo/flash-sales"
    shown = (await desk.post("host", path, TERMS | {"show_reference": True})).json()["sale"]
    assert (shown["reference_minor"], shown["reference_days"]) == (29_900, 1)
