"""Bad clients get a stable code each; nobody gets a traceback."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.gateway.limits import GatewayLimits
from tests.integration.realtime.house import House, Served, eventually, open_client, serve


async def test_a_foreign_page_gets_403(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await served.open(origin="https://evil.example")
    assert refused.value.response.status_code == 403


async def test_our_own_page_is_admitted_with_its_cookie(served: Served) -> None:
    client = await served.open(
        None,
        origin=f"http://127.0.0.1:{served.port}",
        additional_headers={"Cookie": "hubbub_session=guest/zoe"},
        subprotocols=["hubbub.v1.json"],
    )
    assert client.socket.subprotocol == "hubbub.v1.json"
    assert (await client.read())[1]["user"]["name"] == "zoe"


@pytest.mark.parametrize(
    ("room", "token", "extra", "code"),
    [
        ("nowhere", "guest/ann", "", 4004),
        ("demo/x", "guest/ann", "", 4004),
        ("demo", "forged", "", 4001),
        ("demo", "guest/ann", "&v=9", 4009),
        ("demo", "guest/ann", "&e=x&o=-1", 4009),
    ],
)
async def test_a_refusal_completes_the_handshake_and_closes(
    served: Served, room: str, token: str, extra: str, code: int
) -> None:
    client = await open_client(served.port, token, extra=extra, room=room)
    assert await client.close_code() == code
    assert served.gateway.counters.closes[code] == 1


async def test_a_visitor_reads_and_may_not_write(served: Served) -> None:
    client = await served.open(None)
    assert (await client.read())[1]["user"] is None
    await client.send("c", 1, "hello")
    assert (await client.until("e"))[2]["code"] == "sign_in_required"


async def test_a_frame_of_a_megabyte_closes_with_a_code(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        client = await served.open()
        await client.until("Z")
        with contextlib.suppress(ConnectionClosed):
            await client.socket.send("x" * 1_000_000)
        assert await client.close_code() == 4009
        await eventually(lambda: served.gateway.counters.connections_open == 0)
    assert not caplog.records


async def test_malformed_messages_are_answered_and_the_connection_lives(served: Served) -> None:
    client = await served.open()
    await client.until("Z")
    for data, code in [
        ("{}", "bad_frame"),
        ('["zz"]', "unknown_type"),
        ('["q",1,"reserve",{"qty":1e999}]', "bad_frame"),
        ("[" * 4000, "bad_frame"),
    ]:
        await client.socket.send(data)
        assert (await client.until("e"))[2]["code"] == code
    await client.socket.send(b'["p"]')
    assert (await client.until("e"))[2]["code"] == "bad_frame"
    await client.socket.send(['["c",1', ',"in pieces"]'])
    assert (await client.until("r"))[1] == 1
    await client.send("q", 5, "no_such", {})
    assert (await client.until("e"))[1:] == [
        5,
        {
            "code": "unknown_command",
            "message": "No command has this name.",
            "retryable": False,
        },
    ]


async def test_bad_utf8_is_a_bad_frame(served: Served) -> None:
    client = await served.open()
    await client.until("Z")
    await client.socket.send(b'["c",1,"\xff\xfe"]', text=True)
    assert (await client.until("e"))[1:2] == [1]
    assert client.frames[-1][2]["code"] == "bad_frame"


async def test_a_client_that_only_makes_mistakes_is_closed(served: Served) -> None:
    client = await served.open()
    for _ in range(11):
        await client.socket.send("?")
    assert await client.close_code() == 4009


async def test_a_flood_is_closed(served: Served) -> None:
    client = await served.open()
    # So many that a machine which stands still for seconds in between gives no time to send them.
    with contextlib.suppress(ConnectionClosed):
        for _ in range(800):
            await client.send("p")
    assert await client.close_code() == 4129


async def test_a_bug_in_a_handler_is_answered_and_commands_in_flight_are_bounded(
    served: Served,
) -> None:
    client = await served.open()
    await client.send("q", 1, "crash", {})
    assert (await client.until("e"))[2]["code"] == "internal"
    for number in range(9):
        await client.send("q", number, "slow", {})
    assert (await client.until("e"))[1:] == [
        8,
        {
            "code": "too_many_in_flight",
            "message": "Too many commands wait for an answer.",
            "retryable": True,
        },
    ]
    for _ in range(8):
        await client.until("r")
    await client.send("q", 10, "echo", {})
    assert (await client.until("r"))[1] == 10


async def test_heartbeats_come_and_a_token_that_runs_out_closes(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    house.token_lives_ms = 3900
    limits = GatewayLimits(heartbeat_s=1)
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        client = await served.open()
        assert await client.until("p") == ["p", 0]
        assert await client.close_code() == 4201
        assert client.frames[-1] == ["b", 4201, 0]


async def test_a_silent_client_is_closed_and_one_that_answers_pings_is_not(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(heartbeat_s=1, idle_s=2, close_linger_s=1)
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        alive = await served.open()
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            b"GET /ws/demo?v=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        async with asyncio.timeout(30):
            received = b""
            while chunk := await reader.read(4096):
                received += chunk
        assert b'["b",4110,' in received
        writer.close()
        await alive.send("q", 1, "time", {})
        await alive.until("r")


async def test_a_full_process_sends_newcomers_away(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(connections_max=1)
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        await (await served.open()).until("Z")
        assert await (await served.open("guest/bob")).close_code() == 4113
