"""Chat, likes and viewers: what one person does, and what everybody sees of it."""

from __future__ import annotations

import asyncio

from realtime.brokers.redis import RedisBroker
from realtime.chat.rules import ChatLimits
from realtime.gateway.limits import GatewayLimits
from realtime.presence.service import count_viewers
from realtime.rooms.limits import RoomLimits
from tests.integration.realtime.house import House, Served, eventually, now_ms, serve


async def test_a_fast_talker_is_slowed_down(served: Served) -> None:
    client = await served.open()
    await client.until("Z")
    for number in range(4):
        await client.send("c", number, f"line {number}")
    refusal = await client.until("e")
    assert refusal[1] == 3
    assert refusal[2]["code"] == "slow_down"
    assert 0 < refusal[2]["retry_ms"] <= 1001


async def test_a_muted_user_is_told_and_not_heard_in_any_process(
    served: Served, house: House, redis_url: str, redis_prefix: str
) -> None:
    async with serve(house, redis_url, redis_prefix) as other:
        ann, staff = await other.open(), await served.open("host/h")
        await ann.until("Z")
        await staff.until("Z")
        until_ms = now_ms() + 60_000
        payload = {"user": "guest-ann", "until_ms": until_ms}
        await served.gateway.publisher.sale("r1", [house.commit("user.muted", payload)])
        assert await ann.until("D") == ["D", "muted", {"until_ms": until_ms}]
        await ann.send("c", 1, "hello")
        refusal = (await ann.until("e"))[2]
        assert (refusal["code"], refusal["retry_ms"] > 50_000) == ("muted", True)
        payload = {"user": "guest-ann", "until_ms": 0}
        await served.gateway.publisher.sale("r1", [house.commit("user.muted", payload)])
        await ann.until("D")
        await ann.send("c", 2, "hello")
        await ann.until("r")
        assert (await staff.until("L"))[2][0][3] == "hello"


async def test_a_mute_from_before_the_process_started_is_kept(served: Served, house: House) -> None:
    house.muted["guest-ann"] = now_ms() + 60_000
    client = await served.open()
    await client.send("c", 1, "hello")
    assert (await client.until("e"))[2]["code"] == "muted"


async def test_a_line_deleted_before_its_tick_is_never_shown(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    # The longest tick there is, so that the line is still waiting for it when it is deleted.
    limits = GatewayLimits(rooms=RoomLimits(tick_min_ms=1000))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        client = await served.open("host/h")
        await client.until("Z")
        room = served.gateway.hub.room("r1")
        assert room is not None
        await client.send("c", 1, "oops")
        line_id = (await client.until("r"))[2]["line"]
        await eventually(lambda: room._lines)
        room.apply([house.commit("chat.deleted", {"line": line_id})])
        await client.send("c", 2, "better")
        shown = await client.until("L")
        assert [row[3] for row in shown[2]] == ["better"]
        assert client.offsets == [1]


async def test_a_crowded_room_samples_and_says_so_but_authors_see_their_own(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(chat=ChatLimits(room_lines_per_s=2))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        reader = await served.open("guest/reader")
        await reader.until("Z")
        talkers = [await served.open(f"guest/t{number}") for number in range(8)]
        for number, talker in enumerate(talkers):
            await talker.send("c", number, f"hello from {number}")
        for number, talker in enumerate(talkers):
            while f"hello from {number}" not in [
                row[3] for frame in talker.frames if frame[0] == "L" for row in frame[2]
            ]:
                await talker.read()
        left_out = 0
        seen = 0
        while seen + left_out < 8:
            frame = await reader.until("L")
            seen += len(frame[2])
            left_out += frame[3]
        assert (seen + left_out, left_out > 0) == (8, True)
        await eventually(lambda: len(house.saved) == 8)


async def test_likes_of_two_processes_add_up_and_are_stored(
    served: Served, house: House, redis_url: str, redis_prefix: str
) -> None:
    async with serve(house, redis_url, redis_prefix) as other:
        ann, bob = await served.open(), await other.open("guest/bob")
        await ann.until("Z")
        await bob.until("Z")
        await ann.send("k", 3)
        await ann.send("k", 4)
        await bob.send("k", 5)
        await ann.until_state("likes", 12)
        await bob.until_state("likes", 12)
        assert house.likes == 12
        late = await other.open("guest/late")
        assert (await late.until("Z"))[3]["likes"] == 12


async def test_viewers_of_two_processes_are_counted_and_gone_ones_are_not(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    broker = RedisBroker(redis_url, prefix=redis_prefix)
    limits = GatewayLimits(presence_every_s=0.1)
    async with serve(house, redis_url, redis_prefix, limits=limits) as one:
        ann = await one.open()
        await ann.until("Z")
        async with serve(house, redis_url, redis_prefix, limits=limits) as other:
            bob = await other.open("guest/bob")
            await bob.until("Z")
            await ann.until_state("viewers", 2)
            assert await count_viewers(broker, "r1", now_ms=now_ms()) == 2
        await ann.until_state("viewers", 1)
        assert await count_viewers(broker, "r1", now_ms=now_ms()) == 1
    await broker.close()


async def test_chat_that_cannot_be_stored_is_stored_later(served: Served, house: House) -> None:
    client = await served.open()
    await client.until("Z")
    house.is_down = True
    await client.send("c", 1, "keep this")
    await client.until("L")
    await eventually(lambda: served.gateway.counters.chat_save_failures > 0)
    house.is_down = False
    await eventually(lambda: [line.text for line in house.saved] == ["keep this"])
    await asyncio.sleep(0)
