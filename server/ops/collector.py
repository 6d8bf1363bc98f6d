"""Keep Python's cyclic collector from stopping a gateway in the middle of a rush.

A full collection walks every object: with 5,000 viewers on a gateway it stopped the process for 150
to 220 ms. Left to itself it comes when many objects were made at once, which is when a sale opens,
and it finds next to nothing, as reference counts free almost all. So the gateway takes it over: the
young generations are collected as ever, the old one in a calm second.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

FULL_EVERY_S = 600
# In vain it waits for a calm second this much longer: garbage must not grow for ever.
CALM_AWAITED_S = 600
LOOK_EVERY_S = 1
# Frames written between two looks: heartbeats, but no tick to a full room.
CALM_FRAMES_MAX = 500
# How often the middle generation would be collected before a full collection: never.
NEVER = 1_000_000_000


def let_go() -> None:
    """Let go of what will live for ever: no collection walks it any more.

    Enough for the media process. What it makes is a few large sessions in knots, each of which
    must be freed soon after it ended; only the program itself need not be walked over for that.
    """
    gc.collect()
    gc.freeze()


def take_over() -> None:
    """Let go of what will live for ever, and have full collections made by `run` alone."""
    let_go()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)


def is_due(since_s: int, frames: int) -> bool:
    """Say whether to collect: seconds since the last time, frames since the last look."""
    if since_s < FULL_EVERY_S:
        return False
    return frames <= CALM_FRAMES_MAX or since_s >= FULL_EVERY_S + CALM_AWAITED_S


async def run(count_frames: Callable[[], int]) -> None:
    """Collect everything now and then, for ever; `count_frames` is a total that only grows."""
    since_s, before = 0, count_frames()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        total = count_frames()
        since_s += LOOK_EVERY_S
        if is_due(since_s, total - before):
            gc.collect()
            since_s = 0
        before = total
