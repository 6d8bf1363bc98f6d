"""A slow reader costs bounded memory, loses no sale event, and bothers nobody."""

from __future__ import annotations

import asyncio
import socket

import msgspec

from realtime.gateway.limits import GatewayLimits
from tests.integration.realtime.house import Client, House, Served, eventually, serve

LIMITS = GatewayLimits(
    skip_tick_bytes=8 * 1024,
    resume_bytes=2 * 1024,
    stop_sale_bytes=64 * 1024,
    close_bytes=512 * 1024,
    paused_s_max=1,
    close_linger_s=1,
)


async def open_slow(served: Served) -> Client:
    """Connect a client that lets the server's bytes pile up unless it reads."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", served.port))
    client = await served.open("guest/slow", sock=narrow, max_queue=1, ping_interval=None)
    await client.until("Z")
    return client


def waiting_bytes(served: Served) -> int:
    room = served.gateway.hub.room("r1")
    assert room is not None
    return max((m._transport.get_write_buffer_size() for m in room.members), default=0)  # type: ignore[attr-defined]


async def publish(served: Served, house: House, count: int) -> int:
    """Publish events of 4 KB; return the most that waited for any client."""
    most = 0
    for _ in range(count):
        entry = house.commit("bag.changed", {"pad": "x" * 4000})
        await served.gateway.publisher.sale("r1", [entry])
        most = max(most, waiting_bytes(served))
    return most


async def test_a_slow_reader_gets_every_event_in_bounded_memory(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(
        skip_tick_bytes=8 * 1024, resume_bytes=2 * 1024, stop_sale_bytes=64 * 1024
    )
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        slow, quick = await open_slow(served), await served.open("guest/quick")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(quick.until_offset(120))
            publishing = tasks.create_task(publish(served, house, 120))
        most = publishing.result()
        counters = served.gateway.counters
        assert quick.offsets == list(range(1, 121))
        assert counters.sale_stops == 1
        assert counters.members_paused == 1
        assert most <= limits.stop_sale_bytes + 5000
        seen = 0
        while seen < 120:
            frame = await slow.read()
            if frame[0] == "S":
                assert frame[1] == seen + 1, "a hole or a repeat"
                seen += len(frame[2])
            elif frame[0] == "Z":
                seen = frame[2]
        await eventually(lambda: counters.members_paused == 0)
        await publish(served, house, 1)
        await slow.until_offset(121)


async def test_a_reader_that_is_stuck_is_closed_and_its_memory_freed(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    async with serve(house, redis_url, redis_prefix, limits=LIMITS) as served:
        slow = await open_slow(served)
        await publish(served, house, 60)
        counters = served.gateway.counters
        await eventually(lambda: counters.closes.get(4108) == 1)
        await eventually(lambda: counters.connections_open == 0)
        assert counters.members_paused == 0
        slow.socket.transport.abort()


async def test_a_skipped_tick_is_made_good_with_the_newest_state(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    # However long the machine takes, it is not closed for its pause.
    limits = msgspec.structs.replace(LIMITS, paused_s_max=60)
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        slow = await open_slow(served)
        await publish(served, house, 30)
        assert served.gateway.counters.members_paused == 1
        for value in range(5):
            served.gateway.hub.set_state("r1", "stock:s1", [value, 0, 0])
            await asyncio.sleep(0.06)
        await slow.until_state("stock:s1", [4, 0, 0])


async def test_chat_lines_of_skipped_ticks_are_counted_as_left_out(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(
        skip_tick_bytes=8 * 1024, resume_bytes=2 * 1024, stop_sale_bytes=64 * 1024
    )
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        quick = await served.open("guest/quick")
        slow = await open_slow(served)
        await publish(served, house, 30)
        counters = served.gateway.counters
        assert counters.members_paused == 1
        for number in range(3):
            await quick.send("c", number, f"line {number}")
            shown = await quick.until("L")
            assert [row[3] for row in shown[2]] == [f"line {number}"]
        assert counters.members_paused == 1
        told = await slow.until("L")
        assert told[2:] == [[], 3]
        assert counters.chat_skipped == 3


async def test_a_client_that_vanished_is_closed_for_idleness_although_its_buffer_is_full(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    # The pause alone would let it stay for a minute: only the missing sign of life may close it.
    limits = msgspec.structs.replace(LIMITS, heartbeat_s=1, idle_s=4, paused_s_max=60)
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        gone = await open_slow(served)
        gone.socket.transport.pause_reading()  # Neither FIN nor pong: its network is away.
        assert await publish(served, house, 30) > limits.skip_tick_bytes
        counters = served.gateway.counters
        await eventually(lambda: counters.closes.get(4110) == 1)
        await eventually(lambda: counters.connections_open == 0)
        assert counters.members_paused == 0
        gone.socket.transport.abort()
