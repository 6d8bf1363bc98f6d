"""Chat and sale latency in a room of the real program, with and without 50 people watching video.

The forwarder is a process of its own, as in the product; its viewers are clients on the same
machine, so their processor time counts against the room too. Latency is from a person's call to
the frame at another's socket: `announce` for the sale lane, a line for chat. Pairs alternate, and
the figure is the median over the pairs of the ratio of the medians.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.children import Child
from tests.bench.video.capacity import JOIN_TIMEOUT_S, stage, tell
from tests.support.api import Caller, enter, log_in
from tests.support.program import Program
from tests.support.viewer import Viewer

SPEAKERS = 4  # Each may say one line a second.
TURN_S = 1.1
ARRIVAL_S_MAX = 10.0
RATIO_MAX = 1.25


class Latency(msgspec.Struct, frozen=True):
    """Medians of one window, in ms."""

    chat_ms: float
    sale_ms: float


class Witness(Viewer):
    """A viewer that remembers when it first saw a text."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.seen: dict[str, float] = {}

    def _take_S(self, first: int, events: list[Any]) -> None:  # noqa: N802
        super()._take_S(first, events)
        for _, payload, _ in events:
            if isinstance(payload, dict):
                self.seen.setdefault(str(payload.get("text")), time.perf_counter())

    def _take_L(self, offset: int, lines: list[Any], dropped: int) -> None:  # noqa: N802
        super()._take_L(offset, lines, dropped)
        for line in lines:
            for word in line:
                if isinstance(word, str):
                    self.seen.setdefault(word, time.perf_counter())

    async def delay_ms(self, text: str, act: Callable[[], Awaitable[Any]]) -> float:
        """Return how long after the call began this text was seen."""
        began_s = time.perf_counter()
        await act()
        async with asyncio.timeout(ARRIVAL_S_MAX):
            while text not in self.seen:
                await asyncio.sleep(0.001)
        return (self.seen[text] - began_s) * 1000


class Room:
    """The demo room with a host, people who speak, and one who watches the clock."""

    def __init__(self, witness: Witness, host: Caller, speakers: list[Viewer]) -> None:
        self._witness, self._host, self._speakers = witness, host, speakers
        self._number = 0

    async def measure(self, seconds: float) -> Latency:
        """Speak and announce for so long."""
        chat, sale = [], []
        for _ in range(max(1, round(seconds / TURN_S))):
            turn_ends_s = time.perf_counter() + TURN_S
            for speaker in self._speakers:
                text = self._next("line")
                chat.append(await self._witness.delay_ms(text, lambda s=speaker, t=text: s.say(t)))
                text = self._next("news")
                sale.append(await self._witness.delay_ms(text, lambda t=text: self._announce(t)))
            await asyncio.sleep(max(0.0, turn_ends_s - time.perf_counter()))
        return Latency(statistics.median(chat), statistics.median(sale))

    async def _announce(self, text: str) -> None:
        await self._host.call("POST", "/api/rooms/demo/announce", {"text": text})

    def _next(self, word: str) -> str:
        self._number += 1
        return f"{word} {self._number}"


def measure_room(*, pairs: int, seconds: float, viewers: int = 50) -> tuple[float, float]:
    """Return the ratios of chat and of sale latency: with so many viewers over without."""
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        program = Program("serve", "--demo", "--port", "0", "--data", str(Path(folder) / "data"))
        try:
            program.wait_until_ready()
            with stage("fast", cores=False) as (_, _host, crowd):
                return asyncio.run(_alternate(program.url, crowd, pairs, seconds, viewers))
        finally:
            program.stop()


async def _alternate(
    url: str, crowd: Child, pairs: int, seconds: float, viewers: int
) -> tuple[float, float]:
    host = await log_in(url, "host")
    await host.call("POST", "/api/rooms/demo/start")
    callers = [await enter(url, f"guest {number}") for number in range(SPEAKERS)]
    speakers = [Viewer(url, token=caller.token) for caller in callers]
    witness = Witness(url)
    tasks = [asyncio.create_task(one.run()) for one in (witness, *speakers)]
    try:
        async with asyncio.timeout(ARRIVAL_S_MAX):
            await asyncio.gather(*(one.is_in.wait() for one in (witness, *speakers)))
        room = Room(witness, host, speakers)
        await room.measure(TURN_S)  # Warms up; not counted.
        ratios = []
        for number in range(1, pairs + 1):
            quiet = await room.measure(seconds)
            await asyncio.to_thread(crowd.ask, f"watch {viewers}", "watch", JOIN_TIMEOUT_S)
            watched = await room.measure(seconds)
            await asyncio.to_thread(crowd.ask, "watch 0", "watch", JOIN_TIMEOUT_S)
            ratios.append((watched.chat_ms / quiet.chat_ms, watched.sale_ms / quiet.sale_ms))
            tell(
                f"room, pair {number}: chat {quiet.chat_ms:.1f} and {watched.chat_ms:.1f} ms, sale"
                f" {quiet.sale_ms:.1f} and {watched.sale_ms:.1f} ms, without and with {viewers}"
            )
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for caller in (host, *callers):
            await caller.close()
    chat, sale = (statistics.median(values) for values in zip(*ratios, strict=True))
    for name, ratio in (("chat", chat), ("sale", sale)):
        verdict = f" (missed: at most {RATIO_MAX} is expected)" if ratio > RATIO_MAX else ""
        tell(f"room: {name} latency with {viewers} viewers is {ratio:.2f} x as long{verdict}")
    return chat, sale
