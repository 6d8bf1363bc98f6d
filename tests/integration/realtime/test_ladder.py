"""A process with too much to do gives up one thing after the other, and says which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from realtime.gateway.limits import GatewayLimits
from realtime.rooms.ladder import LadderLimits, Load, Rung
from realtime.rooms.limits import RoomLimits
from tests.integration.realtime.house import House, Served, eventually, serve

HOT = Load(busy=1.0, lag_ms=0)
CALM = Load(busy=0.0, lag_ms=0)
# The test looks at the load itself.
NEVER_MS = 10**9
LADDER = LadderLimits(look_ms=NEVER_MS, hot_looks=1, calm_looks=1)


@pytest.fixture
async def pressed(house: House, redis_url: str, redis_prefix: str) -> AsyncIterator[Served]:
    """One gateway whose load the test decides."""
    limits = GatewayLimits(rooms=RoomLimits(ladder=LADDER))
    async with serve(house, redis_url, redis_prefix, limits=limits) as one:
        yield one


def climb(served: Served, rung: Rung) -> None:
    """Bring the process to a rung, as its own look at the load would."""
    hub = served.gateway.hub
    while hub.load.rung != rung:
        hub.load.note(HOT if hub.load.rung < rung else CALM)
        hub._tell_load()


async def test_every_rung_is_told_to_the_viewers_and_counted(pressed: Served) -> None:
    client = await pressed.open()
    await client.until("Z")
    for rung in (Rung.CHAT, Rung.STATE, Rung.DOORS, Rung.CALM):
        climb(pressed, rung)
        await client.until_state("load", int(rung))
        assert pressed.gateway.counters.load_rung == rung
    assert pressed.gateway.counters.load_steps_up == 3


async def test_who_comes_in_under_load_is_told_so(pressed: Served) -> None:
    first = await pressed.open()
    await first.until("Z")
    climb(pressed, Rung.CHAT)
    second = await pressed.open("guest/bob")
    await second.until("Z")
    await second.until_state("load", 1)


async def test_rung_chat_carries_a_quarter_of_the_chat(pressed: Served) -> None:
    load = pressed.gateway.hub.load
    assert load.chat_share == 1.0
    climb(pressed, Rung.CHAT)
    assert load.chat_share == 0.25


async def test_rung_state_slows_the_numbers_down(pressed: Served) -> None:
    client = await pressed.open()
    await client.until("Z")
    climb(pressed, Rung.STATE)
    await client.until_state("load", 2)
    hub, loop = pressed.gateway.hub, asyncio.get_running_loop()
    hub.set_state("r1", "likes", 1)
    await client.until_state("likes", 1)
    started_s = loop.time()
    for value in (2, 3):
        hub.set_state("r1", "likes", value)
        await client.until_state("likes", value)
    # Two shortest ticks of half a second, where calm ones take a tenth; half a tick is slack.
    assert loop.time() - started_s > 0.5


async def test_rung_doors_sends_visitors_away_and_lets_buyers_in(
    pressed: Served, house: House
) -> None:
    here = await pressed.open(None)
    await here.until("Z")
    climb(pressed, Rung.DOORS)
    visitor = await pressed.open(None)
    assert await visitor.close_code() == 4113
    assert visitor.frames[-1][:2] == ["b", 4113]
    assert pressed.gateway.counters.load_refused == 1
    buyer = await pressed.open("guest/bob")
    await buyer.until("Z")
    # Who was here stays, and what is sold goes on.
    await pressed.gateway.publisher.sale("r1", [house.commit("flash.opened")])
    await here.until_offset(1)
    await buyer.until_offset(1)


async def test_a_busy_process_climbs_by_itself(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    ladder = LadderLimits(look_ms=50, hot_busy=0.0, calm_busy=-1.0, hot_looks=1)
    limits = GatewayLimits(rooms=RoomLimits(ladder=ladder))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        client = await served.open()
        await client.until_state("load", 3)
        await eventually(lambda: served.gateway.counters.load_rung == 3)
