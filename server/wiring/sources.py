"""The program's clock, chance and new ids; everything else gets them as arguments."""

from __future__ import annotations

import random
import secrets
import time

from commerce.kernel.ids import uuid7
from realtime.rooms.ports import Process


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Return milliseconds of a clock that never jumps."""
    return time.monotonic_ns() // 1_000_000


class FreshIds:
    """UUIDv7 from the machine's clock and the system's random source."""

    def new(self) -> str:
        """Return a fresh id as text."""
        return str(uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(10)))


def build_process(name: str) -> Process:
    """Return what realtime needs of its process."""
    return Process(name, SystemClock().now_ms, random.random, FreshIds().new, time.process_time)
