"""A sale's journal, read by whoever may check what buyers were told."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from commerce.goods.inventory import journal
from loadtests.journal_check import Step, Told, check_journal
from server.wiring.gateway import GatewayProcess


async def enter(http: httpx.AsyncClient, login: str | None) -> dict[str, str]:
    """Sign in, or come as a guest; return the headers of that person."""
    if login is None:
        reply = await http.post("/api/guests", json={"name": "Ann"})
    else:
        reply = await http.post("/api/login", json={"login": login, "password": f"demo-{login}"})
    http.cookies.clear()
    return {"Authorization": f"Bearer {reply.json()['token']}"}


async def press(
    http: httpx.AsyncClient, sale: str, who: dict[str, str], *, qty: int, key: str
) -> Told:
    """Press, and note what was told."""
    pressed_ms = time.time() * 1000
    reply = await http.post(
        f"/api/sales/{sale}/reservations",
        json={"qty": qty},
        headers={**who, "Idempotency-Key": key},
    )
    body: dict[str, Any] = reply.json()
    answered_ms = time.time() * 1000
    if reply.status_code == 201:
        won = body["reservation"]
        return Told("reserved", won["version"], won["id"], pressed_ms, answered_ms, key)
    error = body["error"]
    return Told(error["code"], error["detail"]["version"], None, pressed_ms, answered_ms, key)


async def test_what_buyers_were_told_is_in_the_journal_page_by_page(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "VERSIONS_A_PAGE_MAX", 2)
    host, ann = await enter(http, "host"), await enter(http, None)
    state = (await http.post("/api/rooms/demo/start", headers=host)).json()
    assert "show" in state
    terms = {"sku": "demo-tea-bowl", "price_minor": 100, "quantity": 3, "per_buyer": 3}
    armed = await http.post(
        "/api/rooms/demo/flash-sales",
        json={**terms, "countdown_s": 0, "duration_s": 600},
        headers={**host, "Idempotency-Key": "arm"},
    )
    sale = armed.json()["sale"]["id"]
    told = [await press(http, sale, ann, qty=1, key=f"k{n}") for n in range(3)]
    told.append(await press(http, sale, await enter(http, None), qty=1, key="late"))
    assert [one.code for one in told] == ["reserved"] * 3 + ["held_out"]

    steps: list[Step] = []
    granted: dict[str, int] = {}
    for _ in range(5):
        after = steps[-1].version if steps else 0
        reply = await http.get(f"/api/sales/{sale}/journal?after={after}", headers=host)
        page = reply.json()
        steps += [Step(*row) for row in page["steps"]]
        granted |= {id: version for id, version, *_ in page["granted"]}
        assert len(page["reasons"]) == len(page["steps"]) <= 2
        if page["is_end"]:
            break
    assert [step.version for step in steps] == [1, 2, 3, 4]
    assert check_journal(steps, granted, told) == []
    told[-1] = Told("held_out", 3, None, told[-1].pressed_ms, told[-1].answered_ms)
    assert check_journal(steps, granted, told) != []


async def test_a_page_ends_before_it_has_too_many_reservations(
    http: httpx.AsyncClient, gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version with more than a page's worth comes whole, and by itself."""
    monkeypatch.setattr(journal, "GRANTED_A_PAGE_MAX", 2)
    host, ann = await enter(http, "host"), await enter(http, None)
    await http.post("/api/rooms/demo/start", headers=host)
    sale = (await http.get("/api/rooms/demo")).json()["sales"][0]["id"]
    told = [await press(http, sale, ann, qty=1, key=f"k{n}") for n in range(6)]
    versions = [one.version for one in told]
    # The second batch had three presses, as it is when many press at once.
    async with gateway.app.state.services.database.transaction() as transaction:
        await transaction.execute(
            "UPDATE reservations SET version = $1, seq = version"
            " WHERE version = ANY ($2::bigint[])",
            versions[1],
            versions[2:4],
        )

    pages = []
    after, is_end = 0, False
    while not is_end:
        reply = await http.get(f"/api/sales/{sale}/journal?after={after}", headers=host)
        page = reply.json()
        pages.append(page)
        after, is_end = page["steps"][-1][0], page["is_end"]

    assert [step[0] for page in pages for step in page["steps"]] == list(range(1, versions[-1] + 1))
    assert [[one[1] for one in page["granted"]] for page in pages] == [
        [versions[0]],
        [versions[1]] * 3,
        [versions[4], versions[5]],
    ]
    assert [page["is_end"] for page in pages] == [False, False, True]
    assert {page["steps"][-1][0] for page in pages} == {versions[0], versions[1], versions[5]}


async def test_only_the_rooms_host_and_an_operator_read_it(http: httpx.AsyncClient) -> None:
    host = await enter(http, "host")
    await http.post("/api/rooms/demo/start", headers=host)
    room = (await http.get("/api/rooms/demo")).json()
    path = f"/api/sales/{room['sales'][0]['id']}/journal"
    assert (await http.get(path)).status_code == 401
    assert (await http.get(path, headers=await enter(http, None))).status_code == 403
    for login in ("host", "operator"):
        assert (await http.get(path, headers=await enter(http, login))).status_code == 200
    unknown = "/api/sales/00000000-0000-0000-0000-000000000000/journal"
    assert (await http.get(unknown, headers=host)).status_code == 404


async def test_reservations_of_other_rooms_are_counted_and_not_named(
    http: httpx.AsyncClient, gateway: GatewayProcess
) -> None:
    """One SKU's stock is sold in two rooms; the host of the first reads its own alone."""
    host, ann = await enter(http, "host"), await enter(http, None)
    await http.post("/api/rooms/demo/start", headers=host)
    sale = (await http.get("/api/rooms/demo")).json()["sales"][0]["id"]
    own, other = [await press(http, sale, ann, qty=1, key=key) for key in "ab"]
    async with gateway.app.state.services.database.transaction() as transaction:
        await transaction.execute(
            "WITH room AS (INSERT INTO rooms SELECT (jsonb_populate_record(r,"
            " jsonb_build_object('id', gen_random_uuid(), 'slug', 'elsewhere'))).*"
            " FROM rooms r WHERE r.slug = 'demo' RETURNING id), sale AS ("
            " INSERT INTO sales SELECT (jsonb_populate_record(s, jsonb_build_object("
            " 'id', gen_random_uuid(), 'room_id', room.id))).* FROM sales s, room"
            " WHERE s.id = $1 RETURNING id)"
            " UPDATE reservations SET sale_id = sale.id FROM sale WHERE reservations.id = $2",
            sale,
            other.reservation,
        )

    page = (await http.get(f"/api/sales/{sale}/journal", headers=host)).json()

    assert page["granted"] == [
        [own.reservation, own.version, 1, "held", sale],
        [None, other.version, 1, "held", None],
    ]
