"""The audit is of the whole installation: a host's console tells nothing of other rooms by it."""

from __future__ import annotations

import httpx
import pytest

from commerce.insight.audit.rounds import look_at_changes
from server.wiring.gateway import GatewayProcess
from tests.integration.server.test_journal import enter


@pytest.mark.parametrize("login", ["host", "operator"])
async def test_only_an_operators_console_has_the_rows_that_are_wrong(
    http: httpx.AsyncClient, gateway: GatewayProcess, login: str
) -> None:
    host = await enter(http, "host")
    await http.post("/api/rooms/demo/start", headers=host)
    database = gateway.app.state.services.database
    async with database.transaction() as transaction:
        pool = await transaction.fetchval(
            "INSERT INTO stock (pool_id, sku, sale_id, total, version)"
            " VALUES (gen_random_uuid(), 'lost', gen_random_uuid(), 1, 1) RETURNING pool_id::text"
        )
    report = await look_at_changes(database)

    reply = await http.get("/api/rooms/demo/console", headers=await enter(http, login))

    [broken] = reply.json()["audit"]["violations"]
    assert (broken["check"], broken["count"]) == ("journal_adds_up", 1)
    assert broken["since_ms"] == report.at_ms
    assert (pool in reply.text) is (login == "operator")
    assert ("rows" in broken) is (login == "operator")
