"""Whatever arrives on a socket: one answer or a documented end, and nobody else notices.

`make fuzz` runs it for a minute, from another seed each time. A failure names its seed;
`make fuzz SEED=…` begins with that one.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest
from websockets.frames import Frame
from websockets.protocol import CLIENT, Protocol

from realtime.gateway.connection import Connection
from realtime.gateway.limits import GatewayLimits
from realtime.protocol.close_codes import CloseCode
from tests.integration.realtime.fuzz_frames import FRAME_BYTES_MAX, Id, Piece, Scribe
from tests.integration.realtime.house import Client, House, Served, eventually, serve

# Enough for some hundred scripts in the everyday run; `make fuzz` sets both.
SECONDS = float(os.environ.get("FUZZ_SECONDS", "3"))
FIRST_SEED = int(os.environ.get("FUZZ_SEED", "1"))
AT_ONCE = 4
ANSWER_S = 30.0
# Of this thread's processor time, to which a busy machine adds nothing.
WITNESS_S_MAX = 2.0
NEWS_EVERY_S = 0.05
# A script is longer than a person's patience: pace and mistakes have tests of their own. What the
# wheel holds lives until its turn, so turns are short here.
LIMITS = GatewayLimits(
    frames_burst=1000, bad_frames_max=1000, heartbeat_s=1, join_timeout_s=5, close_linger_s=1
)
# A client that says goodbye first gets its own code back.
CLIENTS_OWN_CODES = {1000, 1005}
HANDSHAKE = (
    "GET /ws/demo?v=1&t=guest/f{seed} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Line:
    """A socket that sends any bytes, and reads the server's frames by the rules."""

    def __init__(self) -> None:
        self.answers: Counter[Id | None] = Counter()
        self.is_over = asyncio.Event()
        self.heard = asyncio.Condition()
        self._wire = Protocol(CLIENT)

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Read to the end of the stream."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                self._wire.receive_data(data)
                for frame in self._wire.events_received():
                    assert isinstance(frame, Frame)
                    self._take(frame)
                async with self.heard:
                    self.heard.notify_all()
        self.is_over.set()
        async with self.heard:
            self.heard.notify_all()

    def _take(self, frame: Frame) -> None:
        if frame.opcode.name == "TEXT":
            message = msgspec.json.decode(bytes(frame.data))
            if message[0] in {"r", "e"}:
                self.answers[message[1]] += 1

    @property
    def code(self) -> int | None:
        """The code that the server closed with."""
        return self._wire.close_rcvd.code if self._wire.close_rcvd else None


async def play(served: Served, seed: int) -> None:
    """Play one script and check what came of it."""
    pieces = Scribe(seed).script()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(HANDSHAKE.format(seed=seed).encode())
    await reader.readuntil(b"\r\n\r\n")
    line = Line()
    reading = asyncio.create_task(line.read(reader))
    try:
        await send(writer, pieces, random.Random(seed))
        async with asyncio.timeout(ANSWER_S), line.heard:
            await line.heard.wait_for(lambda: line.is_over.is_set() or is_answered(line, pieces))
            if pieces[-1].is_fatal:
                await line.heard.wait_for(line.is_over.is_set)
        judge(line, pieces)
    finally:
        writer.close()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def send(writer: asyncio.StreamWriter, pieces: list[Piece], chance: random.Random) -> None:
    """Send the script in arbitrary portions: TCP knows no frames."""
    stream = b"".join(piece.data for piece in pieces)
    with contextlib.suppress(ConnectionError):
        while stream:
            size = chance.choice([1, 7, 100, 4096, len(stream)])
            writer.write(stream[:size])
            stream = stream[size:]
            await writer.drain()
            if chance.random() < 0.2:
                await asyncio.sleep(0)


def is_answered(line: Line, pieces: list[Piece]) -> bool:
    """Tell whether every whole message has its answer."""
    return all(line.answers[piece.must_answer] for piece in pieces if piece.must_answer is not None)


def judge(line: Line, pieces: list[Piece]) -> None:
    """Hold what came back against the contract."""
    for piece in pieces:
        for id in (piece.must_answer, piece.may_answer):
            assert id is None or line.answers[id] <= 1, f"{id!r} was answered twice"
    damaged = sum(piece.must_answer is None for piece in pieces)
    assert line.answers[None] <= damaged, "more refusals than mistakes"
    if line.is_over.is_set():
        documented = {int(code) for code in CloseCode} | CLIENTS_OWN_CODES
        assert line.code in documented, f"closed with {line.code}"
        assert any(piece.is_fatal or piece.may_be_fatal for piece in pieces), "closed for nothing"
    else:
        assert is_answered(line, pieces)


async def bear_witness(served: Served, house: House, witness: Client) -> None:
    """Publish a sale event every moment; each must reach the witness in time."""
    while True:
        before_s = time.thread_time()
        await served.gateway.publisher.sale("r1", [house.commit("flash.opened")])
        await witness.until_offset(house.offset)
        assert time.thread_time() - before_s < WITNESS_S_MAX
        await asyncio.sleep(NEWS_EVERY_S)


async def play_for(served: Served, seeds: Iterable[int], until_s: float) -> int:
    """Play every fourth seed until time is up; return how many."""
    loop = asyncio.get_running_loop()
    played = 0
    for seed in seeds:
        if loop.time() > until_s:
            break
        try:
            await play(served, seed)
        except Exception as failure:
            raise AssertionError(f"seed {seed}: {failure!r}; `make fuzz SEED={seed}`") from failure
        played += 1
    return played


def connections() -> int:
    """Count the connections that are still in memory."""
    gc.collect()
    return sum(isinstance(thing, Connection) for thing in gc.get_objects())


async def test_nonsense_gets_an_answer_or_a_documented_end_and_bothers_nobody(
    house: House, redis_url: str, redis_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    in_memory = connections()
    with caplog.at_level(logging.ERROR):
        async with serve(house, redis_url, redis_prefix, limits=LIMITS) as served:
            witness = await served.open("guest/witness")
            await witness.until("Z")
            tasks_before = len(asyncio.all_tasks())
            witnessing = asyncio.create_task(bear_witness(served, house, witness))
            until_s = loop.time() + SECONDS
            lanes = [range(FIRST_SEED + lane, 2**62, AT_ONCE) for lane in range(AT_ONCE)]
            async with asyncio.TaskGroup() as playing:
                lots = [playing.create_task(play_for(served, lane, until_s)) for lane in lanes]
            assert not witnessing.done(), witnessing.exception()
            witnessing.cancel()
            assert witness.offsets == list(range(1, len(witness.offsets) + 1))
            await eventually(lambda: served.gateway.counters.connections_open == 1)
            await eventually(lambda: len(asyncio.all_tasks()) <= tasks_before)
            await eventually(lambda: connections() == in_memory + 1)
            assert served.gateway.is_running
            assert served.gateway.counters.frames_in_bad > 20
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not errors
    print(f"{sum(lot.result() for lot in lots)} scripts from seed {FIRST_SEED}")


def test_a_script_depends_on_its_seed_alone() -> None:
    for seed in range(50):
        assert Scribe(seed).script() == Scribe(seed).script()
    assert Scribe(1).script() != Scribe(2).script()
    assert LIMITS.frame_bytes_max == FRAME_BYTES_MAX
