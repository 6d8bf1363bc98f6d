"""Random bytes on a socket end in an answer or a close code, never in a traceback."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest
from websockets.frames import Frame, Opcode

from tests.integration.realtime.house import Served, eventually

CONNECTIONS = 25
MESSAGES = 30
SEEDS = [
    b'["c",1,"hello"]',
    b'["k",3]',
    b'["q",1,"echo",{"qty":1},"key"]',
    b'["sync","epoch-1",0]',
    b'["p"]',
    b'["a",1,12]',
    b'["v",false]',
]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change, cut, repeat or replace some of the bytes."""
    mutated = bytearray(data)
    for _ in range(chance.randrange(4)):
        index = chance.randrange(len(mutated)) if mutated else 0
        choice = chance.randrange(4)
        if choice == 0:
            mutated[index : index + 1] = bytes([chance.randrange(256)])
        elif choice == 1:
            del mutated[index:]
        elif choice == 2:
            mutated += mutated[index:] * chance.randrange(3)
        else:
            mutated[index:index] = chance.choice([b"[", b"9" * 30, b"\xff", b'"', b"{}", b"1e999"])
    return bytes(mutated[:3000])


def frames(chance: random.Random) -> bytes:
    """Make what a broken client may send: mostly whole frames, sometimes a torn stream."""
    sent = b""
    for _ in range(MESSAGES):
        opcode = chance.choice([Opcode.TEXT] * 6 + [Opcode.BINARY, Opcode.CONT, Opcode.PONG])
        body = mutate(chance.choice(SEEDS), chance)
        fin = chance.random() < 0.95
        if opcode is Opcode.PONG:
            body, fin = body[:125], True
        sent += Frame(opcode, body, fin=fin).serialize(mask=True)
    return mutate(sent, chance) if chance.random() < 0.3 else sent


async def test_nonsense_on_a_socket_never_makes_a_traceback(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    handshake = (
        b"GET /ws/demo?v=1&t=guest/fuzz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with caplog.at_level(logging.ERROR):
        for seed in range(CONNECTIONS):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(handshake)
            await reader.readuntil(b'["Z"')
            print(f"seed {seed}")  # Shown when the test fails.
            writer.write(frames(random.Random(seed)))
            writer.write_eof()
            await reader.read()
            writer.close()
        client = await served.open()
        await client.until("Z")
    await eventually(lambda: served.gateway.counters.connections_open == 1)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert served.gateway.counters.frames_in_bad > 20
