"""A pass gives way: to sale events, and to the passes of other rooms."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from realtime.protocol.codec import Blob
from realtime.protocol.counters import Counters
from realtime.protocol.messages import LogEntry
from realtime.rooms.active import ActiveRoom
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import RoomRef
from realtime.rooms.room import Room
from realtime.rooms.ticker import Ticker

MEMBERS = 500
LIMITS = RoomLimits(tick_min_ms=1, slice_members_min=64, slice_members_max=64)


class Watcher:
    """A member that notes what is written to it, and to whom else before."""

    is_staff = False
    user_id = None

    def __init__(self, journal: list[tuple[str, Any]], on_tick: Callable[[], None]) -> None:
        self.slot = self.offset = -1
        self._journal = journal
        self._on_tick = on_tick

    def write_tick(self, blob: Blob, lines: int) -> int:
        self._journal.append(("tick", self))
        self._on_tick()
        return len(blob.plain)

    def write_sale(self, blob: Blob, last: int) -> None:
        self._journal.append(("sale", self))
        self.offset = last


def crowded(
    name: str, journal: list[tuple[str, Any]], *, on_tick: Callable[[], None] = lambda: None
) -> ActiveRoom:
    room = Room(RoomRef(name, name, "e", "h", 0), limits=LIMITS, counters=Counters())
    for _ in range(MEMBERS):
        watcher = Watcher(journal, on_tick)
        room.add(watcher)  # type: ignore[arg-type]
        watcher.offset = 0
    return ActiveRoom(room, source=SimpleNamespace(read_log=None), limits=LIMITS)  # type: ignore[arg-type]


async def tick_until(claim: Callable[[], bool], *rooms: ActiveRoom) -> Counters:
    counters = Counters()
    ticker = Ticker(limits=LIMITS, counters=counters)
    running = asyncio.create_task(ticker.run(lambda: list(rooms), lambda active, at_ms: None))
    async with asyncio.timeout(30):
        while not claim():
            await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return counters


async def test_a_sale_event_overtakes_the_pass_that_is_under_way() -> None:
    journal: list[tuple[str, Any]] = []
    loop = asyncio.get_running_loop()

    def hear_of_a_sale() -> None:
        if len(journal) == 100:
            loop.call_soon(crowd.room.apply, [LogEntry(1, "flash.opened", b"{}", 0)])

    crowd = crowded("r1", journal, on_tick=hear_of_a_sale)
    await tick_until(lambda: len(journal) >= 2 * MEMBERS, crowd)
    kinds = [kind for kind, _ in journal]
    sales = [index for index, kind in enumerate(kinds) if kind == "sale"]
    assert len(sales) == MEMBERS
    # Heard at the hundredth write of the pass, written before the slice after the next.
    assert sales[0] <= 100 + 64
    assert sales[-1] - sales[0] == MEMBERS - 1


async def test_rooms_take_turns_slice_by_slice() -> None:
    journal: list[tuple[str, Any]] = []
    first, second = crowded("r1", journal), crowded("r2", journal)
    await tick_until(lambda: len(journal) >= 2 * MEMBERS, first, second)
    second_members = set(map(id, second.room.members))
    started = next(i for i, (_, member) in enumerate(journal) if id(member) in second_members)
    assert started == 64


async def test_a_pass_counts_what_was_written() -> None:
    journal: list[tuple[str, Any]] = []
    crowd = crowded("r1", journal)
    counters = await tick_until(lambda: len(journal) >= MEMBERS and not crowd.is_in_pass, crowd)
    assert counters.frames_out == MEMBERS
    assert counters.bytes_out > 20 * MEMBERS


async def test_each_pass_starts_elsewhere() -> None:
    journal: list[tuple[str, Any]] = []
    crowd = crowded("r1", journal)
    starts = [crowd.room.pass_order()[0] for _ in range(8)]
    assert len(set(map(id, starts))) >= 7


async def test_ticks_wait_while_sale_events_are_being_written() -> None:
    journal: list[tuple[str, Any]] = []
    crowd = crowded("r1", journal)
    ticker = Ticker(limits=LIMITS, counters=Counters())
    running = asyncio.create_task(ticker.run(lambda: [crowd], lambda active, at_ms: None))
    with ticker.sales_first():
        async with asyncio.timeout(30):
            while not crowd.is_in_pass:
                await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert journal == []
    async with asyncio.timeout(30):
        while len(journal) < MEMBERS:
            await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
