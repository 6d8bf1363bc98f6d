"""A command knows how long its very connection has been in the room, and where it comes from."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime.rooms.ports import Caller
from tests.integration.realtime.house import House, Served, eventually


@pytest.fixture
def callers(monkeypatch: pytest.MonkeyPatch) -> list[Caller]:
    """Every caller that the house is asked by."""
    seen: list[Caller] = []

    async def note(_house: House, caller: Caller, *_asked: Any) -> bytes:
        seen.append(caller)
        return b"{}"

    monkeypatch.setattr(House, "__call__", note)
    return seen


async def test_presence_is_the_connections_own_and_starts_anew(
    served: Served, callers: list[Caller]
) -> None:
    first = await served.open("guest/ann")
    await first.until("h")
    joined_ms = served.gateway.uptime_ms()
    while served.gateway.uptime_ms() < joined_ms + 300:
        await asyncio.sleep(0.02)
    second = await served.open("guest/ann")
    await second.until("h")
    for client in (first, second):
        await client.send("q", 1, "look", {}, "key")
        await client.until("r")
    here, fresh = callers
    assert here.present_ms >= 300
    assert fresh.present_ms < here.present_ms
    assert (here.address, here.identity.user_id) == ("127.0.0.1", fresh.identity.user_id)
    assert here.conn != fresh.conn


async def test_a_client_cannot_make_up_its_address(served: Served, callers: list[Caller]) -> None:
    client = await served.open(additional_headers={"X-Forwarded-For": "198.51.100.1"})
    await client.until("h")
    await client.send("q", 1, "look", {}, "key")
    await client.until("r")
    assert callers[0].address == "127.0.0.1"


async def test_a_known_proxy_is_believed(served: Served, callers: list[Caller]) -> None:
    served.gateway.address_of = lambda peer, forwarded: f"{forwarded} by {peer}"
    client = await served.open(
        additional_headers=[("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "2.2.2.2")]
    )
    await client.until("h")
    await client.send("q", 1, "look", {}, "key")
    await client.until("r")
    assert callers[0].address == "1.1.1.1, 2.2.2.2 by 127.0.0.1"


async def test_the_handler_hears_of_whoever_has_gone(
    served: Served, house: House, callers: list[Caller]
) -> None:
    """However the socket ended, once, and only then."""
    polite, rude = await served.open("guest/ann"), await served.open("guest/bob")
    for client in (polite, rude):
        await client.until("h")
        await client.send("q", 1, "look", {}, "key")
        await client.until("r")
    assert house.departed == []
    conns = [caller.conn for caller in callers]
    await polite.socket.close()
    await eventually(lambda: house.departed == conns[:1])
    rude.socket.transport.abort()
    await eventually(lambda: house.departed == conns)
    assert house.excused == []


async def test_whoever_is_told_to_come_back_is_named_before_they_are_gone(
    served: Served, house: House, callers: list[Caller]
) -> None:
    client = await served.open("guest/ann")
    await client.until("h")
    await client.send("q", 1, "look", {}, "key")
    await client.until("r")
    await served.gateway.drain()
    assert await client.close_code() == 4200
    assert house.excused == [callers[0].conn]
    await eventually(lambda: house.departed == [callers[0].conn])
