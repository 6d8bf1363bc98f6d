"""Frames that are no messages count like messages: nobody else waits for who floods."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from websockets.frames import Frame, Opcode

from tests.integration.realtime.house import MUST_COME_S, Served, eventually

FRAMES = 20_000
# Of this thread's processor time, to which a busy machine adds nothing. Parsing all of them takes
# several seconds.
STALL_S_MAX = 1.0
HANDSHAKE = (
    b"GET /ws/demo?v=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.mark.parametrize(
    ("opening", "frame"),
    [
        (b"", Frame(Opcode.PING, b"x" * 125)),
        (b"", Frame(Opcode.PONG, b"")),
        (Frame(Opcode.TEXT, b"[", fin=False).serialize(mask=True), Frame(Opcode.CONT, b"", False)),
    ],
    ids=["pings", "pongs", "empty pieces"],
)
async def test_who_floods_is_closed_and_nobody_waits(
    served: Served, opening: bytes, frame: Frame
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(HANDSHAKE)
    await eventually(lambda: served.gateway.counters.joins_fresh == 1)
    writer.write(opening + frame.serialize(mask=True) * FRAMES)  # And nothing is ever read.
    longest_s = 0.0
    async with asyncio.timeout(MUST_COME_S):
        while served.gateway.counters.closes.get(4129) != 1:
            before_s = time.thread_time()
            await asyncio.sleep(0.01)
            longest_s = max(longest_s, time.thread_time() - before_s)
    assert longest_s < STALL_S_MAX
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
