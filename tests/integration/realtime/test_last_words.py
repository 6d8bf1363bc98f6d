"""What a client said is heard though it leaves before its turn, and a bug costs no other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

import pytest
from websockets.frames import Frame, Opcode

from realtime.gateway.connection import Connection
from realtime.gateway.inbox import TURN_S
from tests.integration.realtime.house import House, Served, eventually

HANDSHAKE = (
    b"GET /ws/demo?v=1&t=guest/ann HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
# As many turns of the loop as it takes to read what was said, and the end, many times over.
CROWD = 50


class Crowd:
    """Somebody of a crowd, whose reading takes a whole turn."""

    def read_arrived(self) -> None:
        time.sleep(TURN_S)


@contextlib.asynccontextmanager
async def client_behind_a_crowd(
    served: Served,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect a bare client; what it says from now on has its turn after everybody else's."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(HANDSHAKE)
    await eventually(lambda: served.gateway.counters.joins_fresh == 1)
    for _ in range(CROWD):
        served.gateway.inbox.add(Crowd())
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def say(text: bytes) -> bytes:
    return Frame(Opcode.TEXT, text).serialize(mask=True)


async def test_a_line_said_while_the_line_breaks_is_heard(served: Served, house: House) -> None:
    async with client_behind_a_crowd(served):
        connection = served.gateway.hub.room_by_slug("demo").members[0]  # type: ignore[union-attr]
        assert isinstance(connection, Connection)
        connection.data_received(say(b'["c",1,"goodbye"]'))
        connection._cut()
        await eventually(lambda: [one.text for one in house.saved] == ["goodbye"])


async def test_who_has_said_everything_is_answered_before_the_end(served: Served) -> None:
    async with client_behind_a_crowd(served) as (reader, writer):
        writer.write(say(b'["q",1,"gone",{}]'))
        writer.write_eof()
        assert b'"sold_out"' in await reader.read()


async def test_a_bug_in_reading_one_client_costs_no_other(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = await served.open("guest/ann"), await served.open("guest/bob")
    for client in (first, second):
        await client.until("h")
    take = Connection._take_message

    def stumble(connection: Connection, data: bytes) -> None:
        if b"stumble" in data:
            raise RuntimeError("a bug")
        take(connection, data)

    monkeypatch.setattr(Connection, "_take_message", stumble)
    with caplog.at_level(logging.ERROR):
        await first.send("q", 1, "stumble", {})
        await second.send("q", 2, "echo", {})
        assert (await second.until("r"))[1] == 2
        await asyncio.wait_for(first.socket.wait_closed(), 60)
    assert "A connection could not be read." in caplog.text
