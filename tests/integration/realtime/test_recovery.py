"""A returning client gets what it missed, or the whole state; a process repairs itself."""

from __future__ import annotations

import asyncio

import pytest

from realtime.gateway.limits import GatewayLimits
from realtime.rooms.limits import RoomLimits
from tests.integration.realtime.house import (
    Client,
    House,
    Served,
    eventually,
    now_ms,
    serve,
)

JOINERS = 40


async def publish(served: Served, house: House, count: int) -> None:
    for _ in range(count):
        await served.gateway.publisher.sale("r1", [house.commit("flash.opened")])


async def return_at(served: Served, epoch: str, offset: int) -> Client:
    return await served.open(extra=f"&e={epoch}&o={offset}")


async def test_a_returning_client_gets_the_missing_events_and_no_state(
    served: Served, house: House
) -> None:
    first = await served.open()
    await publish(served, house, 6)
    await first.until_offset(6)
    again = await return_at(served, "epoch-1", 4)
    hello = await again.read()
    assert (hello[1]["rec"], hello[1]["offset"]) == ("replayed", 6)
    await again.until_offset(6)
    assert again.offsets == [5, 6]
    assert not [frame for frame in again.frames if frame[0] == "Z"]


async def test_a_client_that_missed_nothing_gets_nothing_again(
    served: Served, house: House
) -> None:
    first = await served.open()
    await publish(served, house, 2)
    await first.until_offset(2)
    again = await return_at(served, "epoch-1", 2)
    assert (await again.read())[1]["rec"] == "replayed"
    await publish(served, house, 1)
    await again.until_offset(3)
    assert again.offsets == [3]


@pytest.mark.parametrize(("epoch", "offset"), [("epoch-1", 1), ("epoch-0", 9), ("epoch-1", 99)])
async def test_a_client_too_old_foreign_or_ahead_gets_the_whole_state(
    house: House, redis_url: str, redis_prefix: str, epoch: str, offset: int
) -> None:
    for _ in range(9):
        house.commit("flash.opened")
    limits = GatewayLimits(rooms=RoomLimits(ring_entries=4))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        client = await return_at(served, epoch, offset)
        assert (await client.read())[1]["rec"] == "snapshot"
        state = await client.read()
        assert (state[0], state[2], state[3]["events"]) == ("Z", 9, 9)


async def test_a_sync_is_answered_with_the_missing_events_or_the_state(
    served: Served, house: House
) -> None:
    client = await served.open()
    await client.until("Z")
    await publish(served, house, 3)
    await client.until_offset(3)
    await client.send("sync", "epoch-1", 1)
    missing = await client.until("S")
    assert (missing[1], len(missing[2])) == (2, 2)
    await client.send("sync", "epoch-0", 1)
    before = len(client.offsets)
    state = await client.until("Z")
    while state[2] + len(client.offsets) - before < 3:
        await client.until("S")


async def test_a_lost_announcement_is_repaired_when_the_next_one_comes(
    served: Served, house: House
) -> None:
    client = await served.open()
    await client.until("Z")
    await publish(served, house, 1)
    for _ in range(3):
        house.commit("lost")
    await publish(served, house, 1)
    await client.until_offset(5)
    assert client.offsets == [1, 2, 3, 4, 5]
    assert served.gateway.counters.sale_gaps == 1


async def test_a_lost_announcement_without_a_next_one_is_noticed(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(rooms=RoomLimits(check_every_ms=200))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        client = await served.open()
        await client.until("Z")
        house.commit("lost")
        await client.until_offset(1)


async def test_a_restored_database_sends_everybody_the_new_state(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(rooms=RoomLimits(check_every_ms=200))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        client = await served.open()
        await publish(served, house, 5)
        await client.until_offset(5)
        house.epoch = "epoch-2"
        del house.log[2:]
        state = await client.until("Z")
        assert state[1:3] == ["epoch-2", 2]
        await publish(served, house, 1)
        await client.until_offset(3)


async def test_joiners_of_one_moment_share_a_snapshot(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    # A clock that stands: however slowly they are let in, it is one moment.
    moment_ms = now_ms()
    async with serve(house, redis_url, redis_prefix, clock=lambda: moment_ms) as served:
        await (await served.open()).until("Z")
        before = house.snapshots
        clients = await asyncio.gather(
            *(served.open(f"guest/n{number}") for number in range(JOINERS))
        )
        for client in clients:
            await client.until("Z")
        assert house.snapshots == before


async def open_past_a_tick(served: Served, house: House) -> None:
    """Let somebody in, and pass the tick whose snapshot later joiners would share."""
    await (await served.open()).until("Z")
    await asyncio.sleep(0.15)
    house.is_down = True


async def test_joiners_wait_for_a_database_that_comes_back(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(join_timeout_s=60, rooms=RoomLimits(snapshot_retry_ms=20))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        await open_past_a_tick(served, house)
        patient = await served.open("guest/bob")
        await eventually(lambda: served.gateway.counters.snapshot_failures > 0)
        house.is_down = False
        await patient.until("Z")


async def test_joiners_are_sent_away_from_a_database_that_does_not_come_back(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(join_timeout_s=1, rooms=RoomLimits(snapshot_retry_ms=20))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        await open_past_a_tick(served, house)
        unlucky = await served.open("guest/cleo")
        assert await unlucky.close_code() == 4113
        assert unlucky.frames == [["b", 4113, 5000]]
