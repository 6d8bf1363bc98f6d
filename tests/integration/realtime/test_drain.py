"""A process that ends lets each viewer go in a slot of its own, and serves it until then."""

from __future__ import annotations

import asyncio

import pytest

from realtime.gateway.limits import GatewayLimits
from realtime.rooms import hub
from realtime.rooms.drain import DrainLimits
from realtime.rooms.hub import DRAIN_STEP_S
from realtime.rooms.limits import RoomLimits
from tests.integration.realtime.house import House, Served, eventually, serve

VIEWERS = 8
# Half a second for eight viewers.
SLOW = GatewayLimits(rooms=RoomLimits(drain=DrainLimits(returns_per_s=20)))
DRAIN_MS = 500


class Clock:
    """What a drain's slots are counted by; it stands unless a test turns it."""

    ms = 0.0

    def __call__(self) -> float:
        return self.ms


def stop_the_clock(patch: pytest.MonkeyPatch) -> Clock:
    """Let a drain take as long as a test says, whatever the machine does meanwhile."""
    clock = Clock()
    patch.setattr(hub, "_loop_ms", clock)
    return clock


async def test_everybody_gets_a_moment_to_come_back_and_newcomers_too(
    house: House, redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(house, redis_url, redis_prefix, limits=SLOW) as served:
        clients = [await served.open(f"guest/n{number}") for number in range(VIEWERS)]
        for client in clients:
            await client.until("Z")
        with monkeypatch.context() as patch:
            clock = stop_the_clock(patch)
            draining = asyncio.create_task(served.gateway.drain())
            await eventually(lambda: served.gateway.hub.is_draining)
            late = [await served.open("guest/late") for _ in range(2)]
            assert [await client.close_code() for client in late] == [4200, 4200]
            waits = [client.frames[-1][2] for client in late]
            assert waits[0] < waits[1]
            clock.ms += DRAIN_MS / 2
            await eventually(lambda: served.gateway.counters.closes[4200] > 2)
            assert not draining.done()
            clock.ms += DRAIN_MS
            codes = [await client.close_code() for client in clients]
            await draining
        assert codes == [4200] * VIEWERS
        assert all(client.frames[-1][:2] == ["b", 4200] for client in clients)


async def test_who_waits_for_a_slot_gets_every_sale_event_until_then(
    house: House, redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serve(house, redis_url, redis_prefix, limits=SLOW) as ending,
        serve(house, redis_url, redis_prefix) as next_one,
    ):
        clients = [await ending.open(f"guest/n{number}") for number in range(VIEWERS)]
        for client in clients:
            await client.until("Z")
        room = ending.gateway.hub.room("r1")
        assert room is not None
        with monkeypatch.context() as patch:
            clock = stop_the_clock(patch)
            draining = asyncio.create_task(ending.gateway.drain())
            while not draining.done():
                await next_one.gateway.publisher.sale("r1", [house.commit("flash.opened")])
                await eventually(lambda: room.ring.newest == house.offset)
                clock.ms += DRAIN_MS / 20
                await asyncio.sleep(DRAIN_STEP_S)
        reached = []
        for client in clients:
            assert await client.close_code() == 4200
            assert client.offsets == list(range(1, len(client.offsets) + 1))
            reached.append(len(client.offsets))
        assert reached == sorted(reached)
        assert reached[-1] - reached[0] > 2
        await next_one.gateway.publisher.sale("r1", [house.commit("flash.closed")])
        for client, offset in zip(clients, reached, strict=True):
            back = await next_one.open(extra=f"&e={house.epoch}&o={offset}")
            assert (await back.read())[1]["rec"] == "replayed"
            await back.until_offset(house.offset)
            assert client.offsets + back.offsets == list(range(1, house.offset + 1))


async def test_a_connection_that_is_still_joining_is_told_as_well(
    served: Served, house: House
) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()
    find = house.find

    async def find_slowly(slug: str) -> object:
        asked.set()
        await may_answer.wait()
        return await find(slug)

    house.find = find_slowly  # type: ignore[method-assign, assignment]
    client = await served.open()
    await asked.wait()
    await served.gateway.drain()
    may_answer.set()
    assert await client.close_code() == 4200
    assert client.frames[-1][:2] == ["b", 4200]
