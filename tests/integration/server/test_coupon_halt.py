"""The kill switch of a coupon over HTTP: who may, what is answered, what a claim hears."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from server.wiring.gateway import GatewayProcess
from tests.integration.server.test_sale_safety import Desk, sign
from tests.support.shop import make_user

HALT = {"reason": " ten times too much "}


@pytest.fixture
async def desk(gateway: GatewayProcess, http: httpx.AsyncClient) -> Desk:
    """A demo shop with its people."""
    return await Desk(gateway, http).open()


async def make_coupon(desk: Desk) -> str:
    """Make a coupon of the demo room for the whole shop."""
    terms = {"title": "500 off", "amount_minor": 50_000, "quantity": 5, "scope": "shop"}
    answer = await desk.post("host", "/api/rooms/demo/coupons", terms)
    return str(answer.json()["coupon"]["coupon"]["id"])


def code_of(answer: httpx.Response) -> tuple[int, Any]:
    """Return (status, code) of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


async def test_host_and_operator_halt_and_resume_a_coupon_and_nobody_else(desk: Desk) -> None:
    """Another room's host is nobody here, also of a coupon that is good in every room."""
    path = f"/api/coupons/{await make_coupon(desk)}"
    other = await make_user(desk.gateway.app.state.services.database, role="host")
    desk.headers["other"] = sign(desk.gateway, other, "host")
    for who in ("guest", "moderator", "other"):
        for act in ("halt", "resume"):
            assert code_of(await desk.post(who, f"{path}/{act}", HALT)) == (403, "forbidden")
    for who in ("host", "operator"):
        for _ in range(2):
            answer = await desk.post(who, f"{path}/halt", HALT)
            assert answer.status_code == 200
            figures = answer.json()["coupon"]
            assert figures["coupon"]["halt_reason"] == "ten times too much"
        for _ in range(2):
            answer = await desk.post(who, f"{path}/resume")
            assert "halt_reason" not in answer.json()["coupon"]["coupon"]


async def test_a_halt_needs_a_key_a_reason_and_a_coupon(desk: Desk) -> None:
    path = f"/api/coupons/{await make_coupon(desk)}/halt"
    bare = await desk.http.post(path, json=HALT, headers=desk.headers["host"])
    assert code_of(bare) == (400, "idempotency_key_required")
    nobody = await desk.http.post(path, json={}, headers={"Idempotency-Key": "k"})
    assert code_of(nobody) == (401, "unauthenticated")
    assert code_of(await desk.post("host", path)) == (400, "invalid_request")
    assert code_of(await desk.post("host", path, {"reason": " "})) == (400, "invalid_request")
    for id in (str(uuid4()), "nothing"):
        for act in ("halt", "resume"):
            answer = await desk.post("host", f"/api/coupons/{id}/{act}", HALT)
            assert code_of(answer) == (404, "not_found")


async def test_the_room_and_the_owner_of_a_coupon_see_that_it_is_halted(desk: Desk) -> None:
    """In the room's state, in one's own coupons, and as the answer to a claim."""
    coupon = await make_coupon(desk)
    terms = {"coupon": coupon, "quantity": 5, "countdown_s": 0, "duration_s": 60}
    drop = (await desk.post("host", "/api/rooms/demo/drops", terms)).json()["drop"]["id"]
    claims = f"/api/drops/{drop}/claims"
    assert (await desk.post("guest", claims)).status_code == 201
    await desk.post("host", f"/api/coupons/{coupon}/halt", HALT)
    state = (await desk.http.get("/api/rooms/demo")).json()
    assert state["drops"][0]["coupon"]["halt_reason"] == "ten times too much"
    mine = (await desk.http.get("/api/coupons", headers=desk.headers["guest"])).json()["claims"]
    assert [one["state"] for one in mine] == ["halted"]
    refused = await desk.post("moderator", claims)
    assert code_of(refused) == (409, "coupon_halted")
    assert refused.json()["error"]["detail"] == {"reason": "ten times too much"}
