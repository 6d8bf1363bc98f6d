"""Publish in a contender's process as the benchmark commands: at saturation, or at a fixed pace.

Every contender publishes by this loop, so that all are loaded alike: a pass is one frame to all. At
saturation, passes follow each other with a bounded number on their way, by the crowd's own count.
At a pace, a frame is stamped with the moment it was due, so that a late publisher hides nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from tests.bench.crowd_client import Progress

# What is sent to the crowd: the pass's payload is this long on the wire, whoever sends it.
PAYLOAD_BYTES = 160
READ_BYTES = 4096
SEED = 20

Publish = Callable[[int], Awaitable[None]]
"""Send one pass, stamped with these nanoseconds."""


def say(event: str, **fields: Any) -> None:
    """Answer the benchmark."""
    sys.stdout.buffer.write(msgspec.json.encode({"event": event, **fields}) + b"\n")
    sys.stdout.buffer.flush()


def stamped_text(stamp_ns: int, chars: int) -> str:
    """Return text of this length that begins with the stamp."""
    return f"~t{stamp_ns} ".ljust(chars, "x")


class Publisher:
    """Obeys `load PASSES`, `pace PER_S`, `mix PER_S BESIDE_PER_S` (the first at uneven moments)
    and `stop`; ends with stdin."""

    def __init__(self, progress_path: str, clients: int, publish: Publish) -> None:
        self._progress = Progress(progress_path)
        self._clients = clients
        self._publish = publish
        self._paced = self._beside = publish
        self._running: asyncio.Task[None] | None = None
        self._extra: dict[str, Callable[[list[str]], None]] = {}

    def paced_by(self, publish: Publish, *, beside: Publish) -> None:
        """Publish another way at a fixed pace than at saturation, and something else beside it."""
        self._paced = publish
        self._beside = beside

    def on(self, command: str, obey: Callable[[list[str]], None]) -> None:
        """Obey one more command."""
        self._extra[command] = obey

    async def run(self) -> None:
        """Obey until stdin ends."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        held = b""

        def read() -> None:
            nonlocal held
            data = os.read(sys.stdin.fileno(), READ_BYTES)
            if not data:
                loop.remove_reader(sys.stdin.fileno())
                ended.set()
            *lines, held = (held + data).split(b"\n")
            for line in lines:
                self._obey(line.decode().split())

        loop.add_reader(sys.stdin.fileno(), read)
        await ended.wait()
        self._stop()

    def _obey(self, words: list[str]) -> None:
        if words[0] in self._extra:
            self._extra[words[0]](words[1:])
            return
        self._stop()
        if words[0] == "load":
            self._running = asyncio.create_task(self._load(int(words[1])))
        elif words[0] == "pace":
            self._running = asyncio.create_task(self._pace(self._paced, float(words[1])))
        elif words[0] == "mix":
            # At uneven moments: at even ones the whole run would hang on where in a tick they fall.
            paces = [self._pace(self._paced, float(words[1]), uneven=random.Random(SEED))]
            paces.append(self._pace(self._beside, float(words[2])))
            self._running = asyncio.create_task(_both(*paces))

    def _stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            self._running = None

    async def _load(self, passes_max: int) -> None:
        begun = self._progress.frames()
        passes = 0
        while True:
            arrived = (self._progress.frames() - begun) // self._clients
            if passes - arrived < passes_max:
                await self._publish(time.monotonic_ns())
                passes += 1
            # Always give way: a contender whose sends never wait would not hear that its turn ends.
            await asyncio.sleep(0)

    async def _pace(
        self, publish: Publish, per_s: float, *, uneven: random.Random | None = None
    ) -> None:
        due_ns = time.monotonic_ns()
        while True:
            await asyncio.sleep(max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
            await publish(due_ns)
            due_ns += int(1e9 / per_s * (uneven.uniform(0.5, 1.5) if uneven else 1.0))


async def _both(*paces: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for pace in paces:
            tasks.create_task(pace)
